package aggmodel

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// compileJunction is $and (stop false) and $or (stop true): the first argument that decides ends the evaluation.
func compileJunction(arg any, stop bool) (expr, error) {
	args, err := compileAll(arguments(arg))
	if err != nil {
		return nil, err
	}
	return func(s *scope) (any, error) {
		for _, e := range args {
			v, err := e(s)
			if err != nil {
				return nil, err
			}
			if truthy(v) == stop {
				return stop, nil
			}
		}
		return !stop, nil
	}, nil
}

func compileCond(arg any) (expr, error) {
	list, ok := arg.(bson.A)
	if !ok {
		args, err := named("$cond", arg, []string{"if", "then", "else"}, nil)
		if err != nil {
			return nil, err
		}
		list = bson.A{args["if"], args["then"], args["else"]}
	}
	if len(list) != 3 {
		return nil, refuse("$cond", "wrong number of arguments: got %d", len(list))
	}
	args, err := compileAll(list)
	if err != nil {
		return nil, err
	}
	return choose([]branch{{args[0], args[1]}}, args[2]), nil
}

type branch struct{ condition, then expr }

func choose(branches []branch, otherwise expr) expr {
	return func(s *scope) (any, error) {
		for _, b := range branches {
			v, err := b.condition(s)
			if err != nil {
				return nil, err
			}
			if truthy(v) {
				return b.then(s)
			}
		}
		return otherwise(s)
	}
}

func compileSwitch(arg any) (expr, error) {
	args, err := named("$switch", arg, []string{"branches"}, []string{"default"})
	if err != nil {
		return nil, err
	}
	list, ok := args["branches"].(bson.A)
	if !ok || len(list) == 0 {
		return nil, refuse("$switch", "branches must be an array with at least one branch")
	}
	var branches []branch
	for _, spec := range list {
		b, err := named("$switch", spec, []string{"case", "then"}, nil)
		if err != nil {
			return nil, err
		}
		pair, err := compileAll([]any{b["case"], b["then"]})
		if err != nil {
			return nil, err
		}
		branches = append(branches, branch{pair[0], pair[1]})
	}
	otherwise := func(*scope) (any, error) { return nil, refuse("$switch", "no branch matches and there is no default") }
	if args["default"] != absent {
		if otherwise, err = compile(args["default"]); err != nil {
			return nil, err
		}
	}
	return choose(branches, otherwise), nil
}

// variables is the value of each variable of $let and $lookup, in the order given.
type variables []struct {
	name  string
	value expr
}

func compileVariables(operator string, spec any) (variables, error) {
	doc, ok := spec.(bson.D)
	if !ok {
		return nil, refuse(operator, "variables must be in a document, got %s", typeName(spec))
	}
	vars := make(variables, len(doc))
	for i, f := range doc {
		if err := checkVariable(operator, f.Key); err != nil {
			return nil, err
		}
		value, err := compile(f.Value)
		if err != nil {
			return nil, err
		}
		vars[i].name, vars[i].value = f.Key, value
	}
	return vars, nil
}

// checkVariable: names of users begin with a lower case letter or are not ASCII; CURRENT may be bound again.
func checkVariable(operator, name string) error {
	if name == "CURRENT" || name != "" && (name[0] >= 'a' && name[0] <= 'z' || name[0] >= 0x80) && !strings.ContainsAny(name, ".$") {
		return nil
	}
	return refuse(operator, "%q is not a name for a variable", name)
}

// bind evaluates all variables in the outer scope.
func (vars variables) bind(s *scope) (*scope, error) {
	inner := s
	for _, v := range vars {
		value, err := v.value(s)
		if err != nil {
			return nil, err
		}
		inner = inner.bind(v.name, value)
	}
	return inner, nil
}

func compileLet(arg any) (expr, error) {
	args, err := named("$let", arg, []string{"vars", "in"}, nil)
	if err != nil {
		return nil, err
	}
	vars, err := compileVariables("$let", args["vars"])
	if err != nil {
		return nil, err
	}
	in, err := compile(args["in"])
	if err != nil {
		return nil, err
	}
	return func(s *scope) (any, error) {
		inner, err := vars.bind(s)
		if err != nil {
			return nil, err
		}
		return in(inner)
	}, nil
}

// compileGetField takes a name alone, or {field, input}.
func compileGetField(arg any) (expr, error) {
	field, input := arg, any("$$CURRENT")
	if doc, ok := arg.(bson.D); ok && !isOperator(doc) {
		args, err := named("$getField", arg, []string{"field"}, []string{"input"})
		if err != nil {
			return nil, err
		}
		field = args["field"]
		if args["input"] != absent {
			input = args["input"]
		}
	}
	if doc, ok := field.(bson.D); ok && len(doc) == 1 && (doc[0].Key == "$literal" || doc[0].Key == "$const") {
		field = doc[0].Value
	} else if isPath(field) || class(field) == classDocument {
		return nil, unsupported("$getField with a computed name")
	}
	name, ok := field.(string)
	if !ok {
		return nil, refuse("$getField", "the name of the field is %s, want string", typeName(field))
	}
	e, err := compile(input)
	if err != nil {
		return nil, err
	}
	return func(s *scope) (any, error) {
		v, err := e(s)
		if doc, ok := v.(bson.D); ok {
			return get(doc, name), err
		}
		if v == nil {
			return nil, err
		}
		return absent, err
	}, nil
}

func isPath(v any) bool {
	path, ok := v.(string)
	return ok && strings.HasPrefix(path, "$")
}
