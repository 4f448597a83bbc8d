package schema_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

func TestLimits(t *testing.T) {
	many := func(n int) string {
		var patterns []string
		for i := range n {
			patterns = append(patterns, fmt.Sprintf(`"^p%d$": {"encrypt": @enc}`, i))
		}
		return `{"bsonType": "object", "patternProperties": {` + strings.Join(patterns, ", ") + `}}`
	}
	beside := func(pattern string) string {
		return `{"bsonType": "object", "properties": {"a": {"encrypt": @enc}}, "patternProperties": {"` + pattern + `": {}}}`
	}
	long := strings.Repeat("x", 1025)
	for _, test := range []struct{ name, schema, refused string }{
		{"a name as long as may be", `{"bsonType": "object", "properties": {"` + long[1:] + `": {"encrypt": @enc}}}`, ""},
		{"a longer name", `{"bsonType": "object", "properties": {"` + long + `": {"encrypt": @enc}}}`, "1025 bytes"},
		{"a longer plain name", `{"bsonType": "object", "properties": {"` + long + `": {}}}`, ""},
		{"100 patterns", many(100), ""},
		{"1000 patterns", many(1000), "too many"},
		{"a pattern for names of 64 letters", beside(`^\\p{L}{1,64}$`), ""},
		{"a pattern that repeats", beside(strings.Repeat(".{1000}", 2000)), "too large"},
		{"a pattern that repeats what repeats", beside("((x{10}){10}){10}" + strings.Repeat("(.{500}y{500})", 20)), "too large"},
		{"a pattern with large classes", beside(strings.Repeat(`\\pL`, 5000)), "too large"},
		{"a pointer of 201 steps", `{"bsonType": "object", "encryptMetadata": {"keyId": "` + strings.Repeat("/a", 201) + `"}}`, "more than 200 steps"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := schema.Parse(document(t, test.schema), schema.Local)
			switch {
			case test.refused == "" && err != nil:
				t.Error(err)
			case test.refused != "" && !strings.Contains(refusal(t, err).Message, test.refused):
				t.Errorf("got %v, want %q", err, test.refused)
			}
		})
	}
	if _, err := schema.Parse(make(bson.Raw, 16<<20+1), schema.Remote); !strings.Contains(refusal(t, err).Message, "at most 16777216") {
		t.Errorf("over 16 MiB: %v", err)
	}
}

func TestDepth(t *testing.T) {
	nested := func(levels int, keyword string) bson.Raw {
		raw := document(t, `{"encrypt": @enc}`)
		for range levels {
			doc := bson.D{{Key: "bsonType", Value: "object"}, {Key: keyword, Value: raw}}
			if keyword == "properties" {
				doc[1].Value = bson.D{{Key: "a", Value: raw}}
			}
			var err error
			if raw, err = bson.Marshal(doc); err != nil {
				t.Fatal(err)
			}
		}
		return raw
	}
	if s, err := schema.Parse(nested(99, "properties"), schema.Local); err != nil || len(s.Fields()) != 1 {
		t.Errorf("99 levels of fields: %v", err)
	}
	for _, keyword := range []string{"properties", "additionalProperties", "not"} {
		for _, levels := range []int{200, 300, 5000} {
			_, err := schema.Parse(nested(levels, keyword), schema.Remote)
			if got := refusal(t, err); !strings.Contains(got.Message, "nests deeper") {
				t.Errorf("%d levels of %s: got %v", levels, keyword, got)
			}
		}
	}
}

// Every truncation and every changed byte of a schema gives a schema or an *Error.
func TestMalformed(t *testing.T) {
	doc := document(t, `{"bsonType": "object", "encryptMetadata": {"keyId": [@A]}, "properties": {"a": {"encrypt": {"algorithm": @random, "keyId": "/b"}}}}`)
	for _, broken := range []bson.Raw{nil, {}, {5, 0, 0, 0}, {5, 0, 0, 0, 1}, {255, 255, 255, 255, 0}} {
		_, err := schema.Parse(broken, schema.Local)
		refusal(t, err)
	}
	for n := range len(doc) {
		_, err := schema.Parse(doc[:n], schema.Local)
		refusal(t, err)
	}
	for i := range doc {
		for _, b := range []byte{0, 1, 3, 0x7f, 0xff, doc[i] ^ 1} {
			changed := slices.Clone(doc)
			changed[i] = b
			if _, err := schema.Parse(changed, schema.Local); err != nil {
				refusal(t, err)
			}
		}
	}
}

// A name that would keep a processor busy for long is refused before it is searched; no name that people give is.
func TestLongNames(t *testing.T) {
	at := func(pattern string) *schema.Node {
		s, err := schema.Parse(document(t, `{"bsonType": "object", "patternProperties": {"`+pattern+`": {"encrypt": @enc}}}`), schema.Local)
		if err != nil {
			t.Fatal(err)
		}
		return s.Root()
	}
	for _, test := range []struct {
		pattern string
		longest int // a power of two
	}{{"^tmp_", 1 << 20}, {`^\\p{L}{1,64}$`, 1 << 10}, {"(x?){1000}$", 1 << 11}, {strings.Repeat("(x?){900}", 3), 1 << 10}} {
		n := at(test.pattern)
		if _, err := n.Child(strings.Repeat("x", test.longest)); err != nil {
			t.Errorf("%s: a name of %d bytes: %v", test.pattern, test.longest, err)
		}
		_, err := n.Child(strings.Repeat("x", 16*test.longest))
		_, same := n.ChildBytes([]byte(strings.Repeat("x", 16*test.longest)))
		for _, err := range []error{err, same} {
			if !strings.Contains(refusal(t, err).Message, "too long to be searched") {
				t.Errorf("%s: a name of %d bytes: %v", test.pattern, 16*test.longest, err)
			}
		}
	}
}
