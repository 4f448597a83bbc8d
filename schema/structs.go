package schema

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// ForOptions configures [For]. The zero value is useful where every tag names its key.
type ForOptions struct {
	// KeyID is the data key, as CreateDataKey returns it, of fields whose tag has neither keyid nor key. Default: none.
	KeyID bson.Binary
}

// FieldError is a struct field from which no encryption schema can be made.
type FieldError struct {
	Type    string // the struct: "main.Patient"
	Field   string // the field's Go name, from the struct on: "Insurance.Policy"; "" when it is about the type itself
	Message string
	Hint    string // what to write instead
}

func (e *FieldError) Error() string {
	at := ""
	if e.Field != "" {
		at = "field " + e.Field + ": "
	}
	return fmt.Sprintf("encryption schema of %s: %s%s; hint: %s", e.Type, at, e.Message, e.Hint)
}

// For makes an encryption schema of the struct type T, for SchemaMap and for [Validator]. A tag says how a field is encrypted; the field's
// name and BSON type are those that the driver gives it by its tag "bson" and its Go type:
//
//	SSN   string    `bson:"ssn" fieldcrypt:"deterministic"`
//	Notes *Notes    `bson:"notes,omitempty" fieldcrypt:"random"`
//	Born  time.Time `fieldcrypt:"random,keyid=2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e"`
//	Phone string    `fieldcrypt:"random,key=/tenantKey"`
//	Grade Grade     `fieldcrypt:"deterministic,type=string"`
//
// The algorithm comes first. "keyid" is the UUID of a data key; "key" a JSON pointer to the field of each document that holds the alternate
// name of its key; without either, ForOptions.KeyID is the key. "type" is the BSON type (or several, "int|long") where the Go type does not
// tell it: interfaces, and types with a MarshalBSONValue of their own.
//
// Tags are found in nested, embedded and inline structs, behind pointers, and in structs that are values of maps. What is in the dynamic type of an
// interface is not seen. The types are those that the driver's encoder writes with its default options.
//
// What cannot work is an error at once, so that a program does not start with it: a deterministic field whose BSON type depends on the value (Go's int)
// or which the algorithm does not take, a field that may be null (nil, without omitempty), tags inside an array or inside another encrypted field,
// recursive types, fields that the driver does not store, a struct without any tag. The error joins a [*FieldError] for each.
func For[T any](opts ForOptions) (bson.Raw, error) {
	return forType(reflect.TypeFor[T](), opts)
}

func forType(t reflect.Type, opts ForOptions) (bson.Raw, error) {
	t = pointee(t)
	r := &structReader{name: t.String()}
	if t.Kind() != reflect.Struct || ownBSON(t) || isTypeOfDriver(t) {
		return nil, r.fault("", "give a struct type, with fields that have the tag 'fieldcrypt'", "its fields are not those of a struct that the driver encodes")
	}
	if opts.KeyID.Data != nil {
		id, err := payload.KeyIDFromBinary(opts.KeyID)
		if err != nil {
			return nil, r.fault("", "give the data key's _id", "option KeyID: %v", err)
		}
		r.key = &id
	}
	doc, encrypts := r.structure(t, "", false)
	if !encrypts && len(r.faults) == 0 {
		r.add("", `tag the fields to encrypt: fieldcrypt:"random"`, "no field has the tag 'fieldcrypt'")
	}
	if len(r.faults) > 0 {
		return nil, errors.Join(r.faults...)
	}
	raw, err := bson.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encryption schema of %s: %w", r.name, err)
	}
	if _, err := Parse(raw, Local); err != nil {
		return nil, fmt.Errorf("encryption schema of %s: %w", r.name, err)
	}
	return raw, nil
}

// structReader is one run of For.
type structReader struct {
	name   string
	key    *payload.KeyID // the default; nil when there is none
	top    []structField  // of T, once they are known
	stack  []reflect.Type // the structs on the way down
	faults []error
}

func (r *structReader) fault(field, hint, format string, args ...any) error {
	return &FieldError{Type: r.name, Field: field, Message: fmt.Sprintf(format, args...), Hint: hint}
}

func (r *structReader) add(field, hint, format string, args ...any) {
	r.faults = append(r.faults, r.fault(field, hint, format, args...))
}

// structure is the schema of a struct whose Go path is at; encrypts is false when there is nothing to encrypt in it. minSize is inherited from
// the field that holds it, as in the driver.
func (r *structReader) structure(t reflect.Type, at string, minSize bool) (doc bson.D, encrypts bool) {
	if slices.Contains(r.stack, t) {
		if tagged(t) {
			r.add(at, `encrypt the field as a whole: fieldcrypt:"random"`, "the type %s contains itself, so its encrypted fields are without end", t)
		}
		return nil, false
	}
	r.stack = append(r.stack, t)
	defer func() { r.stack = r.stack[:len(r.stack)-1] }()
	fields := r.fields(t, at)
	if len(r.stack) == 1 {
		r.top = fields
	}
	properties := bson.D{}
	var rest bson.D
	for _, f := range fields {
		sub, encrypts := r.field(f, minSize)
		switch {
		case !encrypts:
		case f.inlineMap:
			rest = sub
		default:
			properties = append(properties, bson.E{Key: f.name, Value: sub})
		}
	}
	if len(properties) == 0 && rest == nil {
		return nil, false
	}
	doc = bson.D{{Key: "bsonType", Value: "object"}}
	if rest != nil {
		// Names of fields are not additional ones, so all of them have to be there.
		for _, f := range fields {
			if !f.inlineMap && !slices.ContainsFunc(properties, func(e bson.E) bool { return e.Key == f.name }) {
				properties = append(properties, bson.E{Key: f.name, Value: bson.D{}})
			}
		}
	}
	if len(properties) > 0 {
		doc = append(doc, bson.E{Key: "properties", Value: properties})
	}
	if rest != nil {
		doc = append(doc, bson.E{Key: "additionalProperties", Value: rest})
	}
	return doc, true
}

// field is the schema of one field.
func (r *structReader) field(f structField, minSize bool) (sub bson.D, encrypts bool) {
	minSize = minSize || f.minSize
	if f.tag != "" {
		return r.encrypted(f, minSize)
	}
	t := pointee(f.typ)
	switch {
	case isTypeOfDriver(t):
		return nil, false
	case ownBSON(t):
		if tagged(t) {
			r.add(f.path, `tag the field itself: fieldcrypt:"random,type=object"`,
				"the type %s has a BSON encoding of its own, so the tags in it tell nothing", t)
		}
		return nil, false
	}
	switch t.Kind() {
	case reflect.Struct:
		return r.structure(t, f.path, minSize)
	case reflect.Slice, reflect.Array:
		if tagged(t) {
			r.add(f.path, `encrypt the array as a whole: fieldcrypt:"random"`, "elements of arrays cannot be encrypted one by one")
		}
	case reflect.Map:
		values := structField{path: f.path, typ: t.Elem()}
		if f.inlineMap {
			return r.field(values, minSize)
		}
		if sub, encrypts = r.field(values, minSize); encrypts {
			return bson.D{{Key: "bsonType", Value: "object"}, {Key: "additionalProperties", Value: sub}}, true
		}
	}
	return nil, false
}

// tagged says whether a type holds a field with the tag anywhere.
func tagged(t reflect.Type) bool { return searchTag(t, map[reflect.Type]bool{}) }

func searchTag(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return searchTag(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if _, has := f.Tag.Lookup(tagName); has || misspelt(f.Tag) || searchTag(f.Type, seen) {
				return true
			}
		}
	}
	return false
}
