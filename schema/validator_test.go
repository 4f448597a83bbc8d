package schema_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

const plainSchema = `{"bsonType": "object", "properties": {"ssn": {"encrypt": @enc}, "a": {"bsonType": "object", "properties": {"b": {"encrypt": @enc}}}}}`

func TestValidator(t *testing.T) {
	for _, tt := range []struct {
		name, existing, own, want, fault string
		approximate                      bool
	}{
		{name: "none", own: plainSchema, want: `{"$jsonSchema": ` + plainSchema + `}`},
		{name: "other conditions", own: plainSchema, existing: `{"age": {"$gt": 1}, "$or": [{"x": 1}, {"y": 1}]}`,
			want: `{"age": {"$gt": 1}, "$or": [{"x": 1}, {"y": 1}], "$jsonSchema": ` + plainSchema + `}`},
		{name: "own schema", own: plainSchema,
			existing: `{"$jsonSchema": {"required": ["name"], "type": "object", "properties": {"name": {"minLength": 1}, "a": {"required": ["c"], "properties": {"c": {"bsonType": "int"}}}}}, "x": 1}`,
			want: `{"$jsonSchema": {"required": ["name"], "properties": {"name": {"minLength": 1}, "a": {"required": ["c"], "properties": {"c": {"bsonType": "int"}, "b": {"encrypt": @enc}},
				"bsonType": "object"}, "ssn": {"encrypt": @enc}}, "bsonType": "object"}, "x": 1}`},
		{name: "about plaintext", own: plainSchema, existing: `{"$jsonSchema": {"bsonType": "object", "properties": {"ssn": {"bsonType": "string", "minLength": 9}, "a": {}}}}`,
			want: `{"$jsonSchema": ` + plainSchema + `}`},
		{name: "encrypted before", own: plainSchema, existing: `{"$jsonSchema": {"bsonType": "object", "encryptMetadata": {"algorithm": @det}, "properties": {
			"ssn": {"encrypt": {"bsonType": "string", "keyId": [@B]}}, "old": {"bsonType": "object", "properties": {"x": {"encrypt": {"bsonType": "int", "keyId": [@B]}}}}, "n": {"bsonType": "int"}}}}`,
			want: `{"$jsonSchema": {"bsonType": "object", "properties": {"n": {"bsonType": "int"}, "ssn": {"encrypt": @enc}, "a": {"bsonType": "object", "properties": {"b": {"encrypt": @enc}}}}}}`},
		{name: "additional", own: `{"bsonType": "object", "properties": {"n": {}}, "additionalProperties": {"encrypt": @enc}}`, existing: `{"$jsonSchema": {"properties": {"n": {"bsonType": "int"}}, "additionalProperties": true}}`,
			want: `{"$jsonSchema": {"properties": {"n": {"bsonType": "int"}}, "additionalProperties": {"encrypt": @enc}, "bsonType": "object"}}`},
		{name: "exception", own: `{"bsonType": "object", "additionalProperties": {"encrypt": @enc}}`, existing: `{"$jsonSchema": {"properties": {"n": {"bsonType": "int"}}}}`, fault: "a rule of its own for n"},
		{name: "exceptional pattern", own: `{"bsonType": "object", "additionalProperties": {"encrypt": @enc}}`, existing: `{"$jsonSchema": {"patternProperties": {"^n": {}}}}`, fault: "a rule of its own for /^n/"},
		{name: "no additional", own: `{"bsonType": "object", "additionalProperties": {"encrypt": @enc}}`, existing: `{"$jsonSchema": {"additionalProperties": false}}`, fault: "allows no additional properties"},
		{name: "closed", own: plainSchema, existing: `{"$jsonSchema": {"properties": {"n": {}}, "additionalProperties": false}}`,
			want: `{"$jsonSchema": {"properties": {"n": {}, "ssn": {"encrypt": @enc}, "a": {"bsonType": "object", "properties": {"b": {"encrypt": @enc}}}}, "additionalProperties": false, "bsonType": "object"}}`},
		{name: "pattern", own: plainSchema, existing: `{"$jsonSchema": {"patternProperties": {"^s": {"bsonType": "string"}}}}`, fault: "do not agree on its encryption"},
		{name: "both require", own: `{"bsonType": "object", "required": ["ssn", "name"], "properties": {"ssn": {"encrypt": @enc}}}`,
			existing: `{"$jsonSchema": {"required": ["name", "n"], "minProperties": 2, "title": "t"}}`,
			want:     `{"$jsonSchema": {"required": ["name", "n", "ssn"], "minProperties": 2, "title": "t", "bsonType": "object", "properties": {"ssn": {"encrypt": @enc}}}}`},
		{name: "two conditions", own: `{"bsonType": "object", "properties": {"ssn": {"encrypt": @enc}, "n": {"maximum": 9}}}`, existing: `{"$jsonSchema": {"properties": {"n": {"maximum": 5}}}}`, fault: "at properties.n.maximum: the existing validator says otherwise"},
		{name: "one condition", own: `{"bsonType": "object", "properties": {"ssn": {"encrypt": @enc}, "n": {"enum": [{"a": 1}]}}}`, existing: `{"$jsonSchema": {"properties": {"n": {"enum": [{"a": 1}]}}}}`,
			want: `{"$jsonSchema": {"properties": {"n": {"enum": [{"a": 1}]}, "ssn": {"encrypt": @enc}}, "bsonType": "object"}}`},
		{name: "bad validator", own: plainSchema, existing: `{"$jsonSchema": {"propertys": {}}}`, fault: "unknown $jsonSchema keyword"},
		{name: "bad schema", own: `{"encrypt": {}}`, fault: "cannot be the whole schema"},
		{name: "approximation", approximate: true, own: `{"bsonType": "object", "encryptMetadata": {"keyId": [@A]}, "patternProperties": {"^t": {"encrypt": @enc}}, "additionalProperties": {"encrypt": @enc},
			"properties": {"ssn": {"encrypt": @enc}, "n": {}}}`, existing: `{"x": 1}`,
			want: `{"x": 1, "$jsonSchema": {"bsonType": "object", "patternProperties": {"^t": {"bsonType": "binData"}}, "additionalProperties": {"bsonType": "binData"},
			"properties": {"ssn": {"bsonType": "binData"}, "n": {}}}}`},
	} {
		opts := schema.ValidatorOptions{Approximate: tt.approximate}
		if tt.existing != "" {
			opts.Existing = document(t, tt.existing)
		}
		got, err := schema.Validator(document(t, tt.own), opts)
		if tt.fault != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fault) {
				t.Errorf("%s: got %v, want %s", tt.name, err, tt.fault)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(document(t, tt.want).String(), got.String()); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// Whatever a collection encrypted before, afterwards it encrypts what it should, and doing it again changes nothing.
func TestValidatorMerges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first, second := marshalDrawn(t, genDocument(t, 2, det, true)), marshalDrawn(t, genDocument(t, 2, det, true))
		if _, bad := schema.Lint(second, schema.Local); bad != nil {
			t.Skip("names and patterns contradict each other")
		}
		existing, err := schema.Validator(first, schema.ValidatorOptions{})
		if err != nil {
			t.Skip("names and patterns contradict each other")
		}
		merged, err := schema.Validator(second, schema.ValidatorOptions{Existing: existing})
		if err != nil {
			if !strings.Contains(err.Error(), "do not agree") && !strings.Contains(err.Error(), "no additional properties") && !strings.Contains(err.Error(), "a rule of its own") {
				t.Fatal(err)
			}
			return
		}
		differences, err := schema.Compare(second, merged.Lookup("$jsonSchema").Document())
		if err != nil || len(differences) > 0 {
			t.Fatalf("%v %v", err, differences)
		}
		again, err := schema.Validator(second, schema.ValidatorOptions{Existing: merged})
		if err != nil {
			t.Fatal(err)
		}
		one, two := fieldsOf(t, merged), fieldsOf(t, again)
		if diff := cmp.Diff(one, two); diff != "" {
			t.Fatal(diff)
		}
	})
}

func fieldsOf(t *rapid.T, validator bson.Raw) (paths []string) {
	s, err := schema.Parse(validator.Lookup("$jsonSchema").Document(), schema.Remote)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range s.Fields() {
		paths = append(paths, f.Path)
	}
	less := func(a, b string) bool { return a < b }
	return sorted(paths, less)
}

func marshalDrawn(t *rapid.T, doc bson.D) bson.Raw {
	raw, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestCompare(t *testing.T) {
	local := document(t, `{"bsonType": "object", "encryptMetadata": {"algorithm": @random, "keyId": [@A]}, "properties": {
		"same": {"encrypt": {}}, "missing": {"encrypt": {}}, "approximated": {"encrypt": {}}, "key": {"encrypt": {}}, "pointer": {"encrypt": {}},
		"algorithm": {"encrypt": {"bsonType": "string"}}, "types": {"encrypt": {"bsonType": "string"}}, "narrow": {"encrypt": {"bsonType": ["string", "int"]}},
		"other": {"encrypt": {"bsonType": "string"}}, "deep": {"bsonType": "object", "properties": {"x": {"encrypt": {}}}}, "tmp_1": {"encrypt": {}}}}`)
	remote := document(t, `{"bsonType": "object", "required": ["x"], "encryptMetadata": {"algorithm": @random, "keyId": [@A]}, "properties": {
		"same": {"encrypt": {}}, "approximated": {"bsonType": "binData"}, "key": {"encrypt": {"keyId": [@B]}}, "pointer": {"encrypt": {"keyId": "/k"}},
		"algorithm": {"encrypt": {"bsonType": "string", "algorithm": @det}}, "types": {"encrypt": {}}, "narrow": {"encrypt": {"bsonType": "int"}},
		"other": {"encrypt": {"bsonType": "int"}}, "deep": {"encrypt": {}}, "extra": {"encrypt": {}}}, "patternProperties": {"^tmp_": {"encrypt": {}}}}`)
	all, err := schema.Compare(local, remote)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range all {
		got = append(got, d.Path+" "+string(d.Kind))
	}
	want := []string{"missing missing", "approximated weaker", "key conflicting-key", "pointer conflicting-key", "algorithm conflicting-algorithm", "types weaker",
		"narrow conflicting-type", "other conflicting-type", "deep.x missing", "deep extra", "extra extra", "/^tmp_/ extra"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if all, err := schema.Compare(local, nil); err != nil || len(all) != 11 || all[0].Kind != schema.Missing {
		t.Errorf("got %v %v", all, err)
	}
	if _, err := schema.Compare(local, document(t, `{"x": 1}`)); err == nil {
		t.Error("no error for a remote schema that is none")
	}
}

// What the server has a rule of its own for is no additional property there.
func TestCompareExceptions(t *testing.T) {
	const rest = `"additionalProperties": {"encrypt": @enc}`
	for name, tt := range map[string]struct {
		local, remote string
		want          []string
	}{
		"none":            {rest, rest, nil},
		"same names":      {`"properties": {"n": {}}, ` + rest, `"properties": {"n": {}}, ` + rest, nil},
		"name":            {rest, `"properties": {"n": {}}, ` + rest, []string{"n missing"}},
		"other key":       {rest, `"properties": {"n": {"encrypt": {"algorithm": @det, "bsonType": "string", "keyId": [@B]}}}, ` + rest, []string{"n conflicting-algorithm", "n conflicting-key", "n conflicting-type"}},
		"same otherwise":  {rest, `"properties": {"n": {"encrypt": @enc}}, ` + rest, nil},
		"pattern":         {rest, `"patternProperties": {"^n": {}}, ` + rest, []string{"/^n/ missing"}},
		"both patterns":   {`"patternProperties": {"^n": {}}, ` + rest, `"patternProperties": {"^n": {}}, ` + rest, nil},
		"under a pattern": {`"patternProperties": {"^n": {"encrypt": @enc}}`, `"properties": {"n": {}}, "patternProperties": {"^n": {"encrypt": @enc}}`, nil}, // the server asks both
		"below":           {`"properties": {"a": {"bsonType": "object", ` + rest + `}}`, `"properties": {"a": {"bsonType": "object", "properties": {"n": {}}, ` + rest + `}}`, []string{"a.n missing"}},
		"document": {`"additionalProperties": {"bsonType": "object", "properties": {"x": {"encrypt": @enc}}}`,
			`"properties": {"n": {"bsonType": "object"}}, "additionalProperties": {"bsonType": "object", "properties": {"x": {"encrypt": @enc}}}`, []string{"n missing"}},
	} {
		all, err := schema.Compare(document(t, `{"bsonType": "object", `+tt.local+`}`), document(t, `{"bsonType": "object", `+tt.remote+`}`))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []string
		for _, d := range all {
			got = append(got, d.Path+" "+string(d.Kind))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// The names lead where the rule is.
func TestNames(t *testing.T) {
	s := parse(t, `{"bsonType": "object", "properties": {"a": {"bsonType": "object", "properties": {"b": {"encrypt": @enc}}}, "plain": {}},
		"patternProperties": {"^t(m|x)p_[0-9]{2}x+$": {"encrypt": @enc}}, "additionalProperties": {"encrypt": @enc}}`)
	want := map[string]string{"a.b": "a.b", "/^t(m|x)p_[0-9]{2}x+$/": "tmp_00x", "*": "additional"}
	for _, f := range s.Fields() {
		names, ok := s.Names(f)
		if !ok || strings.Join(names, ".") != want[f.Path] {
			t.Errorf("%s: got %v %v", f.Path, names, ok)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s, err := schema.Parse(marshalDrawn(t, genDocument(t, 2, det, true)), schema.Local)
		if err != nil {
			t.Skip(err)
		}
		for _, f := range s.Fields() {
			names, ok := s.Names(f)
			if m, err := s.Lookup(strings.Join(names, ".")); ok && (err != nil || m.Field != f) {
				t.Fatalf("%s: %v leads to %v %v", f.Path, names, m, err)
			}
		}
	})
}
