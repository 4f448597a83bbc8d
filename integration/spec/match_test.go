package spec

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// matcher compares values by the rules of the driver specification "Unified Test Format", which the legacy format shares but for optional.
type matcher struct {
	expect   func(want bson.Raw) (bson.Raw, error) // nil, or that of a deviation
	optional []string                              // keys that documents below the root may have without being expected
}

var (
	unified = matcher{}
	// The legacy files were written for servers of which some want these and some do not.
	legacy = matcher{optional: []string{"multi", "upsert"}}
)

// root compares values whose documents may have keys that are not expected; exact those that may not.
func (m matcher) root(want, got bson.RawValue) error  { return m.value("", want, got, true) }
func (m matcher) exact(want, got bson.RawValue) error { return m.value("", want, got, false) }

// value compares at a path. A got of type 0 is an absent one.
func (m matcher) value(path string, want, got bson.RawValue, root bool) error {
	if name, arg, ok := operator(want); ok {
		return m.operator(path, name, arg, got, root)
	}
	if wantNumber, ok := number(want); ok {
		if gotNumber, ok := number(got); ok && gotNumber == wantNumber {
			return nil
		}
		return differ(path, want, got)
	}
	if want.Type != got.Type {
		return differ(path, want, got)
	}
	switch want.Type {
	case bson.TypeEmbeddedDocument:
		return m.document(path, want.Document(), got.Document(), root)
	case bson.TypeArray:
		return m.array(path, want, got, root)
	}
	if !want.Equal(got) {
		return differ(path, want, got)
	}
	return nil
}

func (m matcher) document(path string, want, got bson.Raw, root bool) error {
	if m.expect != nil {
		var err error
		if want, err = m.expect(want); err != nil {
			return err
		}
	}
	wanted, err := want.Elements()
	if err != nil {
		return err
	}
	elements, err := got.Elements()
	if err != nil {
		return err
	}
	var known []string
	for _, e := range wanted {
		known = append(known, e.Key())
		v, _ := got.LookupErr(e.Key())
		if err := m.value(path+"."+e.Key(), e.Value(), v, false); err != nil {
			return err
		}
	}
	for _, e := range elements {
		if !root && !slices.Contains(known, e.Key()) && !slices.Contains(m.optional, e.Key()) {
			return fmt.Errorf("%s.%s: got %s, want no such field", path, e.Key(), e.Value())
		}
	}
	return nil
}

// array compares element by element; the documents of a root array are root documents: the results of a query.
func (m matcher) array(path string, want, got bson.RawValue, root bool) error {
	wanted, err := want.Array().Values()
	if err != nil {
		return err
	}
	values, err := got.Array().Values()
	if err != nil {
		return err
	}
	if len(wanted) != len(values) {
		return differ(path, want, got)
	}
	for i := range wanted {
		if err := m.value(fmt.Sprintf("%s.%d", path, i), wanted[i], values[i], root); err != nil {
			return err
		}
	}
	return nil
}

// operator returns the special operator that an expected value is: a document of one field whose name begins with $$.
func operator(want bson.RawValue) (name string, arg bson.RawValue, ok bool) {
	doc, ok := want.DocumentOK()
	if !ok {
		return "", arg, false
	}
	elements, err := doc.Elements()
	if err != nil || len(elements) != 1 || !strings.HasPrefix(elements[0].Key(), "$$") {
		return "", arg, false
	}
	return elements[0].Key(), elements[0].Value(), true
}

// operator evaluates those that the files use; another is an error.
func (m matcher) operator(path, name string, arg, got bson.RawValue, root bool) error {
	switch name {
	case "$$exists":
		if (got.Type != 0) != arg.Boolean() {
			return fmt.Errorf("%s: got %s, want exists: %t", path, got, arg.Boolean())
		}
		return nil
	case "$$unsetOrMatches":
		if got.Type == 0 {
			return nil
		}
		return m.value(path, arg, got, root)
	case "$$type":
		if !slices.Contains(typeNames(arg), alias[got.Type]) || got.Type == 0 {
			return fmt.Errorf("%s: got a value of type %q, want %s", path, alias[got.Type], arg)
		}
		return nil
	}
	return fmt.Errorf("%s: the harness does not know the operator %s", path, name)
}

func typeNames(arg bson.RawValue) []string {
	var names []string
	if arg.Unmarshal(&names) != nil {
		names = []string{arg.StringValue()}
	}
	return names
}

// alias has the names that the query operator $type gives to the types in the files.
var alias = map[bson.Type]string{
	bson.TypeArray: "array", bson.TypeBinary: "binData", bson.TypeBoolean: "bool", bson.TypeDateTime: "date", bson.TypeDouble: "double",
	bson.TypeEmbeddedDocument: "object", bson.TypeInt32: "int", bson.TypeInt64: "long", bson.TypeObjectID: "objectId", bson.TypeString: "string",
}

// number makes values of different numeric types comparable.
func number(v bson.RawValue) (float64, bool) {
	switch v.Type {
	case bson.TypeInt32:
		return float64(v.Int32()), true
	case bson.TypeInt64:
		return float64(v.Int64()), math.Abs(float64(v.Int64())) < 1<<53
	case bson.TypeDouble:
		return v.Double(), true
	}
	return 0, false
}

func differ(path string, want, got bson.RawValue) error {
	return fmt.Errorf("%s: got %s, want %s", strings.TrimPrefix(path, "."), got, want)
}

// valueOf is any Go value as BSON; nil is null.
func valueOf(v any) (bson.RawValue, error) {
	if v == nil {
		return bson.RawValue{Type: bson.TypeNull}, nil
	}
	typ, data, err := bson.MarshalValue(v)
	return bson.RawValue{Type: typ, Value: data}, err
}
