package schema_test

import (
	"strings"
	"testing"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

// Each mistake that automatic encryption refuses is told with its path, and nothing that is allowed is a mistake. A path of "-" is no mistake; local only
// ones are allowed in a validator.
func TestLintOfTheLanguage(t *testing.T) {
	const local = "local: "
	object := func(rest string) string { return `{"bsonType": "object", ` + rest + `}` }
	field := func(encrypt string) string { return object(`"properties": {"a": {"encrypt": ` + encrypt + `}}`) }
	const at = "properties.a.encrypt"
	for _, tt := range []struct{ name, schema, path string }{
		// The shape of the keywords.
		{"whole", field(`@enc`), "-"},
		{"encrypt is no object", field(`5`), at},
		{"unknown keyword in encrypt", field(`{"algorithm": @random, "keyId": [@A], "key": 1}`), at + ".key"},
		{"unknown algorithm", field(`{"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-random", "keyId": [@A]}`), at + ".algorithm"},
		{"numeric type", field(`{"algorithm": @random, "keyId": [@A], "bsonType": 2}`), at + ".bsonType"},
		{"alias number", field(`{"algorithm": @random, "keyId": [@A], "bsonType": "number"}`), at + ".bsonType"},
		{"unknown type", field(`{"algorithm": @random, "keyId": [@A], "bsonType": ["string", "text"]}`), at + ".bsonType"},
		{"empty encryptMetadata", object(`"encryptMetadata": {}, "properties": {"a": {"encrypt": @enc}}`), "encryptMetadata"},
		{"unknown keyword in encryptMetadata", object(`"encryptMetadata": {"bsonType": "string"}, "properties": {"a": {"encrypt": @enc}}`), "encryptMetadata.bsonType"},
		// keyId.
		{"id is no binary", field(`{"algorithm": @random, "keyId": ["x"]}`), at + ".keyId"},
		{"id of another subtype", field(`{"algorithm": @random, "keyId": [{"$binary": {"base64": "AAAAAAAAAAAAAAAAAAAAAA==", "subType": "00"}}]}`), at + ".keyId"},
		{"neither pointer nor ids", field(`{"algorithm": @random, "keyId": 5}`), at + ".keyId"},
		{"no id", field(`{"algorithm": @random, "keyId": []}`), at + ".keyId"},
		{"empty pointer", field(`{"algorithm": @random, "keyId": ""}`), at + ".keyId"},
		{"pointer without slash", field(`{"algorithm": @random, "keyId": "k"}`), at + ".keyId"},
		{"pointer with a bad escape", field(`{"algorithm": @random, "keyId": "/k~2"}`), at + ".keyId"},
		{"pointer with escapes", field(`{"algorithm": @random, "keyId": "/k~0~1"}`), "-"},
		// Inheritance.
		{"inherited", object(`"encryptMetadata": {"algorithm": @random, "keyId": [@A]}, "properties": {"a": {"encrypt": {}}}`), "-"},
		{"nothing to inherit: algorithm", field(`{"keyId": [@A]}`), at},
		{"nothing to inherit: keyId", field(`{"algorithm": @random}`), at},
		{"inherited deterministic without type", object(`"encryptMetadata": {"algorithm": @det, "keyId": [@A]}, "properties": {"a": {"encrypt": {}}}`), at + ".bsonType"},
		{"encryptMetadata without object", `{"encryptMetadata": {"algorithm": @random, "keyId": [@A]}, "properties": {}}`, "encryptMetadata"},
		{"encrypt and encryptMetadata", object(`"properties": {"a": {"encrypt": @enc, "encryptMetadata": {"algorithm": @random}}}`), "properties.a.encryptMetadata"},
		{"encryptMetadata under items", object(`"properties": {"a": {"bsonType": "array", "items": {"bsonType": "object", "encryptMetadata": {"algorithm": @random}}}}`), "properties.a.items.encryptMetadata"},
		// Where encrypt may stand.
		{"root without type", `{"properties": {"a": {"encrypt": @enc}}}`, at},
		{"parent without type", object(`"properties": {"p": {"properties": {"a": {"encrypt": @enc}}}}`), "properties.p.properties.a.encrypt"},
		{"parent of several types", object(`"properties": {"p": {"bsonType": ["object", "array"], "properties": {"a": {"encrypt": @enc}}}}`), "properties.p.properties.a.encrypt"},
		{"type in the place of bsonType", `{"type": "object", "properties": {"a": {"encrypt": @enc}}}`, "-"},
		{"under items", object(`"properties": {"p": {"bsonType": "array", "items": {"encrypt": @enc}}}`), "properties.p.items.encrypt"},
		{"under additionalItems", object(`"properties": {"p": {"bsonType": "array", "additionalItems": {"encrypt": @enc}}}`), "properties.p.additionalItems.encrypt"},
		{"under allOf", object(`"allOf": [{"encrypt": @enc}]`), "allOf.0.encrypt"},
		{"under anyOf", object(`"anyOf": [{"properties": {"a": {"encrypt": @enc}}}]`), "anyOf.0.properties.a.encrypt"},
		{"under oneOf", object(`"oneOf": [{"encrypt": @enc}]`), "oneOf.0.encrypt"},
		{"under not", object(`"not": {"encrypt": @enc}`), "not.encrypt"},
		{"under dependencies", object(`"dependencies": {"x": {"properties": {"a": {"encrypt": @enc}}}}`), "dependencies.x.properties.a.encrypt"},
		{"patternProperties", object(`"patternProperties": {"^a": {"encrypt": @enc}}`), "-"},
		{"additionalProperties", object(`"additionalProperties": {"encrypt": @enc}`), "-"},
		{"the whole schema", `{"encrypt": @enc}`, "encrypt"},
		{"rules that contradict", object(`"properties": {"a": {"encrypt": @enc}}, "patternProperties": {"^a": {"bsonType": "string"}}`), "patternProperties"},
		{"encrypt beside bsonType", object(`"properties": {"a": {"encrypt": @enc, "bsonType": "string"}}`), "properties.a.bsonType"},
		{"encrypt beside another keyword", object(`"properties": {"a": {"encrypt": @enc, "minimum": 1}}`), "properties.a.minimum"},
		// Algorithm, type and key.
		{"deterministic without type", field(`{"algorithm": @det, "keyId": [@A]}`), at + ".bsonType"},
		{"deterministic with an array of types", field(`{"algorithm": @det, "keyId": [@A], "bsonType": ["string"]}`), at + ".bsonType"},
		{"deterministic double", field(`{"algorithm": @det, "keyId": [@A], "bsonType": "double"}`), at + ".bsonType"},
		{"deterministic decimal", field(`{"algorithm": @det, "keyId": [@A], "bsonType": "decimal"}`), at + ".bsonType"},
		{"deterministic bool", field(`{"algorithm": @det, "keyId": [@A], "bsonType": "bool"}`), at + ".bsonType"},
		{"deterministic object", field(`{"algorithm": @det, "keyId": [@A], "bsonType": "object"}`), at + ".bsonType"},
		{"deterministic array", field(`{"algorithm": @det, "keyId": [@A], "bsonType": "array"}`), at + ".bsonType"},
		{"deterministic javascriptWithScope", field(`{"algorithm": @det, "keyId": [@A], "bsonType": "javascriptWithScope"}`), at + ".bsonType"},
		{"deterministic pointer", field(`{"algorithm": @det, "keyId": "/k", "bsonType": "string"}`), at + ".keyId"},
		{"random null", field(`{"algorithm": @random, "keyId": [@A], "bsonType": "null"}`), at + ".bsonType"},
		{"random undefined", field(`{"algorithm": @random, "keyId": [@A], "bsonType": "undefined"}`), at + ".bsonType"},
		{"random minKey", field(`{"algorithm": @random, "keyId": [@A], "bsonType": "minKey"}`), at + ".bsonType"},
		{"random maxKey", field(`{"algorithm": @random, "keyId": [@A], "bsonType": ["string", "maxKey"]}`), at + ".bsonType"},
		{"random array of types", field(`{"algorithm": @random, "keyId": "/k", "bsonType": ["double", "object"]}`), "-"},
		// Validation keywords.
		{"required", object(`"required": ["x"], "properties": {"a": {"encrypt": @enc}}`), local + "required"},
		{"minimum of another field", object(`"properties": {"a": {"encrypt": @enc}, "b": {"minimum": 1}}`), local + "properties.b.minimum"},
		{"pattern without any encrypt", object(`"properties": {"b": {"pattern": "x"}}`), local + "properties.b.pattern"},
	} {
		for _, origin := range []schema.Origin{schema.Local, schema.Remote} {
			path, isLocal := strings.CutPrefix(tt.path, local)
			sound := path == "-" || isLocal && origin == schema.Remote
			s, mistakes := schema.Lint(document(t, tt.schema), origin)
			var paths []string
			for _, m := range mistakes {
				paths = append(paths, m.Path)
				if m.Message == "" || m.Hint == "" {
					t.Errorf("%s: a mistake without message or hint: %v", tt.name, m)
				}
			}
			if sound != (s != nil) || !sound && (len(paths) == 0 || paths[0] != path) {
				t.Errorf("%s (origin %v): got mistakes at %q, want %q", tt.name, origin, paths, tt.path)
			}
		}
	}
}
