package analyze_test

import (
	"slices"
	"strconv"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// steps are those of a migration in which plaintext and ciphertext are read.
var steps = []schema.Migration{schema.ReadBothWritePlain, schema.ReadBothWriteEncrypted}

// halfway is a document of a collection that is being migrated: of what a migration can encrypt, some is. What it cannot, values of other types and
// documents in arrays, stays.
func halfway(t *rapid.T, doc bson.Raw, at *schema.Node, sealer analyze.Sealer) bson.Raw {
	out, start := bsonraw.Begin(nil)
	it := bsonraw.Iterate(doc)
	for it.Next() {
		e := it.Element
		child, err := at.ChildBytes(e.Key)
		if err != nil {
			t.Fatal(err)
		}
		field := child.Encrypted()
		switch {
		case field != nil && fitting(field, e.Type) && rapid.Bool().Draw(t, "encrypted"):
			var content int
			out, content = bsonraw.BeginBinary(bsonraw.AppendKey(out, bson.TypeBinary, e.Key))
			if out, err = sealer.Seal(out, field, e.RawValue()); err != nil {
				t.Fatal(err)
			}
			out = bsonraw.EndBinary(out, content)
		case field == nil && child.Encrypts() && e.Type == bson.TypeEmbeddedDocument:
			out = bsonraw.AppendValue(out, e.Key, bson.RawValue{Type: e.Type, Value: halfway(t, e.Value, child, sealer)})
		default:
			out = append(out, e.Raw...)
		}
	}
	return bsonraw.End(out, start)
}

func fitting(field *schema.Encrypted, t bson.Type) bool {
	return (field.Types == 0 || field.Types.Has(t)) && payload.Encryptable(t, field.Algorithm) == nil
}

// unfit are values that a migration leaves as they are where it should encrypt strings, longs or documents.
var unfit = []any{bson.RawValue{Type: bson.TypeNull}, int32(1), 1.0, int32(2), bson.A{}, bson.A{"x", "y"}, bson.A{int64(1), "x"}, bson.A{bson.D{{Key: "z", Value: "x"}}}, true}

// drawOldDocument is drawDocument with values that the schema does not allow: what a collection holds before it is migrated, nobody has checked.
func drawOldDocument(t *rapid.T) bson.D {
	doc := drawDocument(t)
	for i := range doc {
		if rapid.IntRange(0, 5).Draw(t, "unfit") > 0 {
			continue
		}
		doc[i].Value = rapid.SampledFrom(unfit).Draw(t, "unfit")
		if doc[i].Key == "o" {
			doc[i].Value = bson.A{bson.D{{Key: "z", Value: "x"}, {Key: "q", Value: "y"}}, bson.D{{Key: "z", Value: rapid.SampledFrom(unfit).Draw(t, "unfit")}}}
		}
	}
	return doc
}

// A filter that is let through while a collection is migrated selects, of documents each field of which is plaintext or ciphertext, those that it would
// have selected in plaintext.
func TestFiltersKeepTheirMeaningWhileMigrating(t *testing.T) {
	filtersKeepTheirMeaning(t, func(t *rapid.T) (plain, stored bson.Raw, s *schema.Schema) {
		s = parseSchema(t, meaningSchema).During(rapid.SampledFrom(steps).Draw(t, "step"))
		plain = drawInsert(t, drawOldDocument)
		sealer, docs := &stand{}, bson.A{}
		for _, e := range elements(t, plain.Lookup("documents").Value) {
			docs = append(docs, halfway(t, e.Value, s.Root(), sealer))
		}
		return plain, marshal(t, bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: docs}}), s
	})
}

// The same for pipelines, filters and projections, in which collections are in steps of their own.
func TestPipelinesKeepTheirMeaningWhileMigrating(t *testing.T) {
	pipelinesKeepTheirMeaning(t, func(t *rapid.T) *world {
		w := drawWorld(t)
		for _, name := range []string{"c", "second"} {
			if name == "c" || evenly(t, 3) > 0 {
				w.migrate(t, name)
			}
		}
		return w
	}, "$addToSet") // of the plain fields that most draw it for, few are left
}

// migrate puts a collection in a step of a migration.
func (w *world) migrate(t *rapid.T, name string) {
	s := w.schemas["db."+name].During(rapid.SampledFrom(steps).Draw(t, "step"))
	w.schemas["db."+name], w.stored[name] = s, nil
	for i, doc := range w.plain[name] {
		w.plain[name][i] = withUnfit(t, doc, s.Root())
		w.stored[name] = append(w.stored[name], halfway(t, w.plain[name][i], s.Root(), w.vault))
	}
}

// withUnfit is a document some encrypted fields of which have values that the schema does not allow.
func withUnfit(t *rapid.T, doc bson.Raw, at *schema.Node) bson.Raw {
	out := bson.D{}
	for _, e := range elements(t, doc) {
		child, err := at.ChildBytes(e.Key)
		if err != nil {
			t.Fatal(err)
		}
		value := any(e.RawValue())
		switch {
		case string(e.Key) != "_id" && child.Encrypts() && evenly(t, 10) == 0:
			value = unfit[evenly(t, len(unfit))]
		case child.Encrypts() && child.Encrypted() == nil && e.Type == bson.TypeEmbeddedDocument:
			value = withUnfit(t, e.Value, child)
		}
		out = append(out, bson.E{Key: string(e.Key), Value: value})
	}
	return marshal(t, out)
}

// What a query sends in clear while a collection is migrated is the second form of a value that is compared with a deterministic field, beside the first;
// and the step that writes in clear accepts what the other one does, and differs in what it writes only.
func TestNothingElseLeaksWhileMigrating(t *testing.T) {
	var commandsDrawn, accepted, withSealed, both int
	rapid.Check(t, func(t *rapid.T) {
		root, doc := drawSchema(t)
		compiled, err := schema.Parse(marshal(t, doc), schema.Remote)
		if err != nil {
			t.Fatalf("the schema drawn is not one: %v", err)
		}
		if !compiled.Encrypts() {
			return
		}
		second, secondDoc := drawSchema(t)
		other, err := schema.Parse(marshal(t, secondDoc), schema.Remote)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("schemas %v, %v", doc, secondDoc)
		roots := map[string]*shape{"c": shapeOf(root), "second": shapeOf(second), "third": nil}
		during := func(m schema.Migration) map[string]*schema.Schema {
			return map[string]*schema.Schema{"db.c": compiled.During(m), "db.second": other, "db.third": nil}
		}
		for range 50 {
			g := &drawer{T: t, root: root, roots: roots, oddities: rapid.IntRange(0, 3).Draw(t, "oddities")}
			cmd := marshal(t, g.command(commands[evenly(t, len(commands))], doc))
			results := analyzeBoth(t, cmd, during(schema.ReadBothWriteEncrypted), g.canaries)
			plain := analyzeBoth(t, cmd, during(schema.ReadBothWritePlain), g.canaries)
			if (results == nil) != (plain == nil) {
				t.Fatalf("the steps disagree about %v", cmd)
			}
			if commandsDrawn++; results != nil {
				accepted++
			}
			if results != nil && results[0].HasPlaceholders {
				withSealed++
			}
			for i, res := range results {
				if i == 0 && opened(t, res) != opened(t, plain[i]) { // Exact writes a statement without a sealed value in another way
					t.Fatalf("the steps differ in more than what they write: %v and %v", res.Command, plain[i].Command)
				}
				without := res
				without.Command = withoutSecondForms(t, res)
				both += len(res.Command) - len(without.Command)
				g.checkNothingLeaks(cmd, without)
				checkArrays(t, res.Command, false)
				checkIdempotent(t, res, during(schema.ReadBothWriteEncrypted))
			}
		}
	})
	t.Logf("%d commands, %d accepted, %d with sealed values, %d bytes of second forms", commandsDrawn, accepted, withSealed, both)
	if accepted*4 < commandsDrawn || withSealed*10 < commandsDrawn || both < commandsDrawn {
		t.Error("too few commands are accepted, or sent in both forms, for the property to mean anything")
	}
}

// checkArrays checks that the elements of every array are counted from 0. Programs that print an array do not show it.
func checkArrays(t *rapid.T, doc []byte, isArray bool) {
	for i, e := range elements(t, doc) {
		if isArray && string(e.Key) != strconv.Itoa(i) {
			t.Fatalf("element %d of an array is called %s", i, e.Key)
		}
		if e.IsContainer() {
			checkArrays(t, e.Value, e.Type == bson.TypeArray)
		}
	}
}

// opened is a command with what was sealed in it in clear again.
func opened(t *rapid.T, res outcome) string {
	open, err := bsonraw.Rewrite(nil, res.Command, func(dst, content []byte) ([]byte, bsonraw.Replacement, error) {
		s, known := sealedAs(res, content)
		if !known {
			return dst, bsonraw.Replacement{Keep: true}, nil
		}
		return append(dst, s.value...), bsonraw.Replacement{Type: s.t}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(open)
}

// sealedAs is what recorder has made content of.
func sealedAs(res outcome, content []byte) (sealed, bool) {
	if len(content) != 5 || content[0] != 1 {
		return sealed{}, false
	}
	n := int(content[3])<<8 | int(content[4])
	if n == 0 || n > len(res.sealed) {
		return sealed{}, false
	}
	return res.sealed[n-1], true
}

// withoutSecondForms is a command without the elements of arrays that stand behind a ciphertext and are what was encrypted there.
func withoutSecondForms(t *rapid.T, res outcome) bson.Raw {
	var walk func(doc []byte) []byte
	walk = func(doc []byte) []byte {
		out, start := bsonraw.Begin(nil)
		all := elements(t, doc)
		for i, e := range all {
			if i > 0 && string(e.Key) != "" && e.Key[0] >= '0' && e.Key[0] <= '9' {
				if s, is := sealedAs(res, sealedContent(t, all[i-1])); is && s.field.Algorithm == payload.Deterministic && s.field.Migration.ReadsBoth() && s.value == string(unwrapped(t, e).Value) {
					continue
				}
			}
			if e.IsContainer() {
				out = bsonraw.AppendValue(out, e.Key, bson.RawValue{Type: e.Type, Value: walk(e.Value)})
				continue
			}
			out = append(out, e.Raw...)
		}
		return bsonraw.End(out, start)
	}
	return walk(res.Command)
}

func sealedContent(t *rapid.T, e bsonraw.Element) []byte {
	inner := unwrapped(t, e)
	content, _ := bsonraw.EncryptedPayload(inner.Type, inner.Value)
	return content
}

// unwrapped is the constant in {$literal: constant} or {$const: constant}, or what is no such document.
func unwrapped(t *rapid.T, e bsonraw.Element) bson.RawValue {
	if e.Type == bson.TypeEmbeddedDocument {
		if inner := elements(t, e.Value); len(inner) == 1 && slices.Contains([]string{"$literal", "$const"}, string(inner[0].Key)) {
			return inner[0].RawValue()
		}
	}
	return e.RawValue()
}
