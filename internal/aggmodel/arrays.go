package aggmodel

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func isArray(_ string, args []any) (any, error) {
	return class(args[0]) == classArray, nil
}

func size(name string, args []any) (any, error) {
	array, ok := args[0].(bson.A)
	if !ok {
		return nil, refuse(name, "got %s, want array", typeName(args[0]))
	}
	return int32(len(array)), nil
}

func in(name string, args []any) (any, error) {
	array, ok := args[1].(bson.A)
	if !ok {
		return nil, refuse(name, "got %s, want array", typeName(args[1]))
	}
	return contains(array, args[0]), nil
}

func arrayElemAt(name string, args []any) (any, error) {
	if nullish(args[0]) || nullish(args[1]) {
		return nil, nil
	}
	array, ok := args[0].(bson.A)
	if !ok {
		return nil, refuse(name, "got %s, want array", typeName(args[0]))
	}
	i, ok := integer(args[1])
	if !ok {
		return nil, refuse(name, "the position must be a whole number, got %s", typeName(args[1]))
	}
	if i < 0 {
		i += int64(len(array))
	}
	if i < 0 || i >= int64(len(array)) {
		return absent, nil
	}
	return array[i], nil
}

// end is $first and $last of an array.
func end(pick func(bson.A) any) func(string, []any) (any, error) {
	return func(name string, args []any) (any, error) {
		if nullish(args[0]) {
			return nil, nil
		}
		array, ok := args[0].(bson.A)
		switch {
		case !ok:
			return nil, refuse(name, "got %s, want array", typeName(args[0]))
		case len(array) == 0:
			return absent, nil
		}
		return pick(array), nil
	}
}

func concatArrays(name string, args []any) (any, error) {
	arrays, ok, err := sets(name, args)
	if !ok {
		return nil, err
	}
	return append(bson.A{}, slices.Concat(arrays...)...), nil
}

// slice takes [array, n] or [array, position, n]; negative numbers count from the end.
func slice(name string, args []any) (any, error) {
	if slices.ContainsFunc(args, nullish) {
		return nil, nil
	}
	array, ok := args[0].(bson.A)
	if !ok {
		return nil, refuse(name, "got %s, want array", typeName(args[0]))
	}
	var numbers []int64
	for _, v := range args[1:] {
		n, ok := integer(v)
		if !ok {
			return nil, refuse(name, "got %s, want whole numbers", typeName(v))
		}
		numbers = append(numbers, n)
	}
	length := int64(len(array))
	within := func(n int64) int64 { return max(0, min(n, length)) }
	if len(numbers) == 2 {
		start, n := numbers[0], numbers[1]
		if n <= 0 {
			return nil, refuse(name, "the number of elements must be positive")
		}
		if start < 0 {
			start += length
		}
		start = within(start)
		return array[start : start+min(n, length-start)], nil
	}
	if n := numbers[0]; n < 0 {
		return array[within(length+n):], nil
	}
	return array[:within(numbers[0])], nil
}
