package fieldcrypt

import (
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// collectionSchema is the encryption schema in one document of a listCollections answer; nil when there is none.
func collectionSchema(ns string, info bson.Raw, compiled *schema.Cache) (*schema.Schema, error) {
	if kind, ok := info.Lookup("type").StringValueOK(); ok && kind == "view" {
		return nil, &analyze.RefusedError{
			Rule:    "view",
			Message: "cannot auto encrypt a view: " + ns,
			Hint:    "send the command to the collection below the view, or use a client without automatic encryption",
		}
	}
	options, err := document(info, "options")
	if err != nil || options == nil {
		return nil, err
	}
	return validatorSchema(ns, options, compiled)
}

// validatorSchema is the encryption schema in validator.$jsonSchema of doc: a command (create, collMod) or the options of a collection; nil
// when there is none.
func validatorSchema(ns string, doc bson.Raw, compiled *schema.Cache) (*schema.Schema, error) {
	queryable, err := document(doc, "encryptedFields")
	if err != nil {
		return nil, err
	}
	if queryable != nil {
		return nil, &analyze.RefusedError{
			Rule:    "queryable-encryption",
			Message: "collection " + ns + " has encryptedFields: Queryable Encryption is not supported",
			Hint:    "use a client of MongoDB's own drivers for this collection",
		}
	}
	validator, err := document(doc, "validator")
	if err != nil || validator == nil {
		return nil, err
	}
	if buried, err := schema.Buried(validator); err != nil {
		return nil, err
	} else if buried {
		return nil, &analyze.RefusedError{
			Rule:     "nested-schema",
			Operator: "$jsonSchema",
			Message:  "the validator of " + ns + " has an encryption schema below another operator",
			Hint:     "move $jsonSchema to the top of the validator, or give the schema in the schema map",
		}
	}
	raw, err := document(validator, "$jsonSchema")
	if err != nil || raw == nil {
		return nil, err
	}
	s, err := compiled.Parse(raw, schema.Remote)
	if err != nil {
		return nil, fmt.Errorf("the validator of %s: %w", ns, err)
	}
	return s, nil
}

// document is the field of that name; nil when it is not there.
func document(doc bson.Raw, name string) (bson.Raw, error) {
	var found bson.Raw
	it := bsonraw.Iterate(doc)
	for it.Next() {
		if string(it.Element.Key) != name {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("duplicate `%s` fields found for collection", name)
		}
		if it.Element.Type != bson.TypeEmbeddedDocument {
			return nil, fmt.Errorf("field %q of a collection's options is not a document", name)
		}
		found = it.Element.Value
	}
	return found, it.Err
}
