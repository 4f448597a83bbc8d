package analyze_test

import (
	"bytes"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// evaluate is a small evaluator of aggregation expressions, as MongoDB's manual describes them; it knows nothing of encryption. nil is
// a missing value.
func evaluate(e bson.RawValue, doc bson.Raw) (v *bson.RawValue, fails bool) {
	defer func() {
		if r := recover(); r == errFails {
			v, fails = nil, true
		} else if r != nil {
			panic(r)
		}
	}()
	return evaluator{doc: doc}.value(e), false
}

var errFails = new(int) // what an expression panics with when a server would give an error

type evaluator struct {
	doc  bson.Raw
	vars map[string]*bson.RawValue
}

func rawOf(v any) *bson.RawValue {
	t, b, err := bson.MarshalValue(v)
	if err != nil {
		panic(err)
	}
	return &bson.RawValue{Type: t, Value: b}
}

func truth(v *bson.RawValue) bool {
	if v == nil {
		return false
	}
	switch v.Type {
	case bson.TypeNull, bson.TypeUndefined:
		return false
	case bson.TypeBoolean, bson.TypeInt32, bson.TypeInt64, bson.TypeDouble:
		return len(bytes.Trim(v.Value, "\x00")) > 0
	}
	return true
}

func isNull(v *bson.RawValue) bool { return v == nil || v.Type == bson.TypeNull }

func same(x, y *bson.RawValue) bool {
	if x == nil || y == nil {
		return x == y
	}
	return equal(*x, *y)
}

func (ev evaluator) value(e bson.RawValue) *bson.RawValue {
	switch e.Type {
	case bson.TypeString:
		if s := e.StringValue(); strings.HasPrefix(s, "$") {
			return ev.reference(s)
		}
	case bson.TypeArray:
		list := bson.A{}
		for _, v := range ev.values(e) {
			if v == nil {
				v = &bson.RawValue{Type: bson.TypeNull}
			}
			list = append(list, *v)
		}
		return rawOf(list)
	case bson.TypeEmbeddedDocument:
		fields, err := e.Document().Elements()
		if err != nil {
			panic(err)
		}
		if len(fields) == 1 && strings.HasPrefix(fields[0].Key(), "$") {
			return ev.operator(fields[0].Key(), fields[0].Value())
		}
		doc := bson.D{}
		for _, f := range fields {
			if v := ev.value(f.Value()); v != nil {
				doc = append(doc, bson.E{Key: f.Key(), Value: *v})
			}
		}
		return rawOf(doc)
	}
	return &e
}

func (ev evaluator) values(list bson.RawValue) (out []*bson.RawValue) {
	elems, err := list.Array().Values()
	if err != nil {
		panic(err)
	}
	for _, e := range elems {
		out = append(out, ev.value(e))
	}
	return out
}

func (ev evaluator) reference(s string) *bson.RawValue {
	whole := &bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: ev.doc}
	name, isVariable := strings.CutPrefix(s, "$$")
	if !isVariable {
		return at(whole, strings.Split(s[1:], "."))
	}
	path := strings.Split(name, ".")
	switch path[0] {
	case "ROOT", "CURRENT":
		return at(whole, path[1:])
	case "REMOVE":
		return nil
	}
	v, bound := ev.vars[path[0]]
	if !bound {
		panic(errFails)
	}
	return at(v, path[1:])
}

// at follows a path, through the documents in arrays as well.
func at(v *bson.RawValue, path []string) *bson.RawValue {
	if v == nil || len(path) == 0 {
		return v
	}
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		if child, err := v.Document().LookupErr(path[0]); err == nil {
			return at(&child, path[1:])
		}
	case bson.TypeArray:
		list := bson.A{}
		elems, _ := v.Array().Values()
		for _, e := range elems {
			if inner := at(&e, path); inner != nil && (e.Type == bson.TypeEmbeddedDocument || e.Type == bson.TypeArray) {
				list = append(list, *inner)
			}
		}
		return rawOf(list)
	}
	return nil
}

func (ev evaluator) operator(name string, arg bson.RawValue) *bson.RawValue {
	switch name {
	case "$literal", "$const":
		return &arg
	case "$let":
		inner := evaluator{doc: ev.doc, vars: map[string]*bson.RawValue{}}
		vars, _ := arg.Document().Lookup("vars").Document().Elements()
		for _, v := range vars {
			inner.vars[v.Key()] = ev.value(v.Value())
		}
		return inner.value(arg.Document().Lookup("in"))
	case "$switch":
		branches, _ := arg.Document().Lookup("branches").Array().Values()
		for _, b := range branches {
			if truth(ev.value(b.Document().Lookup("case"))) {
				return ev.value(b.Document().Lookup("then"))
			}
		}
		return ev.value(arg.Document().Lookup("default"))
	case "$getField":
		input := ev.value(arg.Document().Lookup("input"))
		if input == nil || input.Type != bson.TypeEmbeddedDocument {
			return nil
		}
		name := ev.value(arg.Document().Lookup("field")).StringValue()
		return at(input, []string{name})
	case "$and", "$or":
		args, _ := arg.Array().Values()
		for _, a := range args {
			if truth(ev.value(a)) == (name == "$or") {
				return rawOf(name == "$or")
			}
		}
		return rawOf(name == "$and")
	case "$cond":
		args, _ := arg.Array().Values()
		if truth(ev.value(args[0])) {
			return ev.value(args[1])
		}
		return ev.value(args[2])
	}
	return ofValues(name, ev.values(arg))
}

// ofValues is an operator on the values of its operands.
func ofValues(name string, args []*bson.RawValue) *bson.RawValue {
	list := func(v *bson.RawValue) []bson.RawValue {
		if v == nil || v.Type != bson.TypeArray {
			panic(errFails)
		}
		elems, _ := v.Array().Values()
		return elems
	}
	switch name {
	case "$eq":
		return rawOf(same(args[0], args[1]))
	case "$ne":
		return rawOf(!same(args[0], args[1]))
	case "$not":
		return rawOf(!truth(args[0]))
	case "$in":
		for _, e := range list(args[1]) {
			if same(args[0], &e) {
				return rawOf(true)
			}
		}
		return rawOf(false)
	case "$ifNull":
		for _, v := range args[:len(args)-1] {
			if !isNull(v) {
				return v
			}
		}
		return args[len(args)-1]
	case "$size":
		return rawOf(int32(len(list(args[0]))))
	case "$isArray":
		return rawOf(args[0] != nil && args[0].Type == bson.TypeArray)
	case "$first":
		if elems := list(args[0]); len(elems) > 0 {
			return &elems[0]
		}
		return nil
	}
	panic("the evaluator does not know " + name)
}
