package analyze_test

import (
	"maps"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// allowedStages are those that a pipeline over encrypted fields may have.
var allowedStages = []string{
	"$addFields", "$bucket", "$bucketAuto", "$count", "$facet", "$graphLookup", "$group", "$limit", "$lookup", "$match", "$project", "$redact",
	"$replaceRoot", "$replaceWith", "$sample", "$set", "$skip", "$sort", "$sortByCount", "$unionWith", "$unset", "$unwind",
}

// pipeline draws a pipeline over documents like root, and says what comes out.
func (g *pipes) pipeline(root *shape, most int, depth int) (bson.A, *shape) {
	stages := bson.A{}
	for range 1 + g.number(most) {
		var made bson.A
		made, root = g.stage(root, depth)
		stages = append(stages, made...)
		if names := root.made(); len(names) > 0 && g.chance(2) {
			path := g.pick(names...)
			g.note("$match", root)
			stages = append(stages, bson.D{{Key: "$match", Value: bson.D{{Key: path, Value: g.condition(root.path(path))}}}})
		}
	}
	return stages, root
}

// stage draws a stage, some with another before them that makes it likely to do something.
func (g *pipes) stage(root *shape, depth int) (bson.A, *shape) {
	name := g.pick(slices.Concat(allowedStages, []string{"$match", "$match", "$match", "$project", "$addFields", "$unwind", "$lookup", "$group"})...)
	if depth > 1 && slices.Contains([]string{"$facet", "$lookup", "$unionWith", "$graphLookup"}, name) {
		name = "$match"
	}
	if has(root, (*shape).isArray) && g.chance(3) {
		name = "$unwind"
	}
	g.note(name, root)
	is := func(v any) bson.A { return bson.A{bson.D{{Key: name, Value: v}}} }
	switch name {
	case "$match":
		return is(g.filter(root, 0)), root
	case "$project":
		return g.project(root)
	case "$addFields", "$set":
		doc, fields := g.computed(root)
		for _, f := range fields {
			root = root.with(f.path, f.shape)
		}
		return is(doc), root
	case "$unset":
		f := g.field(root, func(*shape) bool { return true })
		return is(f.path), root.with(f.path, nil)
	case "$replaceRoot", "$replaceWith":
		return g.replaceRoot(root, name)
	case "$redact":
		return is(g.redaction(root)), root
	case "$limit":
		return is(1 + g.number(5)), root
	case "$skip":
		return is(g.number(3)), root
	case "$sample":
		return is(bson.D{{Key: "size", Value: 10}}), root
	case "$sort":
		return is(bson.D{{Key: g.field(root, (*shape).isPlain).path, Value: 1}}), root
	case "$count":
		return is("n"), nil
	case "$unwind":
		return g.unwind(root)
	}
	return g.combining(name, root, depth)
}

func (g *pipes) combining(name string, root *shape, depth int) (bson.A, *shape) {
	is := func(v any) bson.A { return bson.A{bson.D{{Key: name, Value: v}}} }
	switch name {
	case "$group":
		id, s := g.key(root)
		output, result := g.accumulated(root)
		return is(append(bson.D{{Key: "_id", Value: id}}, output...)), result.with("_id", s)
	case "$sortByCount":
		id, s := g.key(root)
		if id == nil {
			id, s = "$other", root.field("other")
		}
		return is(id), absent.with("_id", s)
	case "$bucket":
		by := g.field(root, (*shape).isPlain)
		output, result := g.accumulated(root)
		return is(bson.D{{Key: "groupBy", Value: "$" + by.path}, {Key: "boundaries", Value: bson.A{int32(0), int32(2), int32(4)}}, {Key: "default", Value: "rest"}, {Key: "output", Value: output}}), result
	case "$bucketAuto":
		by := g.field(root, (*shape).isPlain)
		output, result := g.accumulated(root)
		return is(bson.D{{Key: "groupBy", Value: "$" + by.path}, {Key: "buckets", Value: 2}, {Key: "output", Value: output}}), result
	case "$facet":
		x, a := g.pipeline(root, 2, depth+1)
		y, b := g.pipeline(root, 2, depth+1)
		return is(bson.D{{Key: "x", Value: x}, {Key: "y", Value: y}}), absent.with("x", a.array()).with("y", b.array())
	case "$lookup":
		return g.lookup(root, depth+1)
	case "$graphLookup":
		return g.graphLookup(root)
	default:
		from := g.collection()
		other := g.roots[from]
		if g.chance(2) {
			return is(from), root.or(other)
		}
		inner, result := g.pipeline(other, 2, depth+1)
		return is(bson.D{{Key: "coll", Value: from}, {Key: "pipeline", Value: inner}}), root.or(result)
	}
}

func (g *pipes) collection() string {
	if g.chance(2) {
		return g.own
	}
	return g.pick(slices.Sorted(maps.Keys(g.roots))...)
}

// filter draws a filter on documents like root.
func (g *pipes) filter(root *shape, depth int) bson.D {
	filter := bson.D{}
	for range 1 + g.number(2) {
		switch g.number(7) {
		case 0:
			if depth < 2 {
				filter = append(filter, bson.E{Key: g.pick("$and", "$or", "$nor"), Value: bson.A{g.filter(root, depth+1), g.filter(root, depth+1)}})
			}
		case 1, 2:
			filter = append(filter, bson.E{Key: g.note("$expr", root), Value: g.boolean(root, 1)})
		case 3:
			f := g.field(root, (*shape).isPlain)
			filter = append(filter, bson.E{Key: f.path, Value: g.condition(f.shape)})
		case 4:
			f := g.field(root, func(*shape) bool { return true })
			filter = append(filter, bson.E{Key: f.path, Value: bson.D{{Key: "$exists", Value: g.chance(2)}}})
		default:
			f := g.compares(root)
			filter = append(filter, bson.E{Key: f.path, Value: g.condition(f.shape)})
		}
	}
	return filter
}

func (g *pipes) condition(s *shape) any {
	switch name := g.pick("", "", "$eq", "$ne", "$in", "$nin", "$not", "$gte"); {
	case name == "$in" || name == "$nin":
		return bson.D{{Key: name, Value: bson.A{g.compared(s), g.compared(s)}}}
	case name == "$not":
		return bson.D{{Key: name, Value: bson.D{{Key: "$eq", Value: g.compared(s)}}}}
	case name == "$gte" && s.encrypts() && !g.odd(), name == "":
		return g.compared(s)
	default:
		return bson.D{{Key: name, Value: g.compared(s)}}
	}
}

// clashes says whether two of the paths begin in the same field, which servers refuse in one stage.
func clashes(paths []string, path string) bool {
	first, _, _ := strings.Cut(path, ".")
	return slices.ContainsFunc(paths, func(p string) bool { return p == first || strings.HasPrefix(p, first+".") })
}

// computed draws {path: expression, …}.
func (g *pipes) computed(root *shape) (doc bson.D, fields []found) {
	var paths []string
	for range 1 + g.number(2) {
		path := g.pick("x", "y", "n.x", "plain.x")
		if g.chance(3) {
			path = g.field(root, func(*shape) bool { return true }).path
		}
		if clashes(paths, path) {
			continue
		}
		paths = append(paths, path)
		v, s := g.expression(root, 0)
		if path == "_id" && s == absent {
			continue
		}
		doc, fields = append(doc, bson.E{Key: path, Value: v}), append(fields, found{path, s})
	}
	if doc == nil {
		return bson.D{{Key: "x", Value: "$plain"}}, []found{{"x", root.field("plain")}}
	}
	return doc, fields
}

// project draws $project.
func (g *pipes) project(root *shape) (bson.A, *shape) {
	doc, result := g.projection(root)
	return bson.A{bson.D{{Key: "$project", Value: doc}}}, result
}

func (g *pipes) projection(root *shape) (bson.D, *shape) {
	var doc bson.D
	var paths []string
	including := !g.chance(4)
	for range 1 + g.number(3) {
		if path := g.field(root, func(*shape) bool { return true }).path; !clashes(paths, path) && path != "_id" {
			paths = append(paths, path)
			doc = append(doc, bson.E{Key: path, Value: including})
		}
	}
	if len(doc) == 0 {
		return bson.D{{Key: "plain", Value: true}}, root.only("plain", "_id")
	}
	if !including {
		for _, path := range paths {
			root = root.with(path, nil)
		}
		return doc, root
	}
	result := root.only(append(paths, "_id")...)
	if g.chance(2) {
		path := g.pick("x", "y")
		if v, s := g.expression(root, 0); !isFlagLike(v) && !clashes(paths, path) {
			doc, result = append(doc, bson.E{Key: path, Value: v}), result.with(path, s)
		}
	}
	return doc, result
}

// isFlagLike says whether a projection takes v for an inclusion or exclusion.
func isFlagLike(v any) bool {
	switch v.(type) {
	case bool, int, int32, int64, float64:
		return true
	}
	return false
}
