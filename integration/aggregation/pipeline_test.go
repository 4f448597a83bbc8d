package aggregation

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"pgregory.net/rapid"
)

// drawn is a pipeline so far.
type drawn struct {
	*rapid.T
	stages mongo.Pipeline
	places []place // of the documents that come out of the last stage, as far as stages are likely to name them
	depth  int     // of the pipeline in the stages of others
}

// pipeline draws one over documents with these places.
func pipeline(t *rapid.T, places []place, depth int) *drawn {
	d := &drawn{T: t, stages: mongo.Pipeline{}, places: append([]place{{"_id", small}}, places...), depth: depth}
	draw := []func(){d.match, d.match, d.match, d.project, d.addFields, d.group, d.sortByCount, d.lookup, d.lookup,
		d.unwind, d.replaceRoot, d.unionWith, d.sort, d.limit, d.facet}
	for range 1 + number(t, 5-2*depth) {
		pick(t, draw...)()
	}
	return d
}

// place picks one, and now and then one that is not there, or no longer.
func (d *drawn) place() place {
	if len(d.places) == 0 || chance(d.T, 25) {
		return pick(d.T, home...)
	}
	return pick(d.T, d.places...)
}

// like picks a place that may have the values of p.
func (d *drawn) like(p place) place {
	alike := slices.DeleteFunc(slices.Clone(d.places), func(q place) bool { return q.kind != p.kind })
	if len(alike) == 0 {
		return d.place()
	}
	return pick(d.T, alike...)
}

func (d *drawn) add(name string, arg any) { d.stages = append(d.stages, one(name, arg)) }

func (d *drawn) match() { d.add("$match", d.condition()) }

func (d *drawn) sort() {
	d.add("$sort", bson.D{{Key: pick(d.T, "n", d.place().path), Value: pick(d.T, 1, -1)}, {Key: "_id", Value: 1}})
}

func (d *drawn) limit() { d.add("$limit", 2+number(d.T, 4)) }

func (d *drawn) unwind() {
	p := d.place()
	d.add("$unwind", bson.D{{Key: "path", Value: "$" + pick(d.T, "tags", p.path)}, {Key: "preserveNullAndEmptyArrays", Value: true}})
}

// project keeps some places, with one that is computed, or takes some away.
func (d *drawn) project() {
	kept, spec, places := number(d.T, 3) > 0, bson.D{}, []place{}
	for range 3 {
		p := d.place()
		around := func(e bson.E) bool {
			return strings.HasPrefix(p.path+".", e.Key+".") || strings.HasPrefix(e.Key+".", p.path+".")
		}
		if p.path == "_id" || p.path == "c" || slices.ContainsFunc(spec, around) {
			continue
		}
		spec = append(spec, bson.E{Key: p.path, Value: kept})
		places = append(places, p)
		for _, q := range below(p.path, d.places) {
			places = append(places, place{p.path + "." + q.path, q.kind})
		}
	}
	switch {
	case len(spec) == 0:
		return
	case !kept:
		d.add("$project", spec)
		for _, e := range spec {
			d.places = with(d.places, e.Key)
		}
		return
	case chance(d.T, 2):
		e, made := d.computed("c")
		spec, places = append(spec, bson.E{Key: "c", Value: e}), append(places, made)
	}
	d.add("$project", spec)
	d.places = places
}

func (d *drawn) addFields() {
	name := pick(d.T, "c", "c", "p", "s", "o.y")
	e, made := d.computed(name)
	d.add("$addFields", one(name, e))
	d.places = with(d.places, name, made)
}

// computed draws the value of a field: often a copy.
func (d *drawn) computed(name string) (expression any, made place) {
	if p := d.place(); chance(d.T, 2) {
		return "$" + p.path, place{name, p.kind}
	}
	return d.expression(0), place{name, other}
}

func (d *drawn) group() {
	p, q := d.place(), d.place()
	accumulator := pick(d.T, "$push", "$first", "$last", "$addToSet", "$max")
	places := []place{{"n", small}, {"m", q.kind}}
	var key any
	switch number(d.T, 4) {
	case 0:
		key = bson.D{{Key: "s", Value: "$" + p.path}, {Key: "c", Value: d.expression(1)}}
		places = append(places, place{"_id.s", p.kind})
	case 1:
		key = nil
	default:
		key = "$" + p.path
		places = append(places, place{"_id", p.kind})
	}
	d.add("$group", bson.D{{Key: "_id", Value: key}, {Key: "n", Value: one("$sum", 1)}, {Key: "m", Value: one(accumulator, "$"+q.path)}})
	d.places = places
	if (accumulator == "$push" || accumulator == "$addToSet") && !chance(d.T, 3) {
		d.add("$unwind", "$m")
	}
}

func (d *drawn) sortByCount() {
	p := d.place()
	d.add("$sortByCount", "$"+p.path)
	d.places = []place{{"_id", p.kind}, {"count", small}}
}

// collection picks another collection, or the same.
func (d *drawn) collection() (name string, places []place) {
	name = pick(d.T, "home", "home", "away")
	return name, collections[name]
}

// lookup draws a join by fields, by a pipeline or both, mostly with an $unwind after it.
func (d *drawn) lookup() {
	from, places := d.collection()
	spec, result := bson.D{{Key: "from", Value: from}, {Key: "as", Value: "m"}}, places
	form := number(d.T, 4)
	if form > 0 {
		foreign := pick(d.T, places...)
		spec = append(spec, bson.E{Key: "localField", Value: d.like(foreign).path}, bson.E{Key: "foreignField", Value: foreign.path})
	}
	if form < 2 && d.depth == 0 {
		inner := pipeline(d.T, places, 1)
		let := bson.D{}
		if chance(d.T, 3) {
			let = one("v", "$"+pick(d.T, "n", "n", d.place().path))
			inner.add("$match", one("$expr", one("$eq", bson.A{"$$v", "$n"})))
		}
		spec, result = append(spec, bson.E{Key: "let", Value: let}, bson.E{Key: "pipeline", Value: inner.stages}), inner.places
	} else if form == 0 {
		spec = append(spec, bson.E{Key: "pipeline", Value: mongo.Pipeline{}})
	}
	d.add("$lookup", spec)
	d.places = with(d.places, "m", under("m", result)...)
	if !chance(d.T, 4) {
		d.add("$unwind", "$m")
	}
}

// facet draws two pipelines and goes on with the results of one.
func (d *drawn) facet() {
	if d.depth > 0 {
		return
	}
	first, second := pipeline(d.T, d.places, 1), pipeline(d.T, d.places, 1)
	d.add("$facet", bson.D{{Key: "one", Value: first.stages}, {Key: "two", Value: second.stages}})
	if d.places = under("one", first.places); !chance(d.T, 4) {
		d.add("$unwind", "$one")
	}
}

// replaceRoot makes a document of the documents the new root, or a new document.
func (d *drawn) replaceRoot() {
	if from := pick(d.T, "o", "m", "one"); len(below(from, d.places)) > 0 {
		d.add("$match", one(from, one("$exists", true)))
		d.add("$replaceRoot", one("newRoot", "$"+from))
		d.places = below(from, d.places)
		return
	}
	p := d.place()
	d.add("$replaceRoot", one("newRoot", pick(d.T, any("$$ROOT"), any(bson.D{{Key: "s", Value: "$" + p.path}, {Key: "c", Value: d.expression(1)}}))))
	if _, root := d.stages[len(d.stages)-1][0].Value.(bson.D)[0].Value.(string); !root {
		d.places = []place{{"s", p.kind}, {"c", other}}
	}
}

func (d *drawn) unionWith() {
	name, places := d.collection()
	inner := pipeline(d.T, places, 1)
	d.add("$unionWith", bson.D{{Key: "coll", Value: name}, {Key: "pipeline", Value: inner.stages}})
	d.places = append(slices.Clone(d.places), inner.places...)
}
