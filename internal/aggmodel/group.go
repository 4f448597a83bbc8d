package aggmodel

import (
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// group is documents for which an expression has one value.
type group struct {
	id   any
	docs []bson.D
}

// groupBy puts documents with equal values together, in the order of the first of each.
func groupBy(s *scope, docs []bson.D, key expr) ([]*group, error) {
	var groups []*group
	for _, doc := range docs {
		id, err := key(s.document(doc))
		if err != nil {
			return nil, err
		}
		if id == absent {
			id = nil
		}
		i := slices.IndexFunc(groups, func(g *group) bool { return equal(g.id, id) })
		if i < 0 {
			i = len(groups)
			groups = append(groups, &group{id: id})
		}
		groups[i].docs = append(groups[i].docs, doc)
	}
	return groups, nil
}

// compileGroup: a missing _id is one with null; fields that are missing inside an _id that is a document are left out of it. (Of
// a document with a single field, versions of the server are known to differ here.)
func compileGroup(spec any) (stage, error) {
	doc, ok := spec.(bson.D)
	if !ok || get(doc, "_id") == absent {
		return nil, refuse("$group", "must be an object with an _id")
	}
	key, err := compile(get(doc, "_id"))
	if err != nil {
		return nil, err
	}
	fields, err := compileFields(set(doc, "_id", absent))
	if err != nil {
		return nil, err
	}
	return func(s *scope, docs []bson.D) ([]bson.D, error) {
		groups, err := groupBy(s, docs, key)
		if err != nil {
			return nil, err
		}
		return output(s, groups, fields)
	}, nil
}

func compileFields(spec bson.D) ([]field, error) {
	var fields []field
	for _, f := range spec {
		compiled, err := compileField(f)
		if err != nil {
			return nil, err
		}
		fields = append(fields, compiled)
	}
	return fields, nil
}

func output(s *scope, groups []*group, fields []field) ([]bson.D, error) {
	var out []bson.D
	for _, g := range groups {
		doc, err := accumulate(s, g.id, fields, g.docs)
		if err != nil {
			return nil, err
		}
		out = append(out, doc)
	}
	return out, nil
}

// counting is the output of $sortByCount, and of buckets that name none.
func counting() bson.D { return bson.D{{Key: "count", Value: bson.D{{Key: "$sum", Value: int32(1)}}}} }

func compileSortByCount(spec any) (stage, error) {
	if doc, ok := spec.(bson.D); !isPath(spec) && !(ok && isOperator(doc)) {
		return nil, refuse("$sortByCount", "must be an expression")
	}
	grouped, err := compileGroup(append(bson.D{{Key: "_id", Value: spec}}, counting()...))
	if err != nil {
		return nil, err
	}
	sorted, err := compileSort(bson.D{{Key: "count", Value: int32(-1)}})
	return pipeline{grouped, sorted}.run, err
}

func bucketFields(operator string, args map[string]any) ([]field, error) {
	if args["output"] == absent {
		return compileFields(counting())
	}
	doc, ok := args["output"].(bson.D)
	if !ok {
		return nil, refuse(operator, "output is %s, want object", typeName(args["output"]))
	}
	return compileFields(doc)
}

func compileBucket(spec any) (stage, error) {
	args, err := named("$bucket", spec, []string{"groupBy", "boundaries"}, []string{"default", "output"})
	if err != nil {
		return nil, err
	}
	fields, err := bucketFields("$bucket", args)
	if err != nil {
		return nil, err
	}
	value, err := compile(args["groupBy"])
	if err != nil {
		return nil, err
	}
	boundaries, ok := args["boundaries"].(bson.A)
	if !ok || len(boundaries) < 2 {
		return nil, refuse("$bucket", "boundaries must be an array of at least two")
	}
	for i, b := range boundaries[1:] {
		if class(b) != class(boundaries[0]) || compare(boundaries[i], b) >= 0 {
			return nil, refuse("$bucket", "boundaries must be of one type and ascend")
		}
	}
	other := args["default"]
	if inBuckets(boundaries, other) {
		return nil, refuse("$bucket", "default must be outside of the boundaries")
	}
	key := func(s *scope) (any, error) { return bucketOf(s, value, boundaries, other) }
	return func(s *scope, docs []bson.D) ([]bson.D, error) {
		groups, err := groupBy(s, docs, key)
		if err != nil {
			return nil, err
		}
		slices.SortFunc(groups, func(a, b *group) int { return compare(a.id, b.id) })
		return output(s, groups, fields)
	}, nil
}

func inBuckets(boundaries bson.A, v any) bool {
	return v != absent && compare(v, boundaries[0]) >= 0 && compare(v, boundaries[len(boundaries)-1]) < 0
}

// bucketOf is the lower boundary of the bucket of a value, or the default.
func bucketOf(s *scope, value expr, boundaries bson.A, other any) (any, error) {
	v, err := value(s)
	if err != nil {
		return nil, err
	}
	if inBuckets(boundaries, v) {
		i := slices.IndexFunc(boundaries, func(b any) bool { return compare(b, v) > 0 })
		return boundaries[i-1], nil
	}
	if other == absent {
		return nil, refuse("$bucket", "a value is in no bucket and there is no default")
	}
	return other, nil
}

// compileBucketAuto: buckets of about the same number of documents, where equal values always share one.
func compileBucketAuto(spec any) (stage, error) {
	args, err := named("$bucketAuto", spec, []string{"groupBy", "buckets"}, []string{"output", "granularity"})
	if err != nil {
		return nil, err
	}
	if args["granularity"] != absent {
		return nil, unsupported("granularity of $bucketAuto")
	}
	fields, err := bucketFields("$bucketAuto", args)
	if err != nil {
		return nil, err
	}
	buckets, ok := integer(args["buckets"])
	if !ok || buckets < 1 {
		return nil, refuse("$bucketAuto", "buckets must be a positive whole number")
	}
	value, err := compile(args["groupBy"])
	return func(s *scope, docs []bson.D) ([]bson.D, error) {
		values, err := groupBy(s, docs, value)
		if err != nil {
			return nil, err
		}
		slices.SortFunc(values, func(a, b *group) int { return compare(a.id, b.id) })
		enough := max(1, int(math.Round(float64(len(docs))/float64(buckets))))
		return output(s, fillBuckets(values, int(buckets), enough), fields)
	}, err
}

// fillBuckets puts groups of equal values, in order, into buckets until each has enough documents; the last takes the rest.
func fillBuckets(values []*group, buckets, enough int) []*group {
	var filled []*group
	var lows, highs []any
	for _, g := range values {
		last := len(filled) - 1
		if last < 0 || len(filled[last].docs) >= enough && len(filled) < buckets {
			filled, lows, highs = append(filled, &group{}), append(lows, g.id), append(highs, nil)
			last++
		}
		filled[last].docs = append(filled[last].docs, g.docs...)
		highs[last] = g.id
	}
	for i, g := range filled {
		if i+1 < len(filled) {
			highs[i] = lows[i+1] // exclusive, but for the last bucket's
		}
		g.id = bson.D{{Key: "min", Value: lows[i]}, {Key: "max", Value: highs[i]}}
	}
	return filled
}
