package main

import (
	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// namedSchema is a schema as it stands in a file. The namespace is empty when the file holds one schema and nobody said whose.
type namedSchema struct {
	namespace string
	doc       bson.Raw
}

// readAnySchemas reads a file that holds one schema or a schema map; which, shows in its first name: keywords have no dot.
func readAnySchemas(file string) (all []namedSchema, err error) {
	doing := "reading schemas " + file
	doc, err := readOne(doing, file)
	if err != nil {
		return nil, err
	}
	if !looksLikeMap(doc) {
		return []namedSchema{{doc: doc}}, nil
	}
	return schemasOf(doing, doc)
}

// schemasOf reads a schema map.
func schemasOf(doing string, doc bson.Raw) (all []namedSchema, err error) {
	for it := bsonraw.Iterate(doc); it.Next(); {
		ns := string(it.Element.Key)
		if !isNamespace(ns) {
			return nil, badInput(doing, `map collections to schemas: {"db.coll": {"bsonType": "object", …}}; for one schema use --schema`,
				"%s is not of the form db.coll", printable(ns))
		}
		if it.Element.Type != bson.TypeEmbeddedDocument {
			return nil, badInput(doing, "", "the schema of %s is not a document", printable(ns))
		}
		all = append(all, namedSchema{namespace: ns, doc: it.Element.Value})
	}
	return all, nil
}

// schemas reads what the flags name; every one is a schema. With optional, a collection alone will do: its schema is nil then.
func (f *schemaFlags) schemas(cmd *cobra.Command, optional bool) ([]namedSchema, error) {
	given := cmd.Flags().Changed
	switch {
	case given("collection") && !isNamespace(f.collection):
		return nil, badUsage("such as --collection hr.employees", "--collection: expected DB.COLL")
	case given("schema-map") && (given("schema") || given("collection")):
		return nil, badUsage("", "--schema-map names the collections itself: expected it without --schema and --collection")
	case given("schema") && !given("collection"):
		return nil, badUsage("such as --collection hr.employees", "--schema: expected --collection with it")
	case !given("schema-map") && !given("schema") && !(optional && given("collection")):
		return nil, badUsage("", "expected --schema-map, or --schema with --collection")
	}
	var all []namedSchema
	switch {
	case given("schema-map"):
		doing := "reading schema map " + f.schemaMap
		doc, err := readOne(doing, f.schemaMap)
		if err != nil {
			return nil, err
		}
		if all, err = schemasOf(doing, doc); err != nil {
			return nil, err
		}
	case given("schema"):
		doc, err := readOne("reading schema "+f.schema, f.schema)
		if err != nil {
			return nil, err
		}
		all = []namedSchema{{f.collection, doc}}
	default:
		return []namedSchema{{namespace: f.collection}}, nil
	}
	for _, s := range all {
		if _, err := schema.Parse(s.doc, schema.Remote); err != nil {
			bad := badSchema("reading schema "+f.schemaMap+f.schema, s.namespace, err)
			if bad.hint += `; "fieldcrypt schema lint" tells all mistakes`; looksLikeMap(s.doc) && f.schema != "" {
				bad.hint = "the file seems to map collections to schemas: use --schema-map"
			}
			return nil, bad
		}
	}
	return all, nil
}
