package aggmodel

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// accumulator makes one value of those that an expression has on the documents of a group, in their order.
type accumulator func(name string, values []any) (any, error)

var accumulators = map[string]accumulator{
	"$addToSet":     func(_ string, values []any) (any, error) { return distinct(present(values)), nil },
	"$avg":          avg,
	"$count":        func(_ string, values []any) (any, error) { return int32(len(values)), nil },
	"$first":        func(_ string, values []any) (any, error) { return values[0], nil },
	"$last":         func(_ string, values []any) (any, error) { return values[len(values)-1], nil },
	"$max":          extreme(1),
	"$mergeObjects": mergeObjects,
	"$min":          extreme(-1),
	"$push":         func(_ string, values []any) (any, error) { return present(values), nil },
	"$sum":          sum,
}

func present(values []any) bson.A {
	return append(bson.A{}, slices.DeleteFunc(slices.Clone(values), func(v any) bool { return v == absent })...)
}

func onlyNumbers(values []any) []any {
	return slices.DeleteFunc(slices.Clone(values), func(v any) bool { return !isNumber(v) })
}

// sum and avg pass over what is no number.
func sum(_ string, values []any) (any, error) {
	return total(onlyNumbers(values)), nil
}

func avg(_ string, values []any) (any, error) {
	numbers := onlyNumbers(values)
	if len(numbers) == 0 {
		return nil, nil
	}
	return double(total(append(numbers, 0.0))) / float64(len(numbers)), nil
}

// extreme is $max (sign 1) and $min (sign -1), which pass over null and missing values.
func extreme(sign int) accumulator {
	return func(_ string, values []any) (any, error) {
		var best any = absent
		for _, v := range values {
			if !nullish(v) && (best == absent || sign*compare(v, best) > 0) {
				best = v
			}
		}
		if best == absent {
			return nil, nil
		}
		return best, nil
	}
}

// field is an output field of $group, $bucket and $bucketAuto.
type field struct {
	name     string
	operator string
	argument expr
}

func compileField(f bson.E) (field, error) {
	spec, ok := f.Value.(bson.D)
	if !ok || !isOperator(spec) || len(spec) != 1 {
		return field{}, refuse("$group", "field %q is not a single accumulator", f.Key)
	}
	if names, err := parsePath("$group", f.Key); err != nil || len(names) > 1 {
		return field{}, refuse("$group", "%q is not a name for a field", f.Key)
	}
	operator, arg := spec[0].Key, spec[0].Value
	if _, ok := accumulators[operator]; !ok {
		return field{}, unsupported("accumulator %s", operator)
	}
	if doc, ok := arg.(bson.D); operator == "$count" && (!ok || len(doc) != 0) {
		return field{}, refuse("$count", "takes no arguments")
	}
	if class(arg) == classArray {
		return field{}, refuse(operator, "an accumulator takes one argument, not an array of them")
	}
	e, err := compile(arg)
	return field{f.Key, operator, e}, err
}

// accumulate is the output of one group of documents; what is missing becomes null.
func accumulate(s *scope, id any, fields []field, group []bson.D) (bson.D, error) {
	out := bson.D{{Key: "_id", Value: id}}
	for _, f := range fields {
		var values []any
		for _, doc := range group {
			v, err := f.argument(s.document(doc))
			if err != nil {
				return nil, err
			}
			values = append(values, v)
		}
		v, err := accumulators[f.operator](f.operator, values)
		if err != nil {
			return nil, err
		}
		if v == absent {
			v = nil
		}
		out = append(out, bson.E{Key: f.name, Value: v})
	}
	return out, nil
}
