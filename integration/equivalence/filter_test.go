package equivalence

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

func (w *workload) filter() bson.D { return w.conditions(w.places, 0) }

// conditions draws a filter over these places.
func (w *workload) conditions(places []place, depth int) bson.D {
	filter := bson.D{}
	for range rapid.IntRange(min(depth, 1), 2).Draw(w.T, "conditions") {
		if depth < 2 && chance(w.T, 4) {
			clauses := bson.A{w.conditions(places, depth+1), w.conditions(places, depth+1)}
			filter = append(filter, bson.E{Key: pick(w.T, "$and", "$or", "$nor"), Value: clauses})
			continue
		}
		filter = also(filter, w.condition(places, depth))
	}
	return filter
}

// also adds a condition to a filter. FerretDB panics when it meets a dotted path twice in one document, so that is not drawn.
func also(filter bson.D, e bson.E) bson.D {
	if strings.Contains(e.Key, ".") && slices.ContainsFunc(filter, func(f bson.E) bool { return f.Key == e.Key }) {
		return filter
	}
	return append(filter, e)
}

// condition draws a condition on one path, not often one that is sure to be refused.
func (w *workload) condition(places []place, depth int) bson.E {
	if chance(w.T, 10) {
		return w.oddCondition(places)
	}
	p := pick(w.T, places...)
	var operators []string
	switch {
	case p.enc == nil:
		operators = []string{"", "", "$eq", "$ne", "$in", "$nin", "$exists", "$not", "$gt", "$gte", "$lt", "$lte", "both"}
		switch p.path {
		case "tags":
			operators = append(operators, "$all", "$size", "$elemMatch")
		case "q":
			operators = append(operators, "$regex", "$type")
		case "p":
			operators = append(operators, "$mod", "$type")
		}
	case p.enc.deterministic && p.enc.bsonType != "regex":
		operators = []string{"", "", "$eq", "$ne", "$in", "$nin", "$exists", "$not", "both"}
	default:
		operators = []string{"$exists"}
	}
	return bson.E{Key: p.path, Value: w.operators(p, operators, depth)}
}

func (w *workload) operators(p place, operators []string, depth int) any {
	operator := pick(w.T, operators...)
	switch operator {
	case "":
		return w.literal(p)
	case "$in", "$nin":
		return bson.D{{Key: operator, Value: bson.A{w.literal(p), w.literal(p)}}}
	case "$exists":
		return bson.D{{Key: operator, Value: rapid.Bool().Draw(w.T, "exists")}}
	case "$not":
		return bson.D{{Key: operator, Value: bson.D{{Key: pick(w.T, "$eq", "$ne"), Value: w.literal(p)}}}}
	case "both":
		return bson.D{{Key: "$ne", Value: w.literal(p)}, {Key: "$in", Value: bson.A{w.literal(p), w.literal(p)}}}
	case "$all":
		return bson.D{{Key: operator, Value: bson.A{"red", pick(w.T, texts...)}}}
	case "$size":
		return bson.D{{Key: operator, Value: rapid.Int32Range(0, 3).Draw(w.T, "size")}}
	case "$elemMatch":
		return bson.D{{Key: operator, Value: bson.D{{Key: "$eq", Value: pick(w.T, texts...)}}}}
	case "$regex":
		return bson.D{{Key: operator, Value: "^[rg]"}}
	case "$type":
		return bson.D{{Key: operator, Value: pick(w.T, "string", "int", "binData")}}
	case "$mod":
		return bson.D{{Key: operator, Value: bson.A{int32(2), int32(1)}}}
	}
	return bson.D{{Key: operator, Value: w.literal(p)}}
}

// oddCondition draws what encryption has reasons to refuse, and sometimes need not.
func (w *workload) oddCondition(places []place) bson.E {
	if paths := prefixes(places); len(paths) > 0 && chance(w.T, 2) { // a document that holds encrypted fields
		document := bson.D{{Key: pick(w.T, "x", "y", "m1"), Value: pick(w.T, any("red"), canary("string", 0))}}
		value := pick(w.T, any(document), any(bson.D{{Key: "$in", Value: bson.A{document}}}), any("red"), any(int32(5)), any(bson.D{}), any(nil),
			any(bson.D{{Key: "$exists", Value: true}}), any(bson.D{{Key: "$ne", Value: "red"}}), any(bson.D{{Key: "$in", Value: bson.A{"red", int32(5)}}}))
		return bson.E{Key: pick(w.T, paths...), Value: value}
	}
	p := pick(w.T, places...)
	if sealed := slices.DeleteFunc(slices.Clone(places), func(p place) bool { return p.enc == nil }); len(sealed) > 0 && chance(w.T, 2) {
		p = pick(w.T, sealed...)
	}
	switch number(w.T, 5, "which") {
	case 0:
		return bson.E{Key: w.below(places), Value: pick(w.T, any("red"), any(bson.D{{Key: "$ne", Value: "red"}}))}
	case 1:
		return bson.E{Key: w.below(places), Value: bson.D{{Key: "$exists", Value: rapid.Bool().Draw(w.T, "exists")}}}
	case 2:
		return bson.E{Key: p.path, Value: bson.D{{Key: pick(w.T, "$gt", "$gte", "$lt", "$lte"), Value: w.literal(p)}}}
	case 3:
		return bson.E{Key: p.path, Value: bson.D{{Key: "$type", Value: "string"}}}
	}
	return bson.E{Key: p.path, Value: nil}
}

// below draws a path inside of a field: of one that is encrypted whole, if there is one.
func (w *workload) below(places []place) string {
	for _, p := range places {
		if p.enc != nil && (p.enc.bsonType == "object" || p.enc.bsonType == "array" || p.enc.bsonType == "") {
			return p.path + pick(w.T, ".t", ".d.i", ".0", ".1.i")
		}
	}
	return pick(w.T, places...).path + pick(w.T, ".x", ".0")
}

// projection draws which fields a find returns.
func (w *workload) projection() bson.D {
	include := rapid.Bool().Draw(w.T, "include")
	projection, used := bson.D{}, map[string]bool{}
	for range rapid.IntRange(1, 3).Draw(w.T, "projected") {
		path, value := pick(w.T, w.places...).path, int32(0)
		if chance(w.T, 12) {
			path = w.below(w.places)
		}
		if path == "_id" || used[path] {
			continue
		}
		if used[path] = true; include {
			value = 1
		}
		projection = append(projection, bson.E{Key: path, Value: value})
	}
	if chance(w.T, 3) {
		projection = append(projection, bson.E{Key: "_id", Value: false})
	}
	return projection
}
