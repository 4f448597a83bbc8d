package schema_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// refusal is the *schema.Error that err must be.
func refusal(t *testing.T, err error) *schema.Error {
	t.Helper()
	var refused *schema.Error
	if !errors.As(err, &refused) {
		t.Fatalf("got %T (%v), want *schema.Error", err, err)
	}
	return refused
}

// The texts that MongoDB's driver tests and users' bug reports quote must stay, whatever the goldens say.
func TestPublicTexts(t *testing.T) {
	const invalid = "Invalid schema containing the 'encrypt' keyword."
	field := func(encrypt string) string {
		return `{"bsonType": "object", "properties": {"a": {"encrypt": ` + encrypt + `}}}`
	}
	for _, test := range []struct{ name, schema, text string }{
		{"in an array", `{"bsonType": "object", "properties": {"a": {"items": {"encrypt": @enc}, "bsonType": "array"}}}`, invalid},
		{"untyped parent", `{"properties": {"foo": {"properties": {"bar": {"encrypt": @enc}}}}}`, invalid},
		{"logical keyword", `{"anyOf": [{"properties": {"a": {"encrypt": @enc}}}]}`, invalid},
		{"sibling", `{"bsonType": "object", "properties": {"a": {"encrypt": @enc, "bsonType": "object"}}}`,
			"'encrypt' cannot be used in conjunction with 'bsonType', 'encrypt' implies type 'bsonType::BinData'"},
		{"sibling below an untyped root", `{"properties": {"a": {"encrypt": @enc, "bsonType": "object"}}}`,
			"'encrypt' cannot be used in conjunction with 'bsonType', 'encrypt' implies type 'bsonType::BinData'"},
		{"both keywords", `{"bsonType": "object", "properties": {"a": {"encrypt": @enc, "encryptMetadata": {}}}}`,
			"Cannot specify both $jsonSchema keywords "},
		{"validation keyword", `{"bsonType": "object", "required": ["a"]}`, "JSON schema keyword 'required' is only allowed with a remote schema"},
		{"pointer", field(`{"algorithm": @det, "bsonType": "string", "keyId": "/k"}`), "cannot have a keyId represented by a JSON pointer"},
		{"string for a UUID", field(`{"algorithm": @random, "keyId": ["k"]}`), "Array elements must have type BinData, found string"},
		{"unknown field", field(`{"algo": @random}`), "BSON field 'encrypt.algo' is an unknown field"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := schema.Parse(document(t, test.schema), schema.Local)
			if got := refusal(t, err).Error(); !strings.Contains(got, test.text) {
				t.Errorf("got %q, want it to contain %q", got, test.text)
			}
		})
	}
}

// Which types the algorithms take, as the manual's page "Encryption Schemas" and the drivers' corpus test have it.
func TestEveryType(t *testing.T) {
	both := []string{"string", "objectId", "date", "regex", "dbPointer", "javascript", "symbol", "int", "long", "timestamp", "binData"}
	random := []string{"double", "decimal", "bool", "object", "array", "javascriptWithScope"}
	never := []string{"null", "undefined", "minKey", "maxKey"}
	for _, alias := range slices.Concat(both, random, never) {
		for _, alg := range []string{"@det", "@random"} {
			text := fmt.Sprintf(`{"bsonType": "object", "properties": {"a": {"encrypt": {"algorithm": %s, "bsonType": %q, "keyId": [@A]}}}}`, alg, alias)
			s, err := schema.Parse(document(t, text), schema.Local)
			if slices.Contains(both, alias) || alg == "@random" && slices.Contains(random, alias) {
				if err != nil {
					t.Errorf("%s %s: %v", alg, alias, err)
				} else if got := s.Fields()[0].Types.String(); got != alias {
					t.Errorf("%s %s: types are %q", alg, alias, got)
				}
				continue
			}
			got := refusal(t, err)
			if want := "Cannot encrypt element of type: " + alias; !strings.Contains(got.Message, want) || got.Hint == "" {
				t.Errorf("%s %s: got %q, hint %q, want %q and a hint", alg, alias, got.Message, got.Hint, want)
			}
		}
	}
}

// Every keyword of $jsonSchema: a local schema takes structure, annotations and encryption only, a remote one everything; and no keyword hides
// an encrypt.
func TestEveryKeyword(t *testing.T) {
	for _, test := range []struct {
		keyword, value string
		local          bool
		holding        string // a value with an encrypt inside, if the keyword holds schemas
	}{
		{"properties", `{"x": {}}`, true, ""},
		{"patternProperties", `{"x": {}}`, true, ""},
		{"additionalProperties", `{}`, true, ""},
		{"bsonType", `"object"`, true, ""},
		{"type", `"object"`, true, ""},
		{"title", `"x"`, true, ""},
		{"description", `"x"`, true, ""},
		{"allOf", `[{}]`, false, `[{"encrypt": @enc}]`},
		{"anyOf", `[{}]`, false, `[{}, {"encrypt": @enc}]`},
		{"oneOf", `[{}]`, false, `[{"encrypt": @enc}]`},
		{"not", `{}`, false, `{"encrypt": @enc}`},
		{"dependencies", `{"x": ["y"]}`, false, `{"x": {"encrypt": @enc}}`},
		{"items", `[{}]`, false, `{"encrypt": @enc}`},
		{"items", `{}`, false, `[{"encrypt": @enc}]`},
		{"additionalItems", `false`, false, `{"encrypt": @enc}`},
		{"enum", `[1]`, false, ""},
		{"maximum", `1`, false, ""},
		{"minimum", `1`, false, ""},
		{"exclusiveMaximum", `true`, false, ""},
		{"exclusiveMinimum", `true`, false, ""},
		{"maxItems", `1`, false, ""},
		{"minItems", `1`, false, ""},
		{"maxLength", `1`, false, ""},
		{"minLength", `1`, false, ""},
		{"maxProperties", `1`, false, ""},
		{"minProperties", `1`, false, ""},
		{"multipleOf", `1`, false, ""},
		{"pattern", `"x"`, false, ""},
		{"required", `["x"]`, false, ""},
		{"uniqueItems", `true`, false, ""},
	} {
		doc := document(t, fmt.Sprintf(`{%q: %s}`, test.keyword, test.value))
		if _, err := schema.Parse(doc, schema.Remote); err != nil {
			t.Errorf("remote: %v", err)
		}
		_, err := schema.Parse(doc, schema.Local)
		switch {
		case test.local && err != nil:
			t.Errorf("local: %v", err)
		case !test.local:
			if got := refusal(t, err); got.Keyword != test.keyword || !strings.Contains(got.Message, "only allowed with a remote schema") {
				t.Errorf("local %s: got %v", test.keyword, err)
			}
		}
		if test.holding == "" {
			continue
		}
		hidden := document(t, fmt.Sprintf(`{"bsonType": "object", "properties": {"a": {"bsonType": "object", %q: %s}}}`, test.keyword, test.holding))
		for _, origin := range []schema.Origin{schema.Local, schema.Remote} {
			_, err := schema.Parse(hidden, origin)
			if got := refusal(t, err); got.Keyword != "encrypt" || !strings.Contains(got.Message, "Invalid schema") {
				t.Errorf("encrypt under %s: got %v", test.keyword, err)
			}
		}
	}
}

// A schema does not live on the caller's bytes.
func TestParseCopies(t *testing.T) {
	doc := document(t, `{"bsonType": "object", "properties": {"a": {"encrypt": @enc}}}`)
	s, err := schema.Parse(doc, schema.Local)
	if err != nil {
		t.Fatal(err)
	}
	clear(doc)
	if m, err := s.Lookup("a"); err != nil || m.Class != schema.Random || m.Field.Path != "a" || m.Field.KeyID[0] != 0xaa {
		t.Errorf("got %+v, %v", m, err)
	}
	s.Fields()[0] = nil
	if s.Fields()[0] == nil {
		t.Error("Fields gives its own slice away")
	}
}

func TestNil(t *testing.T) {
	var s *schema.Schema
	var n *schema.Node
	child, err := n.Child("a")
	m, lookupErr := s.Lookup("a.b")
	if s.Encrypts() || s.Root() != nil || s.Fields() != nil || n.Encrypted() != nil || n.Encrypts() ||
		child != nil || err != nil || m != (schema.Match{}) || lookupErr != nil {
		t.Error("a nil schema or node is not plain")
	}
	if m, err := n.Lookup(""); m.Class != schema.Plain || err != nil {
		t.Errorf("got %v, %v", m, err)
	}
}

func TestChildBytesIsChild(t *testing.T) {
	root := parse(t, records).Root()
	for _, name := range []string{"ssn", "insurance", "note7", "tmp", "", "ssn.x", "\xff"} {
		want, wantErr := root.Child(name)
		got, err := root.ChildBytes([]byte(name))
		if got != want || (err == nil) != (wantErr == nil) {
			t.Errorf("%q: got %v, %v, want %v, %v", name, got, err, want, wantErr)
		}
	}
	if got, err := (*schema.Node)(nil).ChildBytes([]byte("a")); got != nil || err != nil {
		t.Errorf("below a plain place: got %v, %v", got, err)
	}
}

func TestChild(t *testing.T) {
	root := parse(t, `{"bsonType": "object", "properties": {"secret": {"encrypt": @enc}},
		"patternProperties": {"^x[.]y$": {"encrypt": @enc}},
		"additionalProperties": {"bsonType": "object", "patternProperties": {"k": {"encrypt": @enc}}}}`).Root()
	if root.Encrypted() != nil || !root.Encrypts() {
		t.Error("the root is above encrypted fields, and none itself")
	}
	secret, err := root.Child("secret")
	if err != nil || secret.Encrypted() == nil || !secret.Encrypts() {
		t.Fatalf("got %v, %v", secret, err)
	}
	if n, err := secret.Child("x"); n != nil || !strings.Contains(refusal(t, err).Message, "below the encrypted field") {
		t.Errorf("below an encrypted field: %v, %v", n, err)
	}
	if n, err := root.Child("x.y"); err != nil || n.Encrypted() == nil {
		t.Errorf("dots do not split names: %v, %v", n, err)
	}
	other, err := root.Child("other")
	if err != nil || other.Encrypted() != nil || !other.Encrypts() {
		t.Errorf("encrypted through a pattern below: %v, %v", other, err)
	}
	if m, err := other.Lookup("k.l"); err != nil || m.Class != schema.Below || m.Node != nil || m.Field.Path != "*./k/" {
		t.Errorf("got %+v, %v", m, err)
	}
}

func TestSameMetadata(t *testing.T) {
	base := schema.Encrypted{Path: "a", Algorithm: payload.Random, KeyID: payload.KeyID{1}, Types: 4}
	for name, change := range map[string]func(*schema.Encrypted){
		"algorithm": func(e *schema.Encrypted) { e.Algorithm = payload.Deterministic },
		"key":       func(e *schema.Encrypted) { e.KeyID = payload.KeyID{2} },
		"pointer":   func(e *schema.Encrypted) { e.KeyPointer = "/k" },
		"alt name":  func(e *schema.Encrypted) { e.KeyAltName = "k" },
		"types":     func(e *schema.Encrypted) { e.Types = 8 },
	} {
		other := base
		change(&other)
		if base.SameMetadata(&other) {
			t.Errorf("another %s goes unnoticed", name)
		}
	}
	other := base
	other.Path = "b"
	var none *schema.Encrypted
	if !base.SameMetadata(&other) || !none.SameMetadata(nil) || none.SameMetadata(&base) || base.SameMetadata(nil) {
		t.Error("the path counts, or nil is mistaken")
	}
}

func TestTypeSet(t *testing.T) {
	set := parse(t, `{"bsonType": "object", "properties": {"a": {"encrypt": {"algorithm": @random, "bsonType": ["long", "string", "double"], "keyId": [@A]}}}}`).Fields()[0].Types
	if got := set.String(); got != "double, string, long" {
		t.Errorf("got %q", got)
	}
	if !set.Has(bson.TypeInt64) || set.Has(bson.TypeInt32) || set.Has(bson.TypeMinKey) || set.Has(bson.TypeMaxKey) || schema.TypeSet(0).Has(bson.TypeString) {
		t.Error("wrong members")
	}
}

func TestClassString(t *testing.T) {
	var got []string
	for c := schema.Plain; c <= schema.Below+1; c++ {
		got = append(got, c.String())
	}
	if want := []string{"plain", "deterministic", "random", "prefix", "below", "unknown"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestPlainLookupDoesNotAllocate(t *testing.T) {
	s := parse(t, records)
	for _, path := range []string{"name", "visits.0.date", "insurance.provider.name", "ssn.digits", "note7"} {
		if n := testing.AllocsPerRun(100, func() { _, _ = s.Lookup(path) }); n != 0 {
			t.Errorf("Lookup(%q) allocates %v times", path, n)
		}
	}
}
