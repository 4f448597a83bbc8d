package aws

import (
	"fmt"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// field is a text field that a document may have.
type field struct {
	name     string
	to       *string
	required bool
}

// readFields reads a document that consists of the given fields. Its errors name fields, never values: some are secrets.
func readFields(doc bson.Raw, what string, fields []field) error {
	it := bsonraw.Iterate(doc)
	for it.Next() {
		if err := readField(it.Element, what, fields); err != nil {
			return err
		}
	}
	if it.Err != nil {
		return errMalformed(what)
	}
	for _, f := range fields {
		if f.required && *f.to == "" {
			return fmt.Errorf("aws %s: field %q is required", what, f.name)
		}
	}
	return nil
}

func readField(e bsonraw.Element, what string, fields []field) error {
	for _, f := range fields {
		if f.name != string(e.Key) {
			continue
		}
		text, ok := e.RawValue().StringValueOK()
		switch {
		case !ok:
			return fmt.Errorf("aws %s: field %q must be text, got %s", what, f.name, e.Type)
		case text == "":
			return fmt.Errorf("aws %s: field %q is empty", what, f.name)
		case *f.to != "":
			return fmt.Errorf("aws %s: field %q is given twice", what, f.name)
		}
		*f.to = strings.Clone(text) // the document may be wiped
		return nil
	}
	return unexpected(e.Key, what, fields)
}

// unexpected has the words, and the capital letter, of the official drivers.
func unexpected(key []byte, what string, fields []field) error {
	var known []string
	for _, f := range fields {
		known = append(known, f.name)
	}
	quoted := strconv.Quote(fmt.Sprintf("%.64s", key))
	return fmt.Errorf("unexpected field: '%s' in the aws %s, expected %s", quoted[1:len(quoted)-1], what, strings.Join(known, ", "))
}

func errMalformed(what string) error { return fmt.Errorf("aws %s: malformed BSON", what) }
