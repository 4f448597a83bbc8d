package migrate

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// marshal makes a document with _id 1.
func marshal(t testing.TB, fields bson.D) bson.Raw {
	t.Helper()
	raw, err := bson.Marshal(append(bson.D{{Key: "_id", Value: 1}}, fields...))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func field(name string, v any) bson.D { return bson.D{{Key: name, Value: v}} }

// Between the reading of a document and its update somebody writes what is nearly the same, as far as the server can tell. It is the last write, so it is
// what has to be there in the end.
func TestNearlyTheSame(t *testing.T) {
	w := newWorld(t)
	for name, race := range map[string]struct{ read, written bson.D }{
		"zeros":              {field("any", 0.0), field("any", math.Copysign(0, -1))},
		"NaNs":               {field("any", math.NaN()), field("any", math.Float64frombits(0x7ff8000000000002))},
		"int and long":       {field("any", int32(1)), field("any", int64(1))},
		"long and double":    {field("any", int64(1)), field("any", 1.0)},
		"document of int":    {field("any", field("k", int32(1))), field("any", field("k", 1.0))},
		"array of int":       {field("any", bson.A{int32(1)}), field("any", bson.A{int64(1)})},
		"array of array":     {field("any", bson.A{int32(1)}), field("any", bson.A{bson.A{int32(1)}})},
		"element":            {field("ssn", "a"), field("ssn", bson.A{"a"})},
		"array above":        {field("sub", field("n", int32(1))), field("sub", bson.A{field("n", int32(1))})},
		"position in array":  {field("sub", field("0", "a")), field("sub", bson.A{"a"})},
		"null":               {field("any", "a"), field("any", nil)},
		"gone":               {field("any", "a"), nil},
		"a value below":      {field("sub", field("0", "a")), field("sub", field("0", field("0", "a")))},
		"binary of old kind": {field("any", bson.Binary{Subtype: 0, Data: []byte{1}}), field("any", bson.Binary{Subtype: 2, Data: []byte{1}})},
	} {
		t.Run(name, func(t *testing.T) {
			c := &collection{docs: []bson.Raw{marshal(t, race.read)}}
			written := marshal(t, race.written)
			c.writtenBefore(written, "update", "swap")
			m, err := newMigration(Options{Schema: w.schema, Encryption: w.ce, Workers: 1}, c)
			if err != nil {
				t.Fatal(err)
			}
			report, err := m.Run(t.Context())
			if err != nil || c.meanwhile != nil || report.Conflicts == 0 || !report.Settled {
				t.Fatalf("%+v %v", report, err)
			}
			if got := w.opened(c.docs[0]); !bytes.Equal(got, written) {
				t.Errorf("got %v, want %v", got, written)
			}
		})
	}
}

// An interrupt does not part an update that overwrote an equal value from its repair.
func TestInterruptedRepair(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := &collection{docs: []bson.Raw{marshal(t, field("any", 0.0))}}
	written := marshal(t, field("any", math.Copysign(0, -1)))
	c.meanwhile = func(op string) {
		if op == "swap" {
			c.put(written)
			cancel()
		}
	}
	m, err := newMigration(Options{Schema: w.schema, Encryption: w.ce, Workers: 1}, c)
	if err != nil {
		t.Fatal(err)
	}
	if report, err := m.Run(ctx); !errors.Is(err, context.Canceled) || report.OK() {
		t.Fatalf("%+v %v", report, err)
	}
	if got := w.opened(c.docs[0]); !bytes.Equal(got, written) {
		t.Errorf("got %v, want %v", got, written)
	}
}

// A field whose key the document names is encrypted for whom the document names when it is written, not when it was read.
func TestKeyNameChanges(t *testing.T) {
	w := newWorld(t)
	c := &collection{docs: []bson.Raw{marshal(t, bson.D{{Key: "own", Value: "a"}, {Key: "owner", Value: "alice"}})}}
	c.writtenBefore(marshal(t, bson.D{{Key: "own", Value: "a"}, {Key: "owner", Value: "bob"}}), "update")
	m, err := newMigration(Options{Schema: w.schema, Encryption: w.ce, Workers: 1}, c)
	if err != nil {
		t.Fatal(err)
	}
	if report, err := m.Run(t.Context()); err != nil || report.Conflicts != 1 || !report.OK() {
		t.Fatalf("%+v %v", report, err)
	}
	_, data := c.docs[0].Lookup("own").Binary()
	got, err := payload.ParseCiphertext(data)
	if err != nil {
		t.Fatal(err)
	}
	want, err := w.ce.EncryptionKeyID(t.Context(), fieldcrypt.EncryptOptions{KeyAltName: "bob", Algorithm: random})
	if err != nil || !bytes.Equal(got.KeyID[:], want.Data) {
		t.Errorf("encrypted with %s, want bob's key: %v", got.KeyID, err)
	}
}

// A swap that was made, but of which the server cannot say that it outlives it, is put right like any other.
func TestRepairsWithoutReplication(t *testing.T) {
	w := newWorld(t)
	for code, ends := range map[int]bool{64: true, 91: false} { // WriteConcernFailed; ShutdownInProgress, which passes
		c := &collection{docs: []bson.Raw{marshal(t, field("any", 0.0))}}
		written := marshal(t, field("any", math.Copysign(0, -1)))
		c.writtenBefore(written, "swap")
		c.fail = func(op string) error {
			if op == "swapped" {
				c.fail = nil
				return mongo.WriteException{WriteConcernError: &mongo.WriteConcernError{Code: code}}
			}
			return nil
		}
		m, err := newMigration(Options{Schema: w.schema, Encryption: w.ce, Workers: 1}, c)
		if err != nil {
			t.Fatal(err)
		}
		report, err := m.Run(t.Context())
		if (err != nil) != ends || report.OK() == ends {
			t.Errorf("code %d: %+v %v", code, report, err)
		}
		if got := w.opened(c.docs[0]); !bytes.Equal(got, written) {
			t.Errorf("code %d: got %v, want %v", code, got, written)
		}
	}
}

// The name of a key that has become an array of that name is not the name any more.
func TestKeyNameBecomesArray(t *testing.T) {
	w := newWorld(t)
	c := &collection{docs: []bson.Raw{marshal(t, bson.D{{Key: "own", Value: "a"}, {Key: "owner", Value: "alice"}})}}
	written := marshal(t, bson.D{{Key: "own", Value: "a"}, {Key: "owner", Value: bson.A{"alice"}}})
	c.writtenBefore(written, "update")
	m, err := newMigration(Options{Schema: w.schema, Encryption: w.ce, Workers: 1}, c)
	if err != nil {
		t.Fatal(err)
	}
	report, err := m.Run(t.Context())
	if err != nil || !bytes.Equal(c.docs[0], written) || report.Conflicts != 1 {
		t.Errorf("%v: %+v %v", c.docs[0], report, err)
	}
	check(t, report, err, "own", NoKeyName)
}

// A server that does not find a document by what it shows is told apart from other writers: the value is reported, and the rest is done.
func TestUnmatched(t *testing.T) {
	w := newWorld(t)
	c := &collection{}
	for i, v := range []any{"a", bson.Regex{Pattern: "^a"}, "b", bson.ObjectID{1}} {
		doc, err := bson.Marshal(bson.D{{Key: "_id", Value: i}, {Key: "any", Value: v}})
		if err != nil {
			t.Fatal(err)
		}
		c.docs = append(c.docs, doc)
	}
	m, err := newMigration(Options{Schema: w.schema, Encryption: w.ce, Workers: 1}, &blind{c})
	if err != nil {
		t.Fatal(err)
	}
	report, err := m.Run(t.Context())
	if err != nil || report.OK() || !report.Settled || report.Found != 2 || report.Conflicts != 0 {
		t.Fatalf("%+v %v", report, err)
	}
	for _, f := range report.Findings {
		if i := f.ID.Int32(); f.State != Unmatched || i != 1 && i != 3 {
			t.Errorf("%+v", f)
		}
	}
	for i, doc := range c.docs {
		if sealed := doc.Lookup("any").Type == bson.TypeBinary; sealed != (i%2 == 0) {
			t.Errorf("%v", doc)
		}
	}
}

// blind is a server that finds neither regular expressions nor ObjectIDs.
type blind struct{ *collection }

func sees(e edit) bool {
	return !slices.ContainsFunc(e.set, func(c change) bool { return c.old.Type == bson.TypeRegex || c.old.Type == bson.TypeObjectID })
}

func (b *blind) update(ctx context.Context, edits []edit) (int64, map[int]int, error) {
	return b.collection.update(ctx, slices.DeleteFunc(slices.Clone(edits), func(e edit) bool { return !sees(e) }))
}

func (b *blind) swap(ctx context.Context, e edit) (bson.Raw, error) {
	if !sees(e) {
		return nil, nil
	}
	return b.collection.swap(ctx, e)
}

// A pointer may lead into an array on purpose.
func TestKeyNameInArray(t *testing.T) {
	w := newWorld(t)
	s := parse(t, bson.D{{Key: "bsonType", Value: "object"}, {Key: "properties", Value: bson.D{{Key: "own", Value: bson.D{{Key: "encrypt", Value: bson.D{
		{Key: "algorithm", Value: random}, {Key: "keyId", Value: "/owners/0/name"},
	}}}}}}})
	c := &collection{docs: []bson.Raw{marshal(t, bson.D{{Key: "own", Value: "a"}, {Key: "owners", Value: bson.A{bson.D{{Key: "name", Value: "alice"}}}}})}}
	m, err := newMigration(Options{Schema: s, Encryption: w.ce, Workers: 1}, c)
	if err != nil {
		t.Fatal(err)
	}
	if report, err := m.Run(t.Context()); err != nil || report.Changed != 1 || !report.OK() {
		t.Errorf("%+v %v", report, err)
	}
}
