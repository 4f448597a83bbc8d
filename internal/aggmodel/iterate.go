package aggmodel

import "go.mongodb.org/mongo-driver/v2/bson"

// iteration is what $map, $filter and $reduce share: named arguments, one of which is the array to go through.
type iteration struct {
	operator string
	as       string
	args     map[string]expr // nil for optional ones that are not given
}

func compileIteration(operator string, arg any, required, optional []string) (*iteration, error) {
	args, err := named(operator, arg, required, optional)
	if err != nil {
		return nil, err
	}
	it := &iteration{operator, "this", map[string]expr{}}
	for name, spec := range args {
		switch as, isString := spec.(string); {
		case spec == absent:
		case name == "as" && isString:
			it.as, err = as, checkVariable(operator, as)
		case name == "as":
			err = refuse(operator, "as is %s, want string", typeName(spec))
		default:
			it.args[name], err = compile(spec)
		}
		if err != nil {
			return nil, err
		}
	}
	return it, nil
}

// input is the array; the bool is false when it is null or missing, which makes the result null.
func (it *iteration) input(s *scope) (bson.A, bool, error) {
	v, err := it.args["input"](s)
	if err != nil || nullish(v) {
		return nil, false, err
	}
	array, ok := v.(bson.A)
	if !ok {
		return nil, false, refuse(it.operator, "input is %s, want array", typeName(v))
	}
	return array, true, nil
}

func compileMap(arg any) (expr, error) {
	it, err := compileIteration("$map", arg, []string{"input", "in"}, []string{"as"})
	if err != nil {
		return nil, err
	}
	return func(s *scope) (any, error) {
		input, ok, err := it.input(s)
		if !ok {
			return nil, err
		}
		mapped := bson.A{}
		for _, element := range input {
			v, err := it.args["in"](s.bind(it.as, element))
			if err != nil {
				return nil, err
			}
			if v == absent {
				v = nil
			}
			mapped = append(mapped, v)
		}
		return mapped, nil
	}, nil
}

func compileFilterArray(arg any) (expr, error) {
	it, err := compileIteration("$filter", arg, []string{"input", "cond"}, []string{"as", "limit"})
	if err != nil {
		return nil, err
	}
	return func(s *scope) (any, error) {
		input, ok, err := it.input(s)
		if !ok {
			return nil, err
		}
		limit, err := it.limit(s, len(input))
		if err != nil {
			return nil, err
		}
		kept := bson.A{}
		for _, element := range input {
			v, err := it.args["cond"](s.bind(it.as, element))
			if err != nil {
				return nil, err
			}
			if truthy(v) && len(kept) < limit {
				kept = append(kept, element)
			}
		}
		return kept, nil
	}, nil
}

func (it *iteration) limit(s *scope, most int) (int, error) {
	if it.args["limit"] == nil {
		return most, nil
	}
	v, err := it.args["limit"](s)
	if err != nil || nullish(v) {
		return most, err
	}
	n, ok := integer(v)
	if !ok || n < 1 {
		return 0, refuse(it.operator, "limit must be a positive integer")
	}
	return int(min(n, int64(most))), nil
}

func compileReduce(arg any) (expr, error) {
	it, err := compileIteration("$reduce", arg, []string{"input", "initialValue", "in"}, nil)
	if err != nil {
		return nil, err
	}
	return func(s *scope) (any, error) {
		input, ok, err := it.input(s)
		if !ok {
			return nil, err
		}
		value, err := it.args["initialValue"](s)
		for _, element := range input {
			if err != nil {
				return nil, err
			}
			value, err = it.args["in"](s.bind("value", value).bind("this", element))
		}
		return value, err
	}, nil
}
