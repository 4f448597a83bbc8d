package schema_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

func parsed(t *testing.T, doc bson.D) *schema.Schema {
	t.Helper()
	raw, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	s, err := schema.Parse(raw, schema.Local)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Whatever decides how a field is encrypted is in the fingerprint, and which names are excepted from a rule; what does not is not.
func TestFingerprint(t *testing.T) {
	encrypt := func(alg string, key any, kind string) bson.D {
		return bson.D{{Key: "encrypt", Value: bson.D{{Key: "algorithm", Value: alg}, {Key: "keyId", Value: key}, {Key: "bsonType", Value: kind}}}}
	}
	object := func(keyword string, fields ...bson.E) bson.D {
		return bson.D{{Key: "bsonType", Value: "object"}, {Key: keyword, Value: append(bson.D{}, fields...)}}
	}
	field := func(name string, rule bson.D) bson.E { return bson.E{Key: name, Value: rule} }
	plain := bson.D{}
	rule := encrypt(random, uuid(1), "string")
	different := map[string]bson.D{
		"nothing":           plain,
		"one field":         object("properties", field("a", rule)),
		"another name":      object("properties", field("b", rule)),
		"below":             object("properties", field("a", object("properties", field("a", rule)))),
		"algorithm":         object("properties", field("a", encrypt(det, uuid(1), "string"))),
		"key":               object("properties", field("a", encrypt(random, uuid(2), "string"))),
		"pointer":           object("properties", field("a", encrypt(random, "/k", "string"))),
		"other pointer":     object("properties", field("a", encrypt(random, "/l", "string"))),
		"type":              object("properties", field("a", encrypt(random, uuid(1), "int"))),
		"pattern":           object("patternProperties", field("a", rule)),
		"all but a":         append(object("properties", field("a", plain)), field("additionalProperties", rule)),
		"all but b":         append(object("properties", field("b", plain)), field("additionalProperties", rule)),
		"literal asterisk":  object("properties", field("*", rule)),
		"additional":        append(object("properties"), field("additionalProperties", rule)),
		"literal slashes":   object("properties", field("/a/", rule)),
		"name like a quote": object("properties", field("a\"\nplain", rule)),
	}
	seen := map[[32]byte]string{}
	for name, doc := range different {
		print := parsed(t, doc).Fingerprint()
		if other, is := seen[print]; is {
			t.Errorf("%s and %s have the same fingerprint", name, other)
		}
		seen[print] = name
	}
	alike := []bson.D{
		object("properties", field("a", rule), field("b", rule)),
		object("properties", field("b", rule), field("a", rule)),
		object("properties", field("c", plain), field("b", rule), field("a", rule)),
		append(object("properties", field("b", rule), field("a", rule)), bson.E{Key: "title", Value: "people"}),
	}
	for i, doc := range alike {
		if parsed(t, doc).Fingerprint() != parsed(t, alike[0]).Fingerprint() {
			t.Errorf("schema %d has another fingerprint", i)
		}
	}
}

// drawn is a schema, but for those whose names of keys would be encrypted.
func drawn(t *rapid.T) (*schema.Schema, bool) {
	raw, err := bson.Marshal(genDocument(t, 2, "", true))
	if err != nil {
		t.Fatal(err)
	}
	s, err := schema.Parse(raw, schema.Local)
	return s, err == nil
}

// Two schemas with one fingerprint encrypt the same places alike.
func TestFingerprintTellsApart(t *testing.T) {
	compared := 0
	rapid.Check(t, func(t *rapid.T) {
		a, okA := drawn(t)
		b, okB := drawn(t)
		if !okA || !okB {
			return
		}
		for range 20 {
			path := ""
			for _, name := range rapid.SliceOfN(someNames, 1, 3).Draw(t, "path") {
				path += "." + name
			}
			x, errX := a.Lookup(path[1:])
			y, errY := b.Lookup(path[1:])
			if (errX == nil) == (errY == nil) && x.Class == y.Class && x.Field.SameMetadata(y.Field) {
				continue
			}
			compared++
			if a.Fingerprint() == b.Fingerprint() {
				t.Fatalf("%s is not the same in both", path[1:])
			}
		}
	})
	if compared < 100 {
		t.Errorf("only %d places differ", compared)
	}
}
