package cryptd

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// schemas are those that came with a request.
type schemas struct {
	single  bool           // own is the schema of the command's collection, and there is no other
	own     *schema.Schema // nil when it encrypts nothing
	listed  map[string]*schema.Schema
	encrypt bool // one of them encrypts
}

// given compiles the schemas of a request.
func (a *Analyzer) given(r *request) (schemas, error) {
	single := r.jsonSchema.Type != 0 || r.isRemote.Type != 0
	var s schemas
	var err error
	switch {
	case single && r.several.Type != 0:
		return s, refuse(ruleBoth, "jsonSchema and csfleEncryptionSchemas")
	case single:
		s.single = true
		s.own, err = a.compile(r.jsonSchema, r.isRemote)
		s.encrypt = s.own.Encrypts()
	case r.several.Type != 0:
		s, err = a.list(r.several)
	}
	if err == nil && r.queryable.Type != 0 {
		err = s.addQueryable(r.queryable)
	}
	return s, err
}

// compile gives the schema in the two fields jsonSchema and isRemoteSchema.
func (a *Analyzer) compile(doc, isRemote bson.RawValue) (*schema.Schema, error) {
	switch {
	case doc.Type == 0:
		return nil, refuse(ruleMissingField, "jsonSchema")
	case isRemote.Type == 0:
		return nil, refuse(ruleMissingField, "isRemoteSchema")
	case doc.Type != bson.TypeEmbeddedDocument:
		return nil, refuse(ruleShape, "jsonSchema")
	case isRemote.Type != bson.TypeBoolean:
		return nil, refuse(ruleShape, "isRemoteSchema")
	}
	origin := schema.Local
	if isRemote.Boolean() {
		origin = schema.Remote
	}
	return a.schemas.Parse(doc.Value, origin)
}

// list compiles csfleEncryptionSchemas.
func (a *Analyzer) list(v bson.RawValue) (schemas, error) {
	s := schemas{listed: map[string]*schema.Schema{}}
	if v.Type != bson.TypeEmbeddedDocument {
		return s, refuse(ruleShape, "csfleEncryptionSchemas")
	}
	it := bsonraw.Iterate(v.Value)
	for it.Next() {
		ns := string(it.Element.Key)
		if _, again := s.listed[ns]; again {
			return s, refuse(ruleTwice, ns)
		}
		compiled, err := a.entry(it.Element)
		if err != nil {
			return s, &namedError{ns, err}
		}
		s.listed[ns] = compiled
		s.encrypt = s.encrypt || compiled.Encrypts()
	}
	return s, it.Err
}

func (a *Analyzer) entry(e bsonraw.Element) (*schema.Schema, error) {
	if e.Type != bson.TypeEmbeddedDocument {
		return nil, refuse(ruleShape, "csfleEncryptionSchemas")
	}
	var r request
	it := bsonraw.Iterate(e.Value)
	for it.Next() {
		switch name := string(it.Element.Key); name {
		case "jsonSchema", "isRemoteSchema":
			if err := r.set(r.field(it.Element.Key), it.Element); err != nil {
				return nil, err
			}
		default:
			return nil, refuse(ruleShape, name)
		}
	}
	if it.Err != nil {
		return nil, it.Err
	}
	return a.compile(r.jsonSchema, r.isRemote)
}

// addQueryable adds the collections of encryptionInformation, {schema: {"db.coll": {fields: []}}}, which encrypt nothing: others are refused. A
// collection with a schema of its own keeps it.
func (s *schemas) addQueryable(v bson.RawValue) error {
	switch {
	case s.single:
		return refuse(ruleBoth, "jsonSchema and encryptionInformation")
	case s.encrypt:
		return refuse(ruleMixed, "encryptionInformation")
	}
	collections, err := unencrypted(v)
	if err != nil {
		return err
	}
	if s.listed == nil {
		s.listed = map[string]*schema.Schema{}
	}
	for _, ns := range collections {
		if _, own := s.listed[ns]; !own {
			s.listed[ns] = nil
		}
	}
	return nil
}

// unencrypted lists the collections of encryptionInformation, if none of them has encrypted fields.
func unencrypted(v bson.RawValue) (collections []string, err error) {
	if v.Type != bson.TypeEmbeddedDocument {
		return nil, refuse(ruleShape, "encryptionInformation")
	}
	found, err := only(v.Value, "schema")
	if err != nil || found.Type != bson.TypeEmbeddedDocument {
		return nil, orShape(err, "encryptionInformation")
	}
	it := bsonraw.Iterate(found.Value)
	for it.Next() {
		if it.Element.Type != bson.TypeEmbeddedDocument {
			return nil, refuse(ruleShape, "encryptionInformation")
		}
		fields, err := only(it.Element.Value, "fields")
		if err != nil || fields.Type != bson.TypeArray {
			return nil, orShape(err, "encryptionInformation")
		}
		if len(fields.Value) > len(bson.Raw{5, 0, 0, 0, 0}) {
			return nil, refuse(ruleQueryable, "encryptionInformation")
		}
		collections = append(collections, string(it.Element.Key))
	}
	return collections, it.Err
}

// only is the field of that name in doc, which may not have it twice; of type 0 when it is not there.
func only(doc []byte, name string) (found bson.RawValue, err error) {
	it := bsonraw.Iterate(doc)
	for it.Next() {
		if string(it.Element.Key) != name {
			continue
		}
		if found.Type != 0 {
			return found, refuse(ruleTwice, name)
		}
		found = it.Element.RawValue()
	}
	return found, it.Err
}

func orShape(err error, field string) error {
	if err != nil {
		return err
	}
	return refuse(ruleShape, field)
}

// of gives the schema of each collection that a command touches. One without is refused, even when no other encrypts: constants may go
// to it, in a $merge for example, and nobody has said that it encrypts nothing. room is an empty map.
func (s *schemas) of(target analyze.Target, room map[string]*schema.Schema) (map[string]*schema.Schema, error) {
	known := s.listed
	switch {
	case s.single:
		known = room
		known[target.Namespaces[0]] = s.own
	case known == nil:
		return nil, refuse(ruleMissingField, "jsonSchema")
	}
	for _, ns := range target.Namespaces {
		if _, given := known[ns]; !given {
			return nil, refuse(ruleMissingSchema, ns)
		}
	}
	return known, nil
}
