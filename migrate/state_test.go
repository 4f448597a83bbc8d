package migrate

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// Every state, as Verify reports it; what Run makes of it; and that Run leaves alone what it should.
func TestStates(t *testing.T) {
	w := newWorld(t)
	sealed := w.sealed(value("a"), det, w.now, "")
	altered := bson.RawValue{Type: sealed.Type, Value: bytes.Clone(sealed.Value)}
	altered.Value[len(altered.Value)-1] ^= 1
	stranger := bson.RawValue{Type: sealed.Type, Value: bytes.Clone(sealed.Value)}
	stranger.Value[10] ^= 1 // in the key id
	for name, tt := range map[string]struct {
		doc    bson.D
		path   string
		verify State // "" is none: it is as it should be
		run    State // what Run reports; "" is none
		same   bool  // Run changes nothing
	}{
		"sealed":           {field("ssn", sealed), "", "", "", true},
		"plaintext":        {field("ssn", "a"), "ssn", Plaintext, "", false},
		"other algorithm":  {field("ssn", w.sealed(value("a"), random, w.now, "")), "ssn", OtherKey, "", true},
		"other key":        {field("ssn", w.sealed(value("a"), det, w.old, "")), "ssn", OtherKey, "", true},
		"type":             {field("ssn", int32(1)), "ssn", WrongType, WrongType, true},
		"null":             {field("any", nil), "any", WrongType, WrongType, true},
		"type inside":      {field("ssn", w.sealed(value(int32(1)), det, w.now, "")), "ssn", WrongType, WrongType, true},
		"altered":          {field("ssn", altered), "ssn", Damaged, "", true},
		"unknown key":      {field("ssn", stranger), "ssn", UnknownKey, "", true},
		"no ciphertext":    {field("ssn", bson.Binary{Subtype: 6, Data: []byte{1, 2}}), "ssn", Damaged, Damaged, true},
		"no name":          {field("own", "a"), "own", Plaintext, NoKeyName, true},
		"name of nobody":   {bson.D{{Key: "own", Value: "a"}, {Key: "owner", Value: "nobody"}}, "own", Plaintext, UnknownKey, true},
		"name":             {bson.D{{Key: "own", Value: "a"}, {Key: "owner", Value: "bob"}}, "own", Plaintext, "", false},
		"array above":      {field("sub", bson.A{field("n", int32(1))}), "sub", InArray, InArray, true},
		"plain array":      {field("sub", bson.A{int32(1)}), "", "", "", true},
		"scalar above":     {field("sub", "x"), "", "", "", true},
		"dot in a pattern": {field("x_.y", "a"), "x_.y", NoPath, NoPath, true},
		"dotted name":      {field("sub.n", int32(1)), "sub.n", NoPath, NoPath, true},
		"twice":            {bson.D{{Key: "ssn", Value: "a"}, {Key: "ssn", Value: "b"}}, "ssn", Duplicate, Duplicate, true},
		"twice above":      {bson.D{{Key: "sub", Value: field("n", int32(1))}, {Key: "sub", Value: "x"}}, "sub.n", Duplicate, Duplicate, true},
		"nothing":          {field("other", "a"), "", "", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			doc := marshal(t, tt.doc)
			c := &collection{docs: []bson.Raw{doc}}
			m, err := newMigration(Options{Schema: w.schema, Encryption: w.ce, Workers: 1}, c)
			if err != nil {
				t.Fatal(err)
			}
			report, err := m.Verify(t.Context())
			check(t, report, err, tt.path, tt.verify)
			report, err = m.Run(t.Context())
			check(t, report, err, tt.path, tt.run)
			if bytes.Equal(c.docs[0], doc) != tt.same {
				t.Errorf("run made %v of %v", c.docs[0], doc)
			}
			if tt.same {
				return
			}
			if report, err = m.Verify(t.Context()); err != nil || !report.OK() {
				t.Errorf("after run: %+v %v", report, err)
			}
			if report, err = m.Decrypt(t.Context()); err != nil || !report.OK() || !bytes.Equal(c.docs[0], doc) {
				t.Errorf("decrypt made %v: %+v %v", c.docs[0], report, err)
			}
		})
	}
}

func check(t *testing.T, r *Report, err error, path string, want State) {
	t.Helper()
	switch {
	case err != nil || r.OK() != (want == ""):
		t.Errorf("%+v %v", r, err)
	case want != "" && (len(r.Findings) == 0 || r.Findings[0].Path != path || r.Findings[0].State != want):
		t.Errorf("%s: got %+v, want %s at %s", r.Job, r.Findings, want, path)
	}
}

// What the server refuses is reported with its code; the rest of the batch is done.
func TestRefused(t *testing.T) {
	w := newWorld(t)
	c := &collection{}
	for i := range 5 {
		raw, err := bson.Marshal(bson.D{{Key: "_id", Value: i}, {Key: "ssn", Value: "a"}, {Key: "any", Value: map[bool]any{true: 0.0, false: "b"}[i == 4]}})
		if err != nil {
			t.Fatal(err)
		}
		c.docs = append(c.docs, raw)
	}
	c.refuse = func(doc bson.Raw) int {
		if i := doc.Lookup("_id").Int32(); i == 2 || i == 4 {
			return 121 // DocumentValidationFailure
		}
		return 0
	}
	m, err := newMigration(Options{Schema: w.schema, Encryption: w.ce, Workers: 1}, c)
	if err != nil {
		t.Fatal(err)
	}
	report, err := m.Run(t.Context())
	if err != nil || report.OK() || report.Found != 4 || report.Findings[0].Code != 121 || report.Findings[0].State != Refused {
		t.Fatalf("%+v %v", report, err)
	}
	for _, doc := range c.docs {
		i := doc.Lookup("_id").Int32()
		if _, sealed := bsonraw.EncryptedPayload(doc.Lookup("ssn").Type, doc.Lookup("ssn").Value); sealed == (i == 2 || i == 4) {
			t.Errorf("document %d: %v", i, doc)
		}
	}
}

// A value that no statement has room for twice is reported; the rest of the batch is done.
func TestTooLarge(t *testing.T) {
	w := newWorld(t)
	c := &collection{}
	for i, any := range []any{"a", strings.Repeat("b", 9<<20), bson.A{strings.Repeat("c", 9<<20)}, "d"} {
		raw, err := bson.Marshal(bson.D{{Key: "_id", Value: i}, {Key: "any", Value: any}})
		if err != nil {
			t.Fatal(err)
		}
		c.docs = append(c.docs, raw)
	}
	m, err := newMigration(Options{Schema: w.schema, Encryption: w.ce, Workers: 1}, c)
	if err != nil {
		t.Fatal(err)
	}
	for _, do := range []func(context.Context) (*Report, error){m.Plan, m.Run} {
		report, err := do(t.Context())
		if err != nil || report.OK() || report.Changed != 2 || report.Found != 2 || report.Findings[0].State != Refused || report.Findings[0].Code != 10334 {
			t.Fatalf("%+v %v", report, err)
		}
	}
}

// An error that does not pass ends the job; the report says that it is not complete.
func TestStops(t *testing.T) {
	w := newWorld(t)
	for _, op := range []string{"find", "update", "updated", "fetch"} {
		c := &collection{docs: []bson.Raw{marshal(t, field("ssn", "a"))}, fail: func(at string) error {
			if at == op {
				return errKilled
			}
			return nil
		}}
		if op == "fetch" {
			c.meanwhile = func(at string) {
				if at == "update" {
					c.put(marshal(t, field("ssn", "b")))
				}
			}
		}
		m, err := newMigration(Options{Schema: w.schema, Encryption: w.ce}, c)
		if err != nil {
			t.Fatal(err)
		}
		if report, err := m.Run(t.Context()); !errors.Is(err, errKilled) || report.Complete || report.OK() {
			t.Errorf("%s: %+v %v", op, report, err)
		}
	}
}

// Plan and a dry run change nothing and count the same.
func TestNothingIsWritten(t *testing.T) {
	w := newWorld(t)
	doc := marshal(t, bson.D{{Key: "ssn", Value: "a"}, {Key: "any", Value: 0.0}})
	c := &collection{docs: []bson.Raw{doc}}
	for _, dry := range []bool{true, false} {
		m, err := newMigration(Options{Schema: w.schema, Encryption: w.ce, DryRun: dry}, c)
		if err != nil {
			t.Fatal(err)
		}
		run := m.Plan
		if dry {
			run = m.Run
		}
		report, err := run(t.Context())
		if err != nil || !report.OK() || report.Changed != 1 || report.Growth <= 0 || report.Passes != 1 || !bytes.Equal(c.docs[0], doc) {
			t.Errorf("%+v %v", report, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	w := newWorld(t)
	id := parse(t, bson.D{{Key: "bsonType", Value: "object"}, {Key: "properties", Value: field("_id", field("encrypt", bson.D{
		{Key: "algorithm", Value: det}, {Key: "bsonType", Value: "string"}, {Key: "keyId", Value: bson.A{w.now}},
	}))}})
	all := parse(t, bson.D{{Key: "bsonType", Value: "object"}, {Key: "additionalProperties", Value: field("encrypt", bson.D{
		{Key: "algorithm", Value: random}, {Key: "keyId", Value: bson.A{w.now}},
	})}})
	for name, opts := range map[string]Options{
		"no encryption": {Schema: w.schema},
		"no schema":     {Encryption: w.ce},
		"_id":           {Encryption: w.ce, Schema: id},
		"_id by chance": {Encryption: w.ce, Schema: all},
		"partitions":    {Encryption: w.ce, Schema: w.schema, Partitions: 2},
		"restart":       {Encryption: w.ce, Schema: w.schema, Partitions: 2, Checkpoints: &mongo.Collection{}, Restart: true},
		"partition":     {Encryption: w.ce, Schema: w.schema, Partition: 1},
	} {
		if _, err := newMigration(opts, &collection{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := New(Options{Encryption: w.ce, Schema: w.schema}); err == nil {
		t.Error("no collection: accepted")
	}
}

// A data key that the schema names and nobody has stops a job before it begins.
func TestMissingKey(t *testing.T) {
	w := newWorld(t)
	if _, err := w.ce.DeleteKey(t.Context(), w.now); err != nil {
		t.Fatal(err)
	}
	doc := marshal(t, field("ssn", "a"))
	c := &collection{docs: []bson.Raw{doc}}
	m, err := newMigration(Options{Schema: w.schema, Encryption: w.ce}, c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Run(t.Context()); err == nil || !bytes.Equal(c.docs[0], doc) {
		t.Error(err)
	}
}

// Rekey and Decrypt leave plaintext, whatever its type: null among it is no finding.
func TestLeavesPlaintext(t *testing.T) {
	w := newWorld(t)
	doc := marshal(t, bson.D{{Key: "ssn", Value: nil}, {Key: "any", Value: nil}, {Key: "sub", Value: field("n", "x")}})
	for name, job := range map[string]func(*Migration, context.Context) (*Report, error){"rekey": (*Migration).Rekey, "decrypt": (*Migration).Decrypt} {
		c := &collection{docs: []bson.Raw{doc}}
		m, err := newMigration(Options{Schema: w.schema, Encryption: w.ce, Workers: 1}, c)
		if err != nil {
			t.Fatal(err)
		}
		if report, err := job(m, t.Context()); err != nil || !report.OK() || !bytes.Equal(c.docs[0], doc) {
			t.Errorf("%s: %+v %v", name, report, err)
		}
	}
}
