package schema_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

// Every mistake is told, each once, and none that only follows from another.
func TestLintTellsEveryMistake(t *testing.T) {
	doc := document(t, `{"bsonType": "object", "required": ["a"], "properties": {
		"a": {"encrypt": {"algorithm": @det, "bsonType": ["double", "string"], "keyId": "/k"}},
		"b": {"encrypt": {"algorithm": "AES", "keyId": []}, "minLength": 1, "bsonType": "string"},
		"c": {"properties": {"x": {"encrypt": @enc}, "y": {"encrypt": @enc}}},
		"d": {"bsonType": "array", "items": [{"encrypt": @enc}]},
		"e": {"encypt": {}, "encrypt": {"algorithm": @random}},
		"f": {"bsonType": "object", "encryptMetadata": {"algorithm": 1}, "properties": {"g": {"encrypt": {"keyId": [@A]}}}},
		"h": 1,
		"i": {"bsonType": "objct", "properties": {"j": {"encrypt": @enc}}},
		"l": {"encrypt": {"algorithm": @random, "keyId": "/m"}}, "m": {"encrypt": @enc}}}`)
	s, mistakes := schema.Lint(doc, schema.Local)
	if s != nil {
		t.Error("got a schema")
	}
	want := []string{
		"properties.a.encrypt.keyId", "properties.a.encrypt.bsonType", "properties.a.encrypt.bsonType",
		"properties.b.minLength", "properties.b.bsonType", "properties.b.encrypt.algorithm", "properties.b.encrypt.keyId",
		"properties.c.properties.x.encrypt", "properties.d.items.0.encrypt", "properties.d.items",
		"properties.e.encypt", "properties.e.encrypt", "properties.f.encryptMetadata.algorithm", "properties.h", "properties.i.bsonType",
		"properties.l.encrypt", "required",
	}
	var got []string
	for _, m := range mistakes {
		got = append(got, m.Path)
		if m.Message == "" || m.Hint == "" {
			t.Errorf("%s: no message or hint", m.Path)
		}
	}
	less := func(a, b string) bool { return a < b }
	if diff := cmp.Diff(sorted(want, less), sorted(got, less)); diff != "" {
		t.Errorf("%s\n%v", diff, mistakes)
	}
}

func sorted(s []string, less func(a, b string) bool) []string {
	out := append([]string(nil), s...)
	for i := range out {
		for j := i; j > 0 && less(out[j], out[j-1]); j-- {
			out[j], out[j-1] = out[j-1], out[j]
		}
	}
	return out
}

func TestLintContradictions(t *testing.T) {
	doc := document(t, `{"bsonType": "object", "properties": {"ssn": {"encrypt": @enc}}, "patternProperties": {"^s": {"bsonType": "string"}}}`)
	if _, err := schema.Parse(doc, schema.Local); err != nil {
		t.Fatal(err) // the name may never come
	}
	if s, mistakes := schema.Lint(doc, schema.Local); s != nil || len(mistakes) != 1 || !strings.Contains(mistakes[0].Message, "do not agree") {
		t.Errorf("got %v", mistakes)
	}
}

func TestLintLimits(t *testing.T) {
	properties := bson.D{}
	for i := range 2000 {
		properties = append(properties, bson.E{Key: fmt.Sprint("p", i), Value: 1})
	}
	raw, err := bson.Marshal(bson.D{{Key: "properties", Value: properties}})
	if err != nil {
		t.Fatal(err)
	}
	if _, mistakes := schema.Lint(raw, schema.Local); len(mistakes) != 1001 {
		t.Errorf("got %d mistakes", len(mistakes))
	}
	if _, mistakes := schema.Lint(bson.Raw{1, 2, 3}, schema.Local); len(mistakes) != 1 {
		t.Errorf("got %v", mistakes)
	}
}

// Lint and Parse agree on what is a schema, and Parse's mistake is among those of Lint.
func TestLintAgreesWithParse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := genDocument(t, 2, det, true)
		raw, err := bson.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "damaged") {
			raw = damage(t, doc)
		}
		for _, origin := range []schema.Origin{schema.Local, schema.Remote} {
			parsed, err := schema.Parse(raw, origin)
			linted, mistakes := schema.Lint(raw, origin)
			switch {
			case (linted == nil) != (len(mistakes) > 0):
				t.Fatalf("both or neither of a schema and mistakes: %v", mistakes)
			case err == nil && linted == nil && !strings.Contains(mistakes[0].Message, "do not agree"):
				t.Fatalf("Lint alone finds %v", mistakes)
			case err != nil && linted != nil:
				t.Fatalf("Parse alone finds %v", err)
			case err == nil && linted != nil && len(parsed.Fields()) != len(linted.Fields()):
				t.Fatal("other fields")
			}
			found := err == nil
			for _, m := range mistakes {
				found = found || m.Error() == err.Error()
			}
			if !found {
				t.Fatalf("Lint does not find %v but %v", err, mistakes)
			}
		}
	})
}

// damage puts a mistake into one place of a schema.
func damage(t *rapid.T, doc bson.D) bson.Raw {
	mistake := rapid.SampledFrom([]bson.E{
		{Key: "encrypt", Value: bson.D{{Key: "algorithm", Value: "x"}}}, {Key: "bsonType", Value: "array"}, {Key: "minimum", Value: 1}, {Key: "propertys", Value: bson.D{}},
		{Key: "encryptMetadata", Value: bson.D{}}, {Key: "encrypt", Value: bson.D{{Key: "keyId", Value: "/a"}}},
	}).Draw(t, "mistake")
	var put func(d bson.D) bson.D
	put = func(d bson.D) bson.D {
		for i, e := range d {
			if sub, ok := e.Value.(bson.D); ok && len(sub) > 0 && rapid.Bool().Draw(t, "deeper") {
				d[i].Value = put(sub)
				return d
			}
		}
		return append(d, mistake)
	}
	raw, err := bson.Marshal(put(doc))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestAdvise(t *testing.T) {
	s := parse(t, `{"bsonType": "object", "encryptMetadata": {"algorithm": @det, "keyId": [@A]}, "properties": {
		"ssn": {"encrypt": {"bsonType": "string"}}, "blood_type": {"encrypt": {"bsonType": "string"}}, "zip": {"encrypt": {"bsonType": "string"}},
		"a": {"bsonType": "object", "properties": {"phone": {"encrypt": {"algorithm": @random}}}}}}`)
	index := func(name, key string, unique bool) bson.Raw {
		raw, _ := bson.Marshal(bson.D{{Key: "key", Value: bson.D{{Key: key, Value: 1}}}, {Key: "name", Value: name}, {Key: "unique", Value: unique}})
		return raw
	}
	for _, tt := range []struct {
		usage schema.Usage
		want  string
	}{
		{schema.Usage{}, "blood_type few-values"},
		{schema.Usage{Queried: map[string]bool{"ssn": true, "blood_type": true}}, "blood_type few-values, zip not-queried"},
		{schema.Usage{Samples: map[string]schema.Distinct{"blood_type": {Values: 900, Of: 1000}, "zip": {Values: 8, Of: 1000}, "ssn": {Values: 2, Of: 20}}}, "zip few-values"},
		{schema.Usage{Indexes: []bson.Raw{index("i", "ssn", true), index("u", "a.phone", true), index("n", "a.phone", false), index("x", "a.phoney", true)}},
			"blood_type few-values, a.phone unique-index-on-random, a.phone index-on-random"},
	} {
		var got []string
		for _, a := range s.Advise(tt.usage) {
			got = append(got, a.Path+" "+a.Rule)
			if a.Message == "" || a.Hint == "" {
				t.Errorf("%v lacks words", a)
			}
		}
		if diff := cmp.Diff(tt.want, strings.Join(got, ", ")); diff != "" {
			t.Error(diff)
		}
	}
}
