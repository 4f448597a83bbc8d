package analyze_test

import (
	"bytes"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// reversible stands for encryption and remembers what it stood for.
type reversible struct {
	stand
	plain map[string]bson.RawValue
}

func (s *reversible) Seal(dst []byte, field *schema.Encrypted, v bson.RawValue) ([]byte, error) {
	out, err := s.stand.Seal(nil, field, v)
	s.plain[string(out)] = bson.RawValue{Type: v.Type, Value: bytes.Clone(v.Value)}
	return append(dst, out...), err
}

// opened is doc with every value decrypted.
func (s *reversible) opened(t *rapid.T, doc bson.Raw) bson.Raw {
	out, err := bsonraw.Rewrite(nil, doc, func(dst, content []byte) ([]byte, bsonraw.Replacement, error) {
		v := s.plain[string(content)]
		return append(dst, v.Value...), bsonraw.Replacement{Type: v.Type}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// An expression that is let through gives, on encrypted documents, what it gives on plaintext: as the condition of a filter, as a
// field that the application reads, and in a later filter on that field.
func TestExpressionsKeepTheirMeaning(t *testing.T) {
	s := parseSchema(t, meaningSchema)
	var drawn, accepted, sealed, held, fell, compared int
	rapid.Check(t, func(t *rapid.T) {
		var docs bson.A
		for range 4 {
			docs = append(docs, drawDocument(t))
		}
		sealer := &reversible{plain: map[string]bson.RawValue{}}
		plain := marshal(t, bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: docs}})
		stored, err := run(plain, s, sealer, analyze.Minimal)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			e := drawExpression(t, 0)
			find := marshal(t, bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "$expr", Value: e}}}})
			path, isDocument := "v", rapid.Bool().Draw(t, "inner")
			if isDocument {
				path = "v.z"
			}
			aggregate := marshal(t, bson.D{{Key: "aggregate", Value: "c"}, {Key: "cursor", Value: bson.D{}}, {Key: "pipeline", Value: bson.A{
				bson.D{{Key: "$addFields", Value: bson.D{{Key: "v", Value: e}}}},
				bson.D{{Key: "$match", Value: bson.D{{Key: path, Value: drawCondition(t, "s", 2)}}}},
			}}})
			drawn++
			for _, rewrite := range []analyze.Rewrite{analyze.Minimal, analyze.Exact} {
				if res, err := run(find, s, sealer, rewrite); err == nil {
					accepted++
					if res.HasPlaceholders {
						sealed++
					}
					before, after := find.Lookup("filter", "$expr"), res.Command.Lookup("filter", "$expr")
					for i, doc := range elements(t, plain.Lookup("documents").Value) {
						x, failsX := evaluate(before, doc.Value)
						y, failsY := evaluate(after, elements(t, stored.Command.Lookup("documents").Value)[i].Value)
						if truth(x) != truth(y) || failsX != failsY {
							t.Fatalf("%v of %v: %v in plaintext, %v encrypted", e, docs[i], x, y)
						}
						if truth(x) {
							held++
						} else {
							fell++
						}
					}
				}
				if res, err := run(aggregate, s, sealer, rewrite); err == nil {
					compared += checkAggregate(t, sealer, aggregate, res.Command, plain, stored.Command)
				}
			}
		}
	})
	t.Logf("%d expressions, %d rewritten, %d with sealed values; true %d, false %d; %d fields compared", drawn, accepted, sealed, held, fell, compared)
	if accepted*4 < drawn || sealed*8 < accepted || held*9 < fell || fell*9 < held || compared < drawn {
		t.Error("too few cases for the property to mean anything")
	}
}

// checkAggregate runs $addFields and $match in plaintext and encrypted: the same documents with the same field.
func checkAggregate(t *rapid.T, sealer *reversible, before, after, plain, stored bson.Raw) int {
	n := 0
	for i, doc := range elements(t, plain.Lookup("documents").Value) {
		x, failsX := addField(t, before, doc.Value)
		y, failsY := addField(t, after, elements(t, stored.Lookup("documents").Value)[i].Value)
		if failsX || failsY {
			if failsX != failsY {
				t.Fatalf("%v fails on one side", before)
			}
			continue
		}
		if got := sealer.opened(t, y); !bytes.Equal(got, x) {
			t.Fatalf("%v of %v: %v in plaintext, %v encrypted", before, bson.Raw(doc.Value), x, got)
		}
		selectsX := matchesFilter(t, before.Lookup("pipeline", "1", "$match").Value, x)
		selectsY := matchesFilter(t, after.Lookup("pipeline", "1", "$match").Value, y)
		if selectsX != selectsY {
			t.Fatalf("%v of %v: %v in plaintext, %v encrypted", before, x, selectsX, selectsY)
		}
		n++
	}
	return n
}

func addField(t *rapid.T, aggregate, doc bson.Raw) (out bson.Raw, fails bool) {
	v, fails := evaluate(aggregate.Lookup("pipeline", "0", "$addFields", "v"), doc)
	if fails || v == nil {
		return doc, fails
	}
	fields, err := doc.Elements()
	if err != nil {
		t.Fatal(err)
	}
	all := bson.D{}
	for _, f := range fields {
		all = append(all, bson.E{Key: f.Key(), Value: f.Value()})
	}
	return marshal(t, append(all, bson.E{Key: "v", Value: *v})), false
}

// drawExpression draws one whose comparisons are often between a field and a constant of the field's own.
func drawExpression(t *rapid.T, depth int) any {
	op := func(name string, args ...any) any { return bson.D{{Key: name, Value: bson.A(args)}} }
	named := func(name string, args bson.D) any { return bson.D{{Key: name, Value: args}} }
	sub := func() any { return drawExpression(t, depth+1) }
	kind := rapid.IntRange(0, 20).Draw(t, "expression")
	if depth > 2 {
		kind = min(kind, 7)
	}
	switch kind {
	case 0:
		return "$" + drawPath(t)
	case 1:
		return rapid.SampledFrom([]any{"x", nil, true, int64(1), int32(1), "$$REMOVE", "$$ROOT", "$$CURRENT.s", "$$ROOT.o", "$$x"}).Draw(t, "constant")
	case 2, 3, 4, 5:
		return drawComparison(t)
	case 6:
		path := drawPath(t)
		list := any(bson.A{drawValue(t, path), drawValue(t, path)})
		if rapid.IntRange(0, 3).Draw(t, "literal") == 0 {
			list = bson.D{{Key: "$literal", Value: list}}
		}
		return op("$in", "$"+path, list)
	case 7:
		return op("$ifNull", "$"+drawPath(t), rapid.SampledFrom([]any{nil, "x", "$s", "$o.z", "$p"}).Draw(t, "default"))
	case 8, 9:
		return op("$cond", sub(), sub(), sub())
	case 10:
		return named("$switch", bson.D{{Key: "branches", Value: bson.A{bson.D{{Key: "case", Value: sub()}, {Key: "then", Value: sub()}}}}, {Key: "default", Value: sub()}})
	case 11:
		return op(rapid.SampledFrom([]string{"$and", "$or"}).Draw(t, "logical"), sub(), sub())
	case 12:
		return op("$not", sub())
	case 13:
		return named("$let", bson.D{{Key: "vars", Value: bson.D{{Key: "x", Value: sub()}}}, {Key: "in", Value: sub()}})
	case 14:
		return bson.D{{Key: "z", Value: sub()}, {Key: "y", Value: sub()}}
	case 15:
		return op(rapid.SampledFrom([]string{"$size", "$first", "$isArray"}).Draw(t, "array"), bson.A{sub(), sub()})
	case 16:
		return named("$getField", bson.D{{Key: "field", Value: rapid.SampledFrom([]string{"s", "z", "o", "p", "o.z"}).Draw(t, "name")}, {Key: "input", Value: sub()}})
	case 17:
		return op(rapid.SampledFrom([]string{"$eq", "$ne"}).Draw(t, "comparison"), sub(), sub())
	}
	// A field compared by way of something else.
	path := drawPath(t)
	field, v := "$"+path, drawValue(t, path)
	switch kind {
	case 18:
		return named("$let", bson.D{{Key: "vars", Value: bson.D{{Key: "x", Value: field}}}, {Key: "in", Value: op("$eq", "$$x", v)}})
	case 19:
		return op("$eq", bson.D{{Key: "z", Value: field}}, bson.D{{Key: "z", Value: v}})
	default:
		return op("$in", v, bson.A{field, op("$ifNull", field, nil)})
	}
}

func drawPath(t *rapid.T) string {
	return rapid.SampledFrom([]string{"s", "s", "n", "n", "o.z", "o.z", "o.q", "p", "p", "p.a", "o", "r", "w"}).Draw(t, "path")
}

func drawComparison(t *rapid.T) any {
	path := drawPath(t)
	sides := bson.A{"$" + path, drawValue(t, path)}
	switch rapid.IntRange(0, 7).Draw(t, "side") {
	case 0:
		sides[1] = "$" + drawPath(t)
	case 1:
		sides[1] = bson.D{{Key: "$literal", Value: sides[1]}}
	case 2:
		sides[0], sides[1] = sides[1], sides[0]
	}
	return bson.D{{Key: rapid.SampledFrom([]string{"$eq", "$ne"}).Draw(t, "comparison"), Value: sides}}
}

func drawValue(t *rapid.T, path string) any {
	domain := domains[path]
	if domain == nil || rapid.IntRange(0, 9).Draw(t, "other") == 0 {
		domain = domains["p"]
	}
	return rapid.SampledFrom(domain).Draw(t, "value")
}
