package draw

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// KeyField is the field of a document that names the data key of fields whose keyId is a JSON pointer.
const KeyField = "keyname"

// Schema is an encryption schema for one collection.
type Schema struct {
	Document bson.Raw
	Fields   []Field // the encrypted fields
	Remote   bool    // it comes from the server
	Pointers bool    // some field's key is named in the document
}

// Field is an encrypted field.
type Field struct {
	Path      []string
	Algorithm payload.Algorithm
	Types     []bson.Type // that it takes
	Pointer   bool        // its key is named by KeyField
}

// Name is the dotted path.
func (f Field) Name() string { return strings.Join(f.Path, ".") }

// settings are an algorithm and a key; either may be missing.
type settings struct {
	algorithm payload.Algorithm
	key       bson.RawValue
}

func (s settings) or(outer settings) settings {
	if s.algorithm == 0 {
		s.algorithm = outer.algorithm
	}
	if s.key.Type == 0 {
		s.key = outer.key
	}
	return s
}

func (s settings) elements() (es []E) {
	if s.algorithm != 0 {
		es = append(es, E{"algorithm", String(s.algorithm.String())})
	}
	if s.key.Type != 0 {
		es = append(es, E{"keyId", s.key})
	}
	return es
}

// Schema draws a schema that encrypts something, with keys of keys.
func (d *Drawer) Schema(keys []payload.KeyID) *Schema {
	s := &Schema{Remote: d.Chance(2)}
	b := schemaBuilder{d, keys, s}
	for s.Document == nil || len(s.Fields) == 0 {
		s.Fields, s.Pointers = nil, false
		s.Document = bson.Raw(b.object(nil, settings{}, 0).Value)
	}
	return s
}

type schemaBuilder struct {
	*Drawer
	keys   []payload.KeyID
	schema *Schema
}

func (b schemaBuilder) key() bson.RawValue {
	id := Pick(b.Drawer, b.keys...)
	return Array(Binary(bson.TypeBinaryUUID, id[:]))
}

// object draws the schema of a document at path. Its fields are named a to d, p_ for a pattern, and any for all others.
func (b schemaBuilder) object(path []string, outer settings, depth int) bson.RawValue {
	es := []E{{"bsonType", String("object")}}
	var own settings
	if b.Chance(3) {
		own.algorithm = Pick(b.Drawer, payload.Deterministic, payload.Random)
	}
	if b.Chance(3) {
		own.key = b.key()
	}
	if more := own.elements(); len(more) > 0 {
		es = append(es, E{"encryptMetadata", Document(more...)})
	}
	outer = own.or(outer)
	var properties []E
	for _, name := range []string{"a", "b", "c", "d"} {
		at := append(slices.Clip(path), name)
		switch {
		case b.Chance(3):
			properties = append(properties, E{name, b.encrypt(at, outer)})
		case depth < 2 && b.Chance(4):
			properties = append(properties, E{name, b.object(at, outer, depth+1)})
		case b.Chance(4):
			properties = append(properties, E{name, Document(E{"bsonType", String(Pick(b.Drawer, "string", "int", "binData"))})})
		}
	}
	if len(properties) > 0 {
		es = append(es, E{"properties", Document(properties...)})
	}
	if b.Chance(4) {
		es = append(es, E{"patternProperties", Document(E{"^p_", b.encrypt(append(slices.Clip(path), "p_x"), outer)})})
	}
	if depth > 0 && b.Chance(5) {
		es = append(es, E{"additionalProperties", b.encrypt(append(slices.Clip(path), "any"), outer)})
	}
	if b.schema.Remote && b.Chance(2) {
		es = append(es, E{"title", String("remote schemas may validate, too")})
	}
	return Document(es...)
}

// encrypt draws what stands at an encrypted field.
func (b schemaBuilder) encrypt(path []string, outer settings) bson.RawValue {
	var own settings
	if outer.algorithm == 0 || b.Chance(2) {
		own.algorithm = Pick(b.Drawer, payload.Deterministic, payload.Random)
	}
	f := Field{Path: path, Algorithm: own.or(outer).algorithm}
	if outer.key.Type == 0 || b.Chance(2) {
		own.key = b.key()
		if f.Algorithm == payload.Random && b.Chance(4) {
			own.key, f.Pointer, b.schema.Pointers = String("/"+KeyField), true, true
		}
	}
	es := own.elements()
	f.Types = EncryptedBy(f.Algorithm)
	switch {
	case f.Algorithm == payload.Deterministic:
		f.Types = []bson.Type{Pick(b.Drawer, f.Types...)}
		es = append(es, E{"bsonType", String(payload.TypeAlias(f.Types[0]))})
	case b.Chance(2):
		f.Types = []bson.Type{Pick(b.Drawer, f.Types...), Pick(b.Drawer, f.Types...)}
		if f.Types[0] == f.Types[1] {
			f.Types = f.Types[:1]
		}
		var names []bson.RawValue
		for _, t := range f.Types {
			names = append(names, String(payload.TypeAlias(t)))
		}
		es = append(es, E{"bsonType", Array(names...)})
	}
	b.schema.Fields = append(b.schema.Fields, f)
	return Document(E{"encrypt", Document(es...)})
}
