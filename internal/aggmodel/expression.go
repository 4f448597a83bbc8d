package aggmodel

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// expr computes a value; absent when there is none.
type expr func(*scope) (any, error)

func constant(v any) expr { return func(*scope) (any, error) { return v, nil } }

// compile reads an aggregation expression: a field path, a variable, an operator, a literal document or array, or a constant.
func compile(spec any) (expr, error) {
	switch spec := spec.(type) {
	case string:
		if strings.HasPrefix(spec, "$") {
			return compilePath(spec)
		}
	case bson.A:
		return compileArray(spec)
	case bson.D:
		if isOperator(spec) {
			if len(spec) != 1 {
				return nil, refuse(spec[0].Key, "an expression has exactly one operator, got %d fields", len(spec))
			}
			return compileOperator(spec[0].Key, spec[0].Value)
		}
		return compileDocument(spec)
	}
	return constant(spec), nil
}

func isOperator(doc bson.D) bool { return len(doc) > 0 && strings.HasPrefix(doc[0].Key, "$") }

// compilePath reads "$field.path" and "$$variable.path".
func compilePath(spec string) (expr, error) {
	name, path := "CURRENT", spec[1:]
	if variable, ok := strings.CutPrefix(spec, "$$"); ok {
		name, path, _ = strings.Cut(variable, ".")
		if name == "" {
			return nil, refuse("$$", "empty variable name")
		}
		if path == "" && !strings.HasSuffix(variable, ".") {
			return func(s *scope) (any, error) { return s.lookup(name) }, nil
		}
	}
	names, err := parsePath("$", path)
	if err != nil {
		return nil, err
	}
	return func(s *scope) (any, error) {
		v, err := s.lookup(name)
		return project(v, names), err
	}, nil
}

// compileArray makes an array of the elements' values; a missing one becomes null.
func compileArray(spec bson.A) (expr, error) {
	elements, err := compileAll(spec)
	if err != nil {
		return nil, err
	}
	return func(s *scope) (any, error) {
		values, err := evaluateAll(elements, s)
		for i, v := range values {
			if v == absent {
				values[i] = nil
			}
		}
		return bson.A(values), err
	}, nil
}

// compileDocument makes a document of the fields' values, without those that are missing.
func compileDocument(spec bson.D) (expr, error) {
	fields := make([]expr, len(spec))
	for i, f := range spec {
		names, err := parsePath("object expression", f.Key)
		if err != nil {
			return nil, err
		}
		if len(names) > 1 {
			return nil, refuse("object expression", "a field name with a dot")
		}
		if fields[i], err = compile(f.Value); err != nil {
			return nil, err
		}
	}
	return func(s *scope) (any, error) {
		doc := bson.D{}
		for i, f := range spec {
			v, err := fields[i](s)
			if err != nil {
				return nil, err
			}
			if v != absent {
				doc = append(doc, bson.E{Key: f.Key, Value: v})
			}
		}
		return doc, nil
	}, nil
}

func compileAll(specs []any) ([]expr, error) {
	exprs := make([]expr, len(specs))
	for i, spec := range specs {
		var err error
		if exprs[i], err = compile(spec); err != nil {
			return nil, err
		}
	}
	return exprs, nil
}

func evaluateAll(exprs []expr, s *scope) ([]any, error) {
	values := make([]any, len(exprs))
	for i, e := range exprs {
		var err error
		if values[i], err = e(s); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// compileOperator tries the operators with a syntax of their own, then those that are functions of their arguments.
func compileOperator(name string, arg any) (expr, error) {
	switch name {
	case "$literal", "$const":
		return constant(arg), nil
	case "$and":
		return compileJunction(arg, false)
	case "$or":
		return compileJunction(arg, true)
	case "$cond":
		return compileCond(arg)
	case "$switch":
		return compileSwitch(arg)
	case "$let":
		return compileLet(arg)
	case "$map":
		return compileMap(arg)
	case "$filter":
		return compileFilterArray(arg)
	case "$reduce":
		return compileReduce(arg)
	case "$getField":
		return compileGetField(arg)
	}
	f, ok := functions[name]
	if !ok {
		return nil, unsupported("expression operator %s", name)
	}
	list := arguments(arg)
	if len(list) < f.min || f.max >= 0 && len(list) > f.max {
		return nil, refuse(name, "wrong number of arguments: got %d", len(list))
	}
	args, err := compileAll(list)
	if err != nil {
		return nil, err
	}
	return func(s *scope) (any, error) {
		values, err := evaluateAll(args, s)
		if err != nil {
			return nil, err
		}
		return f.call(name, values)
	}, nil
}

// arguments: a single one may stand without brackets.
func arguments(arg any) bson.A {
	if list, ok := arg.(bson.A); ok {
		return list
	}
	return bson.A{arg}
}

// named reads the argument of an operator that has named ones; of optional ones that are not given the value is absent.
func named(operator string, arg any, required, optional []string) (map[string]any, error) {
	doc, ok := arg.(bson.D)
	if !ok {
		return nil, refuse(operator, "got %s, want a document", typeName(arg))
	}
	found := map[string]any{}
	for _, name := range append(required, optional...) {
		found[name] = absent
	}
	for _, f := range doc {
		if _, known := found[f.Key]; !known {
			return nil, refuse(operator, "unknown argument %q", f.Key)
		}
		found[f.Key] = f.Value
	}
	for _, name := range required {
		if found[name] == absent {
			return nil, refuse(operator, "argument %q is missing", name)
		}
	}
	return found, nil
}
