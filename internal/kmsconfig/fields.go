package kmsconfig

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// Field is a field that a document may have. One of Text, Bool and Value says where it goes.
type Field struct {
	Name     string
	Text     *string                     // a text that is not empty
	Bool     *bool                       // a boolean
	Value    func(v bson.RawValue) error // anything else; v may be wiped later, and the error must not hold it
	Required bool
	seen     bool
}

// Read reads a document that consists of the given fields, none of them twice; nil is an empty one. what names the document in errors: "aws
// masterKey". Errors name fields, never values: some are secrets.
func Read(doc bson.Raw, what string, fields []Field) error {
	if len(doc) == 0 {
		doc = bson.Raw{5, 0, 0, 0, 0}
	}
	it := bsonraw.Iterate(doc)
	for it.Next() {
		if err := readField(it.Element, what, fields); err != nil {
			return err
		}
	}
	if it.Err != nil {
		return fmt.Errorf("%s: malformed BSON", what)
	}
	for _, f := range fields {
		if f.Required && !f.seen {
			return fmt.Errorf("%s: field %q is required", what, f.Name)
		}
	}
	return nil
}

func readField(e bsonraw.Element, what string, fields []Field) error {
	for i := range fields {
		f := &fields[i]
		if f.Name != string(e.Key) {
			continue
		}
		if f.seen {
			return fmt.Errorf("%s: field %q is given twice", what, f.Name)
		}
		f.seen = true
		if err := f.read(e.RawValue()); err != nil {
			return fmt.Errorf("%s: field %q %w", what, f.Name, err)
		}
		return nil
	}
	var known []string
	for _, f := range fields {
		known = append(known, f.Name)
	}
	quoted := strconv.Quote(fmt.Sprintf("%.64s", e.Key))
	return fmt.Errorf("unexpected field: '%s' in the %s, expected %s", quoted[1:len(quoted)-1], what, strings.Join(known, ", "))
}

func (f *Field) read(v bson.RawValue) error {
	switch {
	case f.Value != nil:
		return f.Value(v)
	case f.Bool != nil:
		b, ok := v.BooleanOK()
		if !ok {
			return fmt.Errorf("must be a boolean, got %s", v.Type)
		}
		*f.Bool = b
		return nil
	}
	text, ok := v.StringValueOK()
	switch {
	case !ok:
		return fmt.Errorf("must be text, got %s", v.Type)
	case text == "":
		return errors.New("is empty")
	}
	*f.Text = strings.Clone(text) // the document may be wiped
	return nil
}

// Document writes a masterKey document of texts as the key vault stores it: name and value in turn, without the empty ones.
func Document(namesAndValues ...string) bson.Raw {
	doc, start := bsonraw.Begin(nil)
	for i := 0; i+1 < len(namesAndValues); i += 2 {
		if namesAndValues[i+1] == "" {
			continue
		}
		t, value, _ := bson.MarshalValue(namesAndValues[i+1]) // text can always be written
		doc = bsonraw.AppendValue(doc, namesAndValues[i], bson.RawValue{Type: t, Value: value})
	}
	return bsonraw.End(doc, start)
}
