package analyze_test

import (
	"errors"
	"runtime"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

type step struct {
	t   bson.Type
	key string
}

var (
	inArray    = step{bson.TypeArray, "0"}
	inDocument = func(key string) step { return step{bson.TypeEmbeddedDocument, key} }
)

// nest puts {ssn: null} n times into documents and arrays of one element.
func nest(n int, steps ...step) bson.RawValue {
	v := bson.RawValue{Type: bson.TypeNull}
	wrap := func(s step) {
		doc, start := bsonraw.Begin(nil)
		v = bson.RawValue{Type: s.t, Value: bsonraw.End(bsonraw.AppendValue(doc, s.key, v), start)}
	}
	wrap(inDocument("ssn"))
	for range n {
		for _, s := range steps {
			wrap(s)
		}
	}
	return v
}

// hostileCommands nest much deeper than any server lets them, each in another part of a command.
func hostileCommands() []bson.Raw {
	const deep = 5000
	var all []bson.Raw
	for _, cmd := range []bson.D{
		{{Key: "find", Value: "people"}, {Key: "filter", Value: nest(deep, inArray, inDocument("$and"))}},
		{{Key: "find", Value: "people"}, {Key: "filter", Value: bson.D{{Key: "ssn", Value: nest(deep, inDocument("$not"))}}}},
		{{Key: "find", Value: "people"}, {Key: "filter", Value: bson.D{{Key: "x", Value: nest(deep, inDocument("$elemMatch"))}}}},
		{{Key: "find", Value: "people"}, {Key: "filter", Value: bson.D{{Key: "address", Value: bson.D{{Key: "$in", Value: nest(deep, inArray)}}}}}},
		{{Key: "find", Value: "people"}, {Key: "projection", Value: nest(deep, inDocument("x"))}},
		{{Key: "insert", Value: "people"}, {Key: "documents", Value: bson.A{bson.D{{Key: "address", Value: nest(deep, inArray)}}}}},
		{{Key: "aggregate", Value: "people"}, {Key: "pipeline", Value: bson.A{bson.D{{Key: "$facet", Value: bson.D{{Key: "x", Value: nest(deep, inDocument("x"), inDocument("$facet"), inArray)}}}}}}},
		{{Key: "update", Value: "people"}, {Key: "updates", Value: bson.A{bson.D{{Key: "u", Value: bson.D{{Key: "$set", Value: bson.D{{Key: "l.$[i]", Value: 1}}}}}, {Key: "arrayFilters", Value: bson.A{nest(deep, inArray, inDocument("$or"))}}}}}},
		{{Key: "create", Value: "people"}, {Key: "validator", Value: bson.D{{Key: "$jsonSchema", Value: nest(deep, inDocument("not"))}}}},
		{{Key: "explain", Value: nest(deep, inDocument("explain"))}},
	} {
		raw, err := bson.Marshal(cmd)
		if err != nil {
			panic(err)
		}
		all = append(all, raw)
	}
	return all
}

func analyzeAll(t testing.TB, cmd bson.Raw, s *schema.Schema) error {
	t.Helper()
	target, err := analyze.Classify("db", cmd)
	if err != nil {
		return err
	}
	_, err = analyze.Command(nil, target, cmd, map[string]*schema.Schema{"db.people": s}, analyze.Markings{}, analyze.Options{})
	return err
}

func TestDeepNestingIsRefused(t *testing.T) {
	s := parseSchema(t, fuzzSchema)
	for _, cmd := range hostileCommands() {
		err := analyzeAll(t, cmd, s)
		refused, wrong := (*analyze.RefusedError)(nil), (*schema.Error)(nil)
		if !errors.As(err, &refused) && !errors.As(err, &wrong) {
			t.Errorf("%.60s: got %v, want a refusal", cmd, err)
		}
	}
}

// Plain parts are copied without a look inside, however deep.
func TestDeepNestingInPlainPartsPasses(t *testing.T) {
	cmd := marshal(t, bson.D{{Key: "insert", Value: "people"}, {Key: "documents", Value: bson.A{bson.D{{Key: "x", Value: nest(5000, inDocument("x"))}}}}})
	if err := analyzeAll(t, cmd, parseSchema(t, fuzzSchema)); err != nil {
		t.Error(err)
	}
}

func TestTruncatedCommandsAreRefused(t *testing.T) {
	s := parseSchema(t, fuzzSchema)
	for _, cmd := range goldenCommands(t) {
		for n := range cmd {
			if analyzeAll(t, cmd[:n:n], s) == nil {
				t.Fatalf("accepted the first %d bytes of %v", n, cmd)
			}
		}
	}
}

// Lengths are checked before anything is allocated for them.
func TestGiantLengths(t *testing.T) {
	s := parseSchema(t, fuzzSchema)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	tries := uint64(0)
	for _, cmd := range goldenCommands(t) {
		for i := range len(cmd) - 4 {
			bad := append(bson.Raw(nil), cmd...)
			copy(bad[i:], "\xff\xff\xff\x7f")
			_ = analyzeAll(t, bad, s)
			tries++
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / tries; each > 1<<16 {
		t.Errorf("%d bytes allocated for a command of a few hundred", each)
	}
}
