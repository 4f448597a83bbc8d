package kmip

import (
	"fmt"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// field is a field that a document may have: a text, or a boolean.
type field struct {
	name     string
	text     *string
	boolean  *bool
	required bool
	seen     bool
}

// readFields reads a document that consists of the given fields.
func readFields(doc bson.Raw, what string, fields []field) error {
	it := bsonraw.Iterate(doc)
	for it.Next() {
		if err := readField(it.Element, what, fields); err != nil {
			return err
		}
	}
	if it.Err != nil {
		return fmt.Errorf("kmip %s: malformed BSON", what)
	}
	for _, f := range fields {
		if f.required && !f.seen {
			return fmt.Errorf("kmip %s: field %q is required", what, f.name)
		}
	}
	return nil
}

func readField(e bsonraw.Element, what string, fields []field) error {
	for i := range fields {
		if f := &fields[i]; f.name == string(e.Key) {
			if f.seen {
				return fmt.Errorf("kmip %s: field %q is given twice", what, f.name)
			}
			f.seen = true
			if err := f.read(e.RawValue()); err != nil {
				return fmt.Errorf("kmip %s: field %q %w", what, f.name, err)
			}
			return nil
		}
	}
	return unexpected(e.Key, what, fields)
}

func (f *field) read(v bson.RawValue) error {
	if f.boolean != nil {
		b, ok := v.BooleanOK()
		if !ok {
			return fmt.Errorf("must be a boolean, got %s", v.Type)
		}
		*f.boolean = b
		return nil
	}
	text, ok := v.StringValueOK()
	if !ok {
		return fmt.Errorf("must be text, got %s", v.Type)
	}
	if text == "" {
		return fmt.Errorf("is empty")
	}
	*f.text = strings.Clone(text) // the document may be wiped
	return nil
}

// unexpected has the words, and the capital letter, of the official drivers.
func unexpected(key []byte, what string, fields []field) error {
	var known []string
	for _, f := range fields {
		known = append(known, f.name)
	}
	quoted := strconv.Quote(fmt.Sprintf("%.64s", key))
	return fmt.Errorf("unexpected field: '%s' in the kmip %s, expected %s", quoted[1:len(quoted)-1], what, strings.Join(known, ", "))
}
