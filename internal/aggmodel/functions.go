package aggmodel

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// function is an operator whose arguments are all evaluated first. Its name is passed on for errors.
type function struct {
	min, max int // number of arguments; max -1: any
	call     func(name string, args []any) (any, error)
}

// functions are in the order of the manual's "Aggregation Operators" page.
var functions = map[string]function{
	"$add":      {0, -1, add},
	"$divide":   {2, 2, divide},
	"$mod":      {2, 2, mod},
	"$multiply": {0, -1, multiply},
	"$subtract": {2, 2, subtract},

	"$arrayElemAt":   {2, 2, arrayElemAt},
	"$arrayToObject": {1, 1, arrayToObject},
	"$concatArrays":  {0, -1, concatArrays},
	"$in":            {2, 2, in},
	"$isArray":       {1, 1, isArray},
	"$size":          {1, 1, size},
	"$slice":         {2, 3, slice},

	"$not": {1, 1, func(_ string, args []any) (any, error) { return !truthy(args[0]), nil }},

	"$cmp": {2, 2, func(_ string, args []any) (any, error) { return int32(compare(args[0], args[1])), nil }},
	"$eq":  comparison(func(c int) bool { return c == 0 }),
	"$gt":  comparison(func(c int) bool { return c > 0 }),
	"$gte": comparison(func(c int) bool { return c >= 0 }),
	"$lt":  comparison(func(c int) bool { return c < 0 }),
	"$lte": comparison(func(c int) bool { return c <= 0 }),
	"$ne":  comparison(func(c int) bool { return c != 0 }),

	"$ifNull": {2, -1, ifNull},

	"$mergeObjects":  {0, -1, mergeObjects},
	"$objectToArray": {1, 1, objectToArray},

	"$setIntersection": {0, -1, setIntersection},
	"$setUnion":        {0, -1, setUnion},

	"$concat":   {0, -1, concat},
	"$strLenCP": {1, 1, strLenCP},
	"$substrCP": {3, 3, substrCP},
	"$toLower":  {1, 1, toLower},
	"$toUpper":  {1, 1, toUpper},

	"$toString": {1, 1, toString},
	"$type":     {1, 1, func(_ string, args []any) (any, error) { return typeName(args[0]), nil }},

	// Of arrays, and of several values.
	"$first": {1, 1, end(func(a bson.A) any { return a[0] })},
	"$last":  {1, 1, end(func(a bson.A) any { return a[len(a)-1] })},
	"$avg":   overElements(avg),
	"$max":   overElements(extreme(1)),
	"$min":   overElements(extreme(-1)),
	"$sum":   overElements(sum),
}

func comparison(holds func(int) bool) function {
	return function{2, 2, func(_ string, args []any) (any, error) { return holds(compare(args[0], args[1])), nil }}
}

func ifNull(_ string, args []any) (any, error) {
	for _, v := range args {
		if !nullish(v) {
			return v, nil
		}
	}
	return args[len(args)-1], nil
}

// overElements makes an accumulator an expression: of the elements if its only argument is an array, else of the arguments.
func overElements(accumulate accumulator) function {
	return function{0, -1, func(name string, args []any) (any, error) {
		if len(args) == 1 {
			if array, ok := args[0].(bson.A); ok {
				args = array
			}
		}
		return accumulate(name, args)
	}}
}

// mergeObjects, also an accumulator: later documents win, fields stay where they first were.
func mergeObjects(name string, args []any) (any, error) {
	merged := bson.D{}
	for _, v := range args {
		if nullish(v) {
			continue
		}
		doc, ok := v.(bson.D)
		if !ok {
			return nil, refuse(name, "got %s, want object", typeName(v))
		}
		for _, f := range doc {
			merged = set(merged, f.Key, f.Value)
		}
	}
	return merged, nil
}

func objectToArray(name string, args []any) (any, error) {
	if nullish(args[0]) {
		return nil, nil
	}
	doc, ok := args[0].(bson.D)
	if !ok {
		return nil, refuse(name, "got %s, want object", typeName(args[0]))
	}
	pairs := bson.A{}
	for _, f := range doc {
		pairs = append(pairs, bson.D{{Key: "k", Value: f.Key}, {Key: "v", Value: f.Value}})
	}
	return pairs, nil
}

// arrayToObject takes [[name, value], …] or [{k: name, v: value}, …], all in the form of the first.
func arrayToObject(name string, args []any) (any, error) {
	if nullish(args[0]) {
		return nil, nil
	}
	pairs, ok := args[0].(bson.A)
	if !ok {
		return nil, refuse(name, "got %s, want array", typeName(args[0]))
	}
	doc := bson.D{}
	for _, pair := range pairs {
		if class(pair) != class(pairs[0]) {
			return nil, refuse(name, "pairs of different forms")
		}
		var k, v any
		switch pair := pair.(type) {
		case bson.A:
			if len(pair) != 2 {
				return nil, refuse(name, "a pair has %d elements", len(pair))
			}
			k, v = pair[0], pair[1]
		case bson.D:
			k, v = get(pair, "k"), get(pair, "v")
			if len(pair) != 2 || v == absent {
				return nil, refuse(name, "a pair must have the fields k and v and no others")
			}
		}
		key, ok := k.(string)
		if !ok {
			return nil, refuse(name, "the name of a field is %s, want string", typeName(k))
		}
		doc = set(doc, key, v)
	}
	return doc, nil
}

// sets reads arguments that must all be arrays; the bool is false when one is null or missing, which makes the result null.
func sets(name string, args []any) ([]bson.A, bool, error) {
	var arrays []bson.A
	for _, v := range args {
		if nullish(v) {
			return nil, false, nil
		}
		array, ok := v.(bson.A)
		if !ok {
			return nil, false, refuse(name, "got %s, want array", typeName(v))
		}
		arrays = append(arrays, array)
	}
	return arrays, true, nil
}

func setUnion(name string, args []any) (any, error) {
	arrays, ok, err := sets(name, args)
	if !ok {
		return nil, err
	}
	return sortedSet(slices.Concat(arrays...)), nil
}

func setIntersection(name string, args []any) (any, error) {
	arrays, ok, err := sets(name, args)
	if !ok {
		return nil, err
	}
	if len(arrays) == 0 {
		return bson.A{}, nil
	}
	common := bson.A{}
	for _, v := range arrays[0] {
		if !slices.ContainsFunc(arrays[1:], func(a bson.A) bool { return !contains(a, v) }) {
			common = append(common, v)
		}
	}
	return sortedSet(common), nil
}

func sortedSet(values bson.A) bson.A {
	set := distinct(values)
	slices.SortFunc(set, compare)
	return set
}
