package equivalence

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"pgregory.net/rapid"
)

// pipeline draws an aggregation of the stages that the embedded server has.
type pipeline struct {
	*workload
	stages  mongo.Pipeline
	places  []place // of the documents that come out of the last stage
	serial  bool    // they have n
	ordered bool
}

func (w *workload) aggregate() operation {
	p := &pipeline{workload: w, places: w.places, serial: true}
	stages := []func(){p.match, p.match, p.match, p.group, p.project, p.project, p.order, p.page, p.unwind, p.addFields, p.addFields, p.unset, p.count}
	for range 1 + number(w.T, 5, "stages") {
		pick(w.T, stages...)()
	}
	return operation{args: []any{p.stages}, run: func(ctx context.Context, c *mongo.Collection) (result, error) {
		cursor, err := c.Aggregate(ctx, p.stages)
		return all(ctx, cursor, err, p.ordered)
	}}
}

func (p *pipeline) add(name string, arg any) {
	p.stages = append(p.stages, bson.D{{Key: name, Value: arg}})
}

func (p *pipeline) match() { p.add("$match", p.conditions(p.places, 0)) }

func (p *pipeline) group() {
	key, expression := pick(p.T, p.places...), any(nil)
	result := []place{{"total", field{name: "total", plain: []any{int32(1), int32(2)}}}}
	if !chance(p.T, 4) {
		expression = "$" + key.path
		renamed := key.field
		renamed.name = "key" // not _id, which has values of its own
		if key.name == "_id" || key.name == "n" {
			renamed.plain, renamed.enc = []any{int32(0), int32(1)}, nil
		}
		result = append(result, place{"_id", renamed})
		if paths := prefixes(p.places); len(paths) > 0 && chance(p.T, 4) {
			expression, result = "$"+pick(p.T, paths...), result[:1]
		}
	}
	group := bson.D{{Key: "_id", Value: expression}, {Key: "total", Value: bson.D{{Key: "$sum", Value: 1}}}}
	if chance(p.T, 3) {
		summed := "$p"
		if chance(p.T, 5) {
			summed = "$" + p.anyPath(p.places)
		}
		group = append(group, bson.E{Key: "sum", Value: bson.D{{Key: "$sum", Value: summed}}})
	}
	if chance(p.T, 3) {
		group = append(group, bson.E{Key: "count", Value: bson.D{{Key: "$count", Value: bson.D{}}}})
	}
	p.add("$group", group)
	p.places, p.serial, p.ordered = result, false, false
}

func (p *pipeline) project() {
	if len(p.places) < 4 {
		return
	}
	chosen := rapid.Permutation(p.places).Draw(p.T, "projected")[:3]
	spec := bson.D{}
	for _, c := range chosen {
		if c.name != "_id" && c.name != "n" {
			spec = append(spec, bson.E{Key: c.path, Value: 0})
		}
	}
	if len(spec) == 0 {
		return
	}
	if chance(p.T, 2) {
		p.add("$project", spec)
		p.places = slices.DeleteFunc(slices.Clone(p.places), func(q place) bool {
			return slices.ContainsFunc(spec, func(e bson.E) bool { return e.Key == q.path })
		})
		return
	}
	for i := range spec {
		spec[i].Value = 1
	}
	places := slices.DeleteFunc(slices.Clone(p.places), func(q place) bool {
		return q.name != "_id" && q.name != "n" && !slices.ContainsFunc(spec, func(e bson.E) bool { return e.Key == q.path })
	})
	if p.serial {
		spec = append(spec, bson.E{Key: "n", Value: 1})
	}
	if copied := pick(p.T, p.places...); chance(p.T, 2) && copied.name != "_id" && copied.name != "n" {
		spec = append(spec, bson.E{Key: "copy", Value: "$" + copied.path})
		copied.path = "copy"
		places = append(slices.DeleteFunc(places, func(q place) bool { return q.path == "copy" }), copied)
	}
	p.add("$project", spec)
	p.places = places
}

// order makes the order total.
func (p *pipeline) order() {
	if p.serial && !p.ordered {
		p.add("$sort", p.sort())
		p.ordered = true
	}
}

// page skips and limits, once it is certain what comes first.
func (p *pipeline) page() {
	p.order()
	if p.ordered {
		p.add("$skip", rapid.Int64Range(0, 2).Draw(p.T, "skip"))
		p.add("$limit", rapid.Int64Range(1, 6).Draw(p.T, "limit"))
	}
}

func (p *pipeline) unwind() {
	path := "tags"
	if chance(p.T, 3) {
		path = p.anyPath(p.places)
		for _, q := range p.places {
			if q.enc != nil && (q.enc.bsonType == "array" || q.enc.bsonType == "") {
				path = q.path
			}
		}
	}
	p.add("$unwind", "$"+path)
}

// addFields computes a field: a copy of one that there is, or of a document of them, a constant or a type.
func (p *pipeline) addFields() {
	name := "copy"
	if chance(p.T, 4) {
		name = pick(p.T, "q", "sub.v", "a")
	}
	var value any
	var made []place
	source := pick(p.T, p.places...)
	paths := prefixes(p.places)
	switch draw := number(p.T, 10, "computed"); {
	case draw == 0 || source.name == "_id" || source.name == "n":
		value, made = int32(1), []place{{name, field{name: "copy", plain: []any{int32(1)}}}}
	case draw == 1:
		value, made = bson.D{{Key: "$type", Value: "$" + source.path}}, []place{{name, field{name: "copy", plain: []any{"string", "binData", "missing"}}}}
	case draw < 4 && len(paths) > 0:
		prefix := pick(p.T, paths...)
		value = "$" + prefix
		for _, q := range p.places {
			if rest, below := strings.CutPrefix(q.path, prefix+"."); below {
				made = append(made, place{name + "." + rest, q.field})
			}
		}
	default:
		source.name = "copy"
		value, made = "$"+source.path, []place{{name, source.field}}
	}
	p.add(pick(p.T, "$addFields", "$set"), bson.D{{Key: name, Value: value}})
	p.places = append(slices.DeleteFunc(slices.Clone(p.places), func(q place) bool { return around(name, q.path) }), made...)
}

// unset takes a field away, but not _id: FerretDB panics in a $project after it.
func (p *pipeline) unset() {
	if i := number(p.T, len(p.places), "unset"); len(p.places) > 3 && p.places[i].name != "n" && p.places[i].path != "_id" {
		p.add("$unset", p.places[i].path)
		p.places = slices.Delete(slices.Clone(p.places), i, i+1)
	}
}

func (p *pipeline) count() {
	p.add("$count", "total")
	p.places = []place{{"total", field{name: "total", plain: []any{int32(1), int32(2)}}}}
	p.serial, p.ordered = false, true // of one document
}
