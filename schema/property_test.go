package schema_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

const (
	det    = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"
	random = "AEAD_AES_256_CBC_HMAC_SHA_512-Random"
)

var (
	someNames    = rapid.SampledFrom([]string{"a", "b", "ab", "ba", "encrypt", "properties", "0", ""})
	somePatterns = rapid.SampledFrom([]string{"a", "^b", "b$", "^e.*t$", "^$"})
	someKeys     = rapid.SampledFrom([]any{uuid(1), uuid(2), "/key/name"})
)

func uuid(b byte) bson.A {
	return bson.A{bson.Binary{Subtype: bson.TypeBinaryUUID, Data: append([]byte{b}, make([]byte, 15)...)}}
}

// genDocument draws a valid schema of a document in which every encrypt finds an algorithm and a key: alg is the inherited algorithm.
func genDocument(t *rapid.T, depth int, alg string, root bool) bson.D {
	meta := bson.D{}
	if root || rapid.Bool().Draw(t, "inner metadata") {
		if root || rapid.Bool().Draw(t, "metadata algorithm") {
			alg = rapid.SampledFrom([]string{det, random}).Draw(t, "algorithm")
			meta = append(meta, bson.E{Key: "algorithm", Value: alg})
		}
		if root || len(meta) == 0 {
			// Not a pointer: deterministic fields may inherit it.
			meta = append(meta, bson.E{Key: "keyId", Value: uuid(rapid.SampledFrom([]byte{1, 2}).Draw(t, "key"))})
		}
	}
	doc := bson.D{{Key: rapid.SampledFrom([]string{"bsonType", "type"}).Draw(t, "pin"), Value: "object"}}
	for _, kw := range []struct {
		name  string
		names *rapid.Generator[string]
	}{{"properties", someNames}, {"patternProperties", somePatterns}} {
		fields := bson.D{}
		for _, name := range rapid.SliceOfNDistinct(kw.names, 0, 3, rapid.ID).Draw(t, kw.name) {
			fields = append(fields, bson.E{Key: name, Value: genSchema(t, depth-1, alg)})
		}
		doc = append(doc, bson.E{Key: kw.name, Value: fields})
	}
	if rapid.Bool().Draw(t, "additional") {
		doc = append(doc, bson.E{Key: "additionalProperties", Value: genSchema(t, depth-1, alg)})
	}
	if len(meta) > 0 {
		doc = append(doc, bson.E{Key: "encryptMetadata", Value: meta})
	}
	return rapid.Permutation(doc).Draw(t, "order")
}

func genSchema(t *rapid.T, depth int, alg string) bson.D {
	switch kind := rapid.IntRange(0, 3).Draw(t, "kind"); {
	case kind == 0:
		return bson.D{}
	case kind == 1 || depth <= 0:
		return bson.D{{Key: "encrypt", Value: genEncrypt(t, alg)}}
	}
	return genDocument(t, depth, alg, false)
}

func genEncrypt(t *rapid.T, alg string) bson.D {
	enc := bson.D{}
	if rapid.Bool().Draw(t, "own algorithm") {
		alg = rapid.SampledFrom([]string{det, random}).Draw(t, "algorithm")
		enc = append(enc, bson.E{Key: "algorithm", Value: alg})
	}
	if alg == det || rapid.Bool().Draw(t, "typed") {
		enc = append(enc, bson.E{Key: "bsonType", Value: rapid.SampledFrom([]string{"string", "int"}).Draw(t, "type")})
	}
	if rapid.Bool().Draw(t, "own key") {
		k := someKeys.Draw(t, "key")
		if _, pointer := k.(string); !pointer || alg == random {
			enc = append(enc, bson.E{Key: "keyId", Value: k})
		}
	}
	return enc
}

// oracle interprets a schema document naively, without compiling: the rule it is to be compared with.
type oracle struct {
	doc  bson.D
	meta bson.D // inherited options, innermost first
	path string
}

func get(d bson.D, key string) any {
	for _, e := range d {
		if e.Key == key {
			return e.Value
		}
	}
	return nil
}

func (o oracle) sub(v any, field string) oracle {
	meta, _ := get(o.doc, "encryptMetadata").(bson.D)
	path := field
	if o.path != "\x00" {
		path = o.path + "." + field
	}
	return oracle{doc: v.(bson.D), meta: append(append(bson.D{}, meta...), o.meta...), path: path}
}

// options describes an encrypted place; "" when this place is not one.
func (o oracle) options() string {
	enc, ok := get(o.doc, "encrypt").(bson.D)
	if !ok {
		return ""
	}
	all := append(append(bson.D{}, enc...), o.meta...)
	return fmt.Sprint(get(all, "algorithm"), " ", get(all, "keyId"), " ", get(enc, "bsonType"))
}

// under lists the rules for fields below.
func (o oracle) under() (rules []oracle) {
	for _, e := range o.doc {
		switch e.Key {
		case "properties", "patternProperties":
			for _, f := range e.Value.(bson.D) {
				field := f.Key
				if e.Key == "patternProperties" {
					field = "/" + field + "/"
				}
				rules = append(rules, o.sub(f.Value, field))
			}
		case "additionalProperties":
			rules = append(rules, o.sub(e.Value, "*"))
		}
	}
	return rules
}

// fields lists "path options" of every encrypted place at or below.
func (o oracle) fields() (fields []string) {
	if opts := o.options(); opts != "" {
		return []string{o.path + " " + opts}
	}
	for _, rule := range o.under() {
		fields = append(fields, rule.fields()...)
	}
	return fields
}

// hits are the rules that a name meets.
func (o oracle) hits(name string) (hits []oracle) {
	props, _ := get(o.doc, "properties").(bson.D)
	if v := get(props, name); v != nil {
		hits = append(hits, o.sub(v, name))
	}
	patterns, _ := get(o.doc, "patternProperties").(bson.D)
	for _, p := range patterns {
		if regexp.MustCompile(p.Key).MatchString(name) {
			hits = append(hits, o.sub(p.Value, "/"+p.Key+"/"))
		}
	}
	if more := get(o.doc, "additionalProperties"); len(hits) == 0 && more != nil {
		hits = append(hits, o.sub(more, "*"))
	}
	return hits
}

// choose is the one of hits that counts; ok is false when they contradict each other.
func choose(hits []oracle) (chosen oracle, ok bool) {
	kinds := map[string]int{} // options, or "prefix", or "plain"
	for _, h := range hits {
		switch {
		case h.options() != "":
			kinds[h.options()]++
		case len(h.fields()) > 0:
			kinds["prefix"]++
		default:
			kinds["plain"]++
			continue
		}
		chosen = h
	}
	if kinds["prefix"] == 1 && len(hits) == kinds["prefix"]+kinds["plain"] {
		return chosen, true
	}
	return chosen, len(kinds) <= 1 && kinds["prefix"] <= 1
}

// lookup gives "class" or "class options".
func (o oracle) lookup(names []string) string {
	for i, name := range names {
		next, ok := choose(o.hits(name))
		if !ok {
			return "contradiction"
		}
		o = next
		opts := o.options()
		switch {
		case len(o.fields()) == 0:
			return "plain"
		case opts == "":
		case i < len(names)-1:
			return "below " + opts
		case strings.HasPrefix(opts, det):
			return "deterministic " + opts
		default:
			return "random " + opts
		}
	}
	return "prefix"
}

func describe(f *schema.Encrypted) string {
	var key, types any = f.KeyPointer, nil
	if f.KeyPointer == "" {
		key = uuid(f.KeyID[0])
	}
	if f.Types != 0 {
		types = f.Types
	}
	return fmt.Sprint(f.Algorithm, " ", key, " ", types)
}

func lookup(s *schema.Schema, path string) string {
	m, err := s.Lookup(path)
	var refused *schema.Error
	switch {
	case errors.As(err, &refused):
		return "contradiction"
	case m.Field != nil:
		return m.Class.String() + " " + describe(m.Field)
	}
	return m.Class.String()
}

// The compiled tree says of every path what a naive reading of the document says, and lists the same fields in the same order.
func TestTreeAgreesWithDocument(t *testing.T) {
	seen := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		doc := genDocument(t, 3, "", true)
		raw, err := bson.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		origin := rapid.SampledFrom([]schema.Origin{schema.Local, schema.Remote}).Draw(t, "origin")
		s, err := schema.Parse(raw, origin)
		if err != nil {
			if m := err.Error(); strings.Contains(m, "leads to the encrypted field") || strings.Contains(m, "do not agree") {
				return // the pointer /key/name met an additionalProperties: refused, and rightly so
			}
			t.Fatalf("a valid schema is refused: %v\n%v", err, doc)
		}
		o := oracle{doc: doc, path: "\x00"}
		var got []string
		for _, f := range s.Fields() {
			got = append(got, f.Path+" "+describe(f))
		}
		if want := o.fields(); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Fatalf("fields of %v\ngot  %q\nwant %q", doc, got, want)
		}
		if s.Encrypts() != (len(got) > 0) {
			t.Fatalf("Encrypts is %v with fields %q", s.Encrypts(), got)
		}
		for range 8 {
			names := rapid.SliceOfN(someNames, 1, 4).Draw(t, "path")
			path := strings.Join(names, ".")
			got, want := lookup(s, path), o.lookup(names)
			if got != want {
				t.Fatalf("%q in %v\ngot  %s\nwant %s", path, doc, got, want)
			}
			class, _, _ := strings.Cut(want, " ")
			seen[class]++
		}
		for _, f := range s.Fields() {
			if strings.ContainsAny(f.Path, "/*") {
				continue
			}
			if got := lookup(s, f.Path); got != "contradiction" && !strings.HasSuffix(got, describe(f)) {
				t.Fatalf("%q in %v: got %s, want %s", f.Path, doc, got, describe(f))
			}
		}
	})
	if len(seen) != 6 {
		t.Errorf("the generator is too tame, it met only %v", seen)
	}
}
