package analyze_test

import (
	"crypto/sha256"
	"strconv"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/internal/aggmodel"
	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// stand is a Sealer that stands for encryption: a function of key and value when deterministic, new each time when random.
type stand struct{ n byte }

func (s *stand) Seal(dst []byte, field *schema.Encrypted, value bson.RawValue) ([]byte, error) {
	sum := sha256.Sum256(append(append(append([]byte{byte(value.Type)}, field.KeyID[:]...), byte(field.Algorithm)), value.Value...))
	if field.Algorithm == payload.Random {
		s.n++
		sum[0], sum[1] = 0, s.n
	}
	return append(append(dst, byte(field.Algorithm)), sum[:16]...), nil
}

const meaningSchema = `{"bsonType": "object", "encryptMetadata": {"keyId": [{"$uuid": "11111111-1111-1111-1111-111111111111"}], "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"},
	"properties": {"s": {"encrypt": {"bsonType": "string"}}, "n": {"encrypt": {"bsonType": "long"}},
	"o": {"bsonType": "object", "properties": {"z": {"encrypt": {"bsonType": "string"}}}},
	"r": {"encrypt": {"bsonType": "string", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random"}},
	"w": {"encrypt": {"bsonType": "object", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random"}}}}`

// A filter that is let through selects, of the encrypted documents, those that it would have selected in plaintext.
func TestFiltersKeepTheirMeaning(t *testing.T) {
	filtersKeepTheirMeaning(t, func(t *rapid.T) (plain, stored bson.Raw, s *schema.Schema) {
		s = parseSchema(t, meaningSchema)
		plain = drawInsert(t, drawDocument)
		inserted, err := run(plain, s, &stand{}, analyze.Minimal)
		if err != nil {
			t.Fatal(err)
		}
		return plain, inserted.Command, s
	})
}

func drawInsert(t *rapid.T, draw func(*rapid.T) bson.D) bson.Raw {
	var docs bson.A
	for range 6 {
		docs = append(docs, draw(t))
	}
	return marshal(t, bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: docs}})
}

// filtersKeepTheirMeaning compares what filters select of an insert's documents in plaintext, and of the same as they are stored.
func filtersKeepTheirMeaning(t *testing.T, documents func(*rapid.T) (plain, stored bson.Raw, s *schema.Schema)) {
	var drawn, accepted, sealed, selected, passed int
	rapid.Check(t, func(t *rapid.T) {
		plain, stored, s := documents(t)
		for range 20 {
			filter := drawFilter(t, 0)
			find := marshal(t, bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: filter}})
			drawn++
			for _, rewrite := range []analyze.Rewrite{analyze.Minimal, analyze.Exact} {
				res, err := run(find, s, &stand{}, rewrite)
				if err != nil {
					continue
				}
				accepted++
				if res.HasPlaceholders {
					sealed++
				}
				before, after := selects(t, find, plain), selects(t, res.Command, stored)
				for i := range before {
					if before[i] != after[i] {
						t.Fatalf("%v of %v, stored as %v: %v in plaintext, %v encrypted", filter, plain.Lookup("documents", strconv.Itoa(i)),
							stored.Lookup("documents", strconv.Itoa(i)), before[i], after[i])
					}
					if before[i] {
						selected++
					} else {
						passed++
					}
				}
			}
		}
	})
	t.Logf("%d filters, %d rewritten, %d with sealed values; %d documents selected, %d not", drawn, accepted, sealed, selected, passed)
	if accepted*2 < drawn || sealed*4 < accepted || selected*5 < passed || passed*5 < selected {
		t.Error("too few cases for the property to mean anything")
	}
}

// run analyses a command on db.c.
func run(cmd bson.Raw, s *schema.Schema, sealer analyze.Sealer, rewrite analyze.Rewrite) (analyze.Result, error) {
	target, err := analyze.Classify("db", cmd)
	if err != nil {
		return analyze.Result{}, err
	}
	return analyze.Command(nil, target, cmd, map[string]*schema.Schema{"db.c": s}, sealer, analyze.Options{Rewrite: rewrite})
}

// selects says which of the documents of insert the filter of find selects.
func selects(t *rapid.T, find, insert bson.Raw) (selected []bool) {
	documents, err := insert.Lookup("documents").Array().Values()
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range documents {
		matches, err := aggmodel.Match(doc.Document(), find.Lookup("filter").Document())
		if err != nil {
			t.Fatal(err)
		}
		selected = append(selected, matches)
	}
	return selected
}

// domains are the values that a path takes; nil stands for a missing field.
var domains = map[string][]any{
	"s": {nil, "x", "y", "z"}, "n": {nil, int64(1), int64(2)}, "o.z": {nil, "x", "y"}, "o.q": {nil, "x", "y"}, "r": {nil, "x"},
	"o": {nil, int32(5), "x", bson.A{"x"}, bson.D{{Key: "z", Value: "x"}}},
	"w": {nil, bson.D{{Key: "a", Value: 1}}}, "p": {nil, "x", "y", int32(1), bson.A{"x", "y"}, bson.A{bson.D{{Key: "a", Value: "x"}}}, bson.D{{Key: "a", Value: "x"}}},
}

func drawDocument(t *rapid.T) bson.D {
	draw := func(path string) any { return rapid.SampledFrom(domains[path]).Draw(t, path) }
	doc := bson.D{}
	add := func(to *bson.D, name string, v any) {
		if v != nil {
			*to = append(*to, bson.E{Key: name, Value: v})
		}
	}
	for _, name := range []string{"s", "n", "r", "w", "p"} {
		add(&doc, name, draw(name))
	}
	switch rapid.IntRange(0, 4).Draw(t, "o") {
	case 0:
	case 1:
		add(&doc, "o", rapid.SampledFrom([]any{int32(5), bson.A{"x"}, "x"}).Draw(t, "scalar"))
	default:
		inner := bson.D{}
		add(&inner, "z", draw("o.z"))
		add(&inner, "q", draw("o.q"))
		doc = append(doc, bson.E{Key: "o", Value: inner})
	}
	return doc
}

func drawFilter(t *rapid.T, depth int) bson.D {
	filter := bson.D{}
	for range rapid.IntRange(1, 2).Draw(t, "conditions") {
		if depth < 2 && rapid.IntRange(0, 3).Draw(t, "logical") == 0 {
			name := rapid.SampledFrom([]string{"$and", "$or", "$nor"}).Draw(t, "logical")
			filter = append(filter, bson.E{Key: name, Value: bson.A{drawFilter(t, depth+1), drawFilter(t, depth+1)}})
			continue
		}
		path := rapid.SampledFrom([]string{"s", "s", "n", "n", "o.z", "o.z", "o.q", "o", "r", "w", "p", "p.a", "s.x", "w.a", "o.0.z", "0"}).Draw(t, "path")
		filter = append(filter, bson.E{Key: path, Value: drawCondition(t, path, depth)})
	}
	return filter
}

// drawCondition is a literal, or a document with one operator or two.
func drawCondition(t *rapid.T, path string, depth int) any {
	value := func() any {
		domain := domains[path]
		if domain == nil || rapid.IntRange(0, 9).Draw(t, "other") == 0 {
			domain = domains["p"]
		}
		return rapid.SampledFrom(domain).Draw(t, "value")
	}
	operators := []string{"", "$eq", "$ne", "$in", "$nin", "$exists", "$not"}
	if path == "r" || path == "w" {
		operators = append(operators, "$exists", "$exists", "$exists", "$exists", "$exists", "$exists")
	}
	if depth < 3 && rapid.IntRange(0, 7).Draw(t, "both") == 0 {
		x, isOperator := drawCondition(t, path, 3).(bson.D)
		y, areOperators := drawCondition(t, path, 3).(bson.D)
		if isOperator && areOperators && len(x)*len(y) == 1 && x[0].Key[0] == '$' && y[0].Key[0] == '$' {
			return append(x, y...)
		}
	}
	switch name := rapid.SampledFrom(operators).Draw(t, "operator"); name {
	case "":
		return value()
	case "$in", "$nin":
		return bson.D{{Key: name, Value: bson.A{value(), value()}}}
	case "$exists":
		return bson.D{{Key: name, Value: rapid.Bool().Draw(t, "exists")}}
	case "$not":
		if inner, isOperator := drawCondition(t, path, depth+1).(bson.D); isOperator && len(inner) > 0 && inner[0].Key[0] == '$' {
			return bson.D{{Key: name, Value: inner}}
		}
		return bson.D{{Key: name, Value: bson.D{{Key: "$eq", Value: value()}}}}
	default:
		return bson.D{{Key: name, Value: value()}}
	}
}
