package analyze_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/internal/aggmodel"
	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// vault is a Sealer that stands for encryption, a function of key and value when deterministic, new each time when random; and that
// remembers what it sealed.
type vault struct{ plain map[string]bson.RawValue }

func (v *vault) Seal(dst []byte, field *schema.Encrypted, value bson.RawValue) ([]byte, error) {
	in := append([]byte{byte(value.Type), byte(field.Algorithm)}, field.KeyID[:]...)
	if field.Algorithm == payload.Random {
		in = fmt.Append(in, len(v.plain))
	}
	sum := sha256.Sum256(append(in, value.Value...))
	sealed := append([]byte{byte(field.Algorithm)}, sum[:16]...)
	v.plain[string(sealed)] = bson.RawValue{Type: value.Type, Value: slices.Clone(value.Value)}
	return append(dst, sealed...), nil
}

// open is documents with everything sealed in clear again.
func (v *vault) open(t *rapid.T, docs []bson.Raw) []bson.Raw {
	var out []bson.Raw
	for _, doc := range docs {
		open, err := bsonraw.Rewrite(nil, doc, func(dst, content []byte) ([]byte, bsonraw.Replacement, error) {
			value, known := v.plain[string(content)]
			if !known {
				return dst, bsonraw.Replacement{Keep: true}, nil
			}
			return append(dst, value.Value...), bsonraw.Replacement{Type: value.Type}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, open)
	}
	return out
}

// world is some collections, as the application sees them and as they are stored.
type world struct {
	*vault
	schemas       map[string]*schema.Schema // by namespace
	roots         map[string]*shape         // by name
	plain, stored map[string][]bson.Raw
}

// A pipeline, filter or projection that is let through gives, on the encrypted documents, what it would have given in plaintext.
func TestPipelinesKeepTheirMeaning(t *testing.T) {
	pipelinesKeepTheirMeaning(t, drawWorld)
}

// pipelinesKeepTheirMeaning draws pipelines over worlds. rare are operators that may never be let through.
func pipelinesKeepTheirMeaning(t *testing.T, draw func(*rapid.T) *world, rare ...string) {
	counts := meanings{}
	rapid.Check(t, func(t *rapid.T) {
		w := draw(t)
		for range 60 {
			w.keepsMeaning(t, counts)
		}
	})
	counts.check(t, rare)
}

// meanings counts, by stage and operator, how often one was drawn where it could touch something encrypted; the same with "+" and let
// through, or with "=" and let through with another result than none.
type meanings map[string]int

func (c meanings) add(used map[string]bool, how string) {
	c[how]++
	for name := range used {
		c[name+how]++
	}
}

func (c meanings) check(t *testing.T, rare []string) {
	t.Helper()
	t.Logf("%d drawn, %d let through, %d with a sealed constant, %d gave documents, %d beyond the model, %d failing on the server", c[""], c["+"], c["!"], c["="], c["?"], c["x"])
	for _, name := range slices.Concat(allowedStages, []string{"find", "delete", "$expr", "$eq", "$ne", "$in", "$cond", "$switch", "$ifNull", "$let", "$literal",
		"$getField", "$first", "$last", "$arrayElemAt", "$isArray", "$size", "$and", "$or", "$not", "$gt", "$cmp", "$map", "$filter", "$push", "$addToSet"}) {
		t.Logf("%-14s %5d drawn, %5d let through, %5d sealed, %5d with documents", name, c[name], c[name+"+"], c[name+"!"], c[name+"="])
		if !slices.Contains(rare, name) && (c[name+"+"] == 0 || c[name+"="] == 0) {
			t.Errorf("%s was never let through and gave something: the property says nothing about it", name)
		}
	}
	if c["+"]*5 < c[""] || c["!"]*5 < c["+"] || c["="]*5 < c["+"] || c["?"]*5 > c["+"] {
		t.Error("too few cases for the property to mean anything")
	}
}

func (w *world) keepsMeaning(t *rapid.T, counts meanings) {
	g := &pipes{T: t, roots: w.roots, own: "c", compared: func(s *shape) any { return drawLike(t, s) }, used: map[string]bool{}}
	g.wild = g.chance(2)
	cmd := marshal(t, g.read())
	counts.add(g.used, "")
	target, err := analyze.Classify("db", cmd)
	if err != nil {
		t.Fatal(err)
	}
	for _, rewrite := range []analyze.Rewrite{analyze.Minimal, analyze.Exact} {
		res, err := analyze.Command(nil, target, cmd, w.schemas, w.vault, analyze.Options{Rewrite: rewrite})
		if err != nil {
			return
		}
		counts.add(g.used, "+")
		if res.HasPlaceholders {
			counts.add(g.used, "!")
		}
		want, plainErr := aggmodel.Evaluate(asPipeline(t, cmd), "c", w.plain)
		got, sealedErr := aggmodel.Evaluate(asPipeline(t, res.Command), "c", w.stored)
		if errors.Is(plainErr, aggmodel.ErrUnsupported) || errors.Is(sealedErr, aggmodel.ErrUnsupported) {
			counts["?"]++
			return
		}
		switch {
		case (plainErr == nil) != (sealedErr == nil):
			t.Fatalf("%v\nto   %v\nover %v\nin plaintext: %v; encrypted: %v", cmd, res.Command, w.plain, plainErr, sealedErr)
		case plainErr != nil:
			counts["x"]++
			return
		case len(want) > 0:
			counts.add(g.used, "=")
		}
		if diff := aggmodel.DiffResults(want, w.open(t, got), true); diff != "" {
			t.Fatalf("%v\nto   %v\nover %v\n(-plain +encrypted)\n%s", cmd, res.Command, w.plain, diff)
		}
	}
}

// read draws a command that reads documents, or selects some.
func (g *pipes) read() bson.D {
	root := g.roots[g.own]
	switch g.pick("aggregate", "aggregate", "aggregate", "find", "delete", "condition") {
	case "condition": // what is one thing or another, compared
		v, s := g.choice(root, 1)
		x := bson.D{{Key: "$set", Value: bson.D{{Key: "x", Value: v}}}}
		match := bson.D{{Key: "$match", Value: bson.D{{Key: "x", Value: g.condition(s)}}}}
		return bson.D{{Key: "aggregate", Value: g.own}, {Key: "pipeline", Value: bson.A{x, match}}, {Key: "cursor", Value: bson.D{}}}
	case "find":
		g.note("find", root)
		projection, _ := g.projection(root)
		return bson.D{{Key: "find", Value: g.own}, {Key: "filter", Value: g.filter(root, 0)}, {Key: "projection", Value: projection}}
	case "delete":
		g.note("delete", root)
		return bson.D{{Key: "delete", Value: g.own}, {Key: "deletes", Value: bson.A{bson.D{{Key: "q", Value: g.filter(root, 0)}, {Key: "limit", Value: 0}}}}}
	}
	stages, _ := g.pipeline(root, 4, 0)
	return bson.D{{Key: "aggregate", Value: g.own}, {Key: "pipeline", Value: stages}, {Key: "cursor", Value: bson.D{}}}
}

// asPipeline is what a command that read has drawn does, as a pipeline.
func asPipeline(t *rapid.T, cmd bson.Raw) bson.A {
	stage := func(name string, v bson.RawValue) bson.D { return bson.D{{Key: name, Value: v}} }
	switch elements(t, cmd)[0].RawValue(); string(elements(t, cmd)[0].Key) {
	case "find":
		return bson.A{stage("$match", cmd.Lookup("filter")), stage("$project", cmd.Lookup("projection"))}
	case "delete":
		return bson.A{stage("$match", cmd.Lookup("deletes", "0", "q"))}
	}
	stages := bson.A{}
	for _, e := range elements(t, cmd.Lookup("pipeline").Value) {
		stages = append(stages, bson.Raw(e.Value))
	}
	return stages
}
