package analyze_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// recorder is a Sealer that gives nothing of a value away and remembers what it was given.
type recorder struct{ sealed []sealed }

type sealed struct {
	field schema.Encrypted
	t     bson.Type
	value string
}

func (r *recorder) Seal(dst []byte, field *schema.Encrypted, value bson.RawValue) ([]byte, error) {
	r.sealed = append(r.sealed, sealed{*field, value.Type, string(value.Value)})
	return binary.BigEndian.AppendUint32(append(dst, 1), uint32(len(r.sealed))), nil
}

// tally counts, so that a property which holds because everything is refused does not pass.
type tally struct{ commands, accepted, sealed map[string]int }

func newTally() tally { return tally{map[string]int{}, map[string]int{}, map[string]int{}} }

func (c tally) add(name string, results []outcome) {
	c.commands[name]++
	if results == nil {
		return
	}
	c.accepted[name]++
	if len(results[0].sealed) > 0 {
		c.sealed[name]++
	}
}

func (c tally) check(t *testing.T) {
	t.Helper()
	for _, name := range commands {
		n, accepted, sealed := c.commands[name], c.accepted[name], c.sealed[name]
		t.Logf("%-14s %5d commands, %3d%% accepted, %3d%% sealed", name, n, 100*accepted/max(n, 1), 100*sealed/max(n, 1))
		mustSeal := !slices.Contains([]string{"create", "createIndexes", "collMod"}, name)
		if accepted*10 < n || mustSeal && sealed*20 < n {
			t.Errorf("%s: too few commands are accepted for the property to mean anything", name)
		}
	}
}

// No constant of an encrypted field is in the output, in no rewrite; it is sealed with the key of its field. Refusals and their
// parts hold no constant at all.
func TestNothingLeaks(t *testing.T) {
	counts := newTally()
	rapid.Check(t, func(t *rapid.T) { nothingLeaks(t, 100, counts) })
	counts.check(t)
}

// FuzzNothingLeaks is the same property, drawn by the fuzzer: from seeds that are long enough for a schema and a command.
func FuzzNothingLeaks(f *testing.F) {
	for i := range byte(4) {
		seed := make([]byte, 32<<10)
		if _, err := rand.NewChaCha8([32]byte{i}).Read(seed); err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) { nothingLeaks(t, 1, newTally()) }))
}

func nothingLeaks(t *rapid.T, commandsEach int, counts tally) {
	root, doc := drawSchema(t)
	compiled, err := schema.Parse(marshal(t, doc), schema.Remote)
	if err != nil {
		t.Fatalf("the schema drawn is not one: %v", err)
	}
	if !compiled.Encrypts() {
		return
	}
	second, secondDoc := drawSchema(t)
	t.Logf("schemas %v, %v", doc, secondDoc)
	other, err := schema.Parse(marshal(t, secondDoc), schema.Remote)
	if err != nil {
		t.Fatal(err)
	}
	schemas := map[string]*schema.Schema{"db.c": compiled, "db.second": other, "db.third": nil}
	roots := map[string]*shape{"c": shapeOf(root), "second": shapeOf(second), "third": nil}
	for range commandsEach {
		g := &drawer{T: t, root: root, roots: roots, oddities: rapid.IntRange(0, 3).Draw(t, "oddities")}
		odd := g.oddities > 0
		name := commands[evenly(t, len(commands))]
		if g.chance(4) {
			name = "aggregate"
		}
		cmd := marshal(t, g.command(name, doc))
		results := analyzeBoth(t, cmd, schemas, g.canaries)
		if !odd {
			counts.add(name, results)
		}
		for _, res := range results {
			g.checkNothingLeaks(cmd, res)
			checkIdempotent(t, res, schemas)
		}
		if results != nil {
			checkSame(t, cmd, results)
		}
	}
}

type outcome struct {
	analyze.Result
	sealed []sealed
}

// analyzeBoth runs a command in both rewrites; nil when it is refused, by both for the same reason.
func analyzeBoth(t *rapid.T, cmd bson.Raw, schemas map[string]*schema.Schema, canaries []canary) []outcome {
	before := bytes.Clone(cmd)
	target, err := analyze.Classify("db", cmd)
	if err != nil {
		checkError(t, err, canaries)
		return nil
	}
	var results []outcome
	var errs []string
	for _, rewrite := range []analyze.Rewrite{analyze.Minimal, analyze.Exact} {
		r := &recorder{}
		res, err := analyze.Command([]byte("before"), target, cmd, schemas, r, analyze.Options{Rewrite: rewrite})
		if err != nil {
			checkError(t, err, canaries)
			errs = append(errs, err.Error())
			continue
		}
		results = append(results, outcome{res, r.sealed})
	}
	if !bytes.Equal(cmd, before) {
		t.Fatal("the input was changed")
	}
	if len(results) == 1 || len(errs) == 2 && errs[0] != errs[1] {
		t.Fatalf("the rewrites disagree about %v: %v", cmd, errs)
	}
	return results
}

func checkError(t *rapid.T, err error, canaries []canary) {
	texts := []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)}
	if refused := (*analyze.RefusedError)(nil); errors.As(err, &refused) {
		texts = append(texts, fmt.Sprintf("%+v", *refused))
		if refused.Rule == "" || refused.Message == "" || refused.Hint == "" && refused.Rule != "nesting-too-deep" {
			t.Fatalf("incomplete refusal %#v", refused)
		}
	} else if contradiction := (*schema.Error)(nil); !errors.As(err, &contradiction) {
		t.Fatalf("unexpected kind of error: %v", err)
	}
	for _, c := range canaries {
		for _, text := range texts {
			if strings.Contains(text, c.text) {
				t.Fatalf("the refusal quotes a value: %s", text)
			}
		}
	}
}

func (g *drawer) checkNothingLeaks(cmd bson.Raw, res outcome) {
	for _, c := range g.canaries {
		if c.secret && bytes.Contains(res.Command, []byte(c.text)) {
			g.Fatalf("%s is in clear\nin  %v\nout %v", c.text, cmd, res.Command)
		}
		for _, s := range res.sealed {
			if !strings.Contains(s.value, c.text) {
				continue
			}
			if !c.secret {
				g.Fatalf("%s is sealed, but belongs to no encrypted field\nin %v", c.text, cmd)
			}
			if c.enc != nil && (s.field.KeyID[0] != c.enc.key || s.field.Algorithm != c.enc.algorithm) {
				g.Fatalf("%s is sealed as %v, want %v", c.text, s.field, c.enc)
			}
		}
	}
	if res.HasPlaceholders != (len(res.sealed) > 0) || !res.RequiresEncryption {
		g.Fatalf("result says %v of %d sealed values", res.HasPlaceholders, len(res.sealed))
	}
	if err := bsonraw.Validate(res.Command); err != nil {
		g.Fatalf("the output is not BSON: %v", err)
	}
}

func marshal(t interface{ Fatal(...any) }, doc any) bson.Raw {
	b, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
