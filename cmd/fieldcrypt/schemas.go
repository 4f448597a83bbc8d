package main

import (
	"errors"
	"io"
	"os"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// schemas is what --schema or --schema-map holds.
type schemas struct {
	file string
	one  *schema.Schema            // of every collection; nil with a map
	by   map[string]*schema.Schema // by "db.coll"; nil with one
	docs map[string]bson.Raw       // what by was made of
}

// of gives the schema of a namespace; known is false when the map has none.
func (s *schemas) of(ns string) (found *schema.Schema, known bool) {
	if s.by == nil {
		return s.one, true
	}
	found, known = s.by[ns]
	return found, known
}

// during brings all schemas into a step of a migration.
func (s *schemas) during(step schema.Migration) {
	s.one = s.one.During(step)
	for ns, one := range s.by {
		s.by[ns] = one.During(step)
	}
}

// readSchema reads the file of --schema.
func readSchema(file string, origin schema.Origin) (*schemas, error) {
	doing := "reading schema " + file
	doc, err := readOne(doing, file)
	if err != nil {
		return nil, err
	}
	one, err := schema.Parse(doc, origin)
	if err != nil {
		f := badSchema(doing, "", err)
		if looksLikeMap(doc) {
			f.hint = "the file seems to map collections to schemas: use --schema-map"
		}
		return nil, f
	}
	return &schemas{file: file, one: one}, nil
}

// readSchemaMap reads the file of --schema-map.
func readSchemaMap(file string, origin schema.Origin) (*schemas, error) {
	doing := "reading schema map " + file
	doc, err := readOne(doing, file)
	if err != nil {
		return nil, err
	}
	s := &schemas{file: file, by: map[string]*schema.Schema{}, docs: map[string]bson.Raw{}}
	it := bsonraw.Iterate(doc)
	for it.Next() {
		ns := string(it.Element.Key)
		if !isNamespace(ns) {
			return nil, badInput(doing, `map collections to schemas: {"db.coll": {"bsonType": "object", …}}; for one schema use --schema`,
				"%s is not of the form db.coll", printable(ns))
		}
		if it.Element.Type != bson.TypeEmbeddedDocument {
			return nil, badInput(doing, "", "the schema of %s is not a document", printable(ns))
		}
		if s.by[ns], err = schema.Parse(it.Element.Value, origin); err != nil {
			return nil, badSchema(doing, ns, err)
		}
		s.docs[ns] = it.Element.Value
	}
	return s, nil
}

// readOne reads a file that holds exactly one document.
func readOne(doing, file string) (bson.Raw, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, ioFailure(doing, err)
	}
	defer f.Close()
	return readOneFrom(doing, f)
}

func readOneFrom(doing string, r io.Reader) (bson.Raw, error) {
	docs := newDocuments("document", r)
	doc, err := docs.next()
	if err == nil {
		if _, err = docs.next(); err == io.EOF {
			return doc, nil
		}
		if err == nil {
			return nil, badInput(doing, "", "expected one document, got more")
		}
	}
	if err == io.EOF {
		return nil, badInput(doing, "", "expected a document, got an empty file")
	}
	var bad *failure
	if errors.As(err, &bad) {
		bad.doing = doing
	}
	return nil, err
}

// badSchema shows where in which schema the fault is.
func badSchema(doing, ns string, err error) *failure {
	var bad *schema.Error
	if !errors.As(err, &bad) {
		return badInput(doing, "", "%v", err)
	}
	if ns != "" {
		doing += ", schema of " + printable(ns)
	}
	at, keyword := "the root", ""
	if bad.Path != "" {
		at = printable(bad.Path)
	}
	if bad.Keyword != "" {
		keyword = ", keyword " + printable(bad.Keyword)
	}
	return badInput(doing, bad.Hint, "at %s%s: %s", at, keyword, bad.Message)
}

func looksLikeMap(doc bson.Raw) bool {
	it := bsonraw.Iterate(doc)
	return it.Next() && isNamespace(string(it.Element.Key))
}

func isNamespace(ns string) bool {
	db, coll, ok := strings.Cut(ns, ".")
	return ok && db != "" && coll != ""
}
