package schema_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

// A schema in a step of a migration has the same places and fields, which are in that step; the schema it was made of is as it was.
func TestDuring(t *testing.T) {
	names := rapid.SliceOfN(someNames, 1, 4)
	migrated := 0
	rapid.Check(t, func(t *rapid.T) {
		raw, err := bson.Marshal(genDocument(t, 3, "", true))
		if err != nil {
			t.Fatal(err)
		}
		s, err := schema.Parse(raw, schema.Local)
		if err != nil || !s.Encrypts() {
			return
		}
		step := rapid.SampledFrom([]schema.Migration{schema.ReadBothWritePlain, schema.ReadBothWriteEncrypted}).Draw(t, "step")
		during := s.During(step)
		if during.Migration() != step || s.Migration() != schema.EncryptedOnly || len(during.Fields()) != len(s.Fields()) {
			t.Fatalf("%+v of %+v", during, s)
		}
		was := s.Fields()
		for i, f := range during.Fields() {
			if f.Migration != step || was[i].Migration != schema.EncryptedOnly || f.SameMetadata(was[i]) {
				t.Fatalf("%+v of %+v", f, was[i])
			}
			settled := *f
			settled.Migration = schema.EncryptedOnly
			if settled != *was[i] {
				t.Fatalf("%+v of %+v", f, was[i])
			}
			migrated++
		}
		for range 10 {
			path := ""
			for _, name := range names.Draw(t, "path") {
				path += "." + name
			}
			before, wasErr := s.Lookup(path[1:])
			is, isErr := during.Lookup(path[1:])
			if (wasErr == nil) != (isErr == nil) || before.Class != is.Class {
				t.Fatalf("%s: %v %v, then %v %v", path, before.Class, wasErr, is.Class, isErr)
			}
			if is.Field != nil && (is.Field.Migration != step || before.Field.Migration != schema.EncryptedOnly || is.Field.Path != before.Field.Path) {
				t.Fatalf("%s: %+v, then %+v", path, before.Field, is.Field)
			}
		}
		back := during.During(schema.EncryptedOnly)
		again, err := schema.Parse(raw, schema.Local)
		if err != nil {
			t.Fatal(err)
		}
		// Where rules contradict each other, nothing is alike.
		if schema.Alike(back.Root(), s.Root()) != schema.Alike(again.Root(), s.Root()) || schema.Alike(during.Root(), s.Root()) || back.Root().Places() != s.Root().Places() {
			t.Fatal("the way back leads elsewhere")
		}
		if s.During(schema.EncryptedOnly) != s || during.During(step) != during {
			t.Fatal("a schema in the step that it is to be in was copied")
		}
	})
	t.Logf("%d fields", migrated)
	if migrated < 100 {
		t.Error("too few fields for the property to mean anything")
	}
}

func TestDuringOfNothing(t *testing.T) {
	var none *schema.Schema
	if none.During(schema.ReadBothWritePlain) != nil || none.Migration() != schema.EncryptedOnly {
		t.Error("a schema that is not there is in a step of a migration")
	}
	for m, name := range map[schema.Migration]string{schema.EncryptedOnly: "encrypted-only", schema.ReadBothWritePlain: "write-plain", schema.ReadBothWriteEncrypted: "write-encrypted", 3: "unknown", -1: "unknown"} {
		if m.String() != name || m.Valid() == (name == "unknown") {
			t.Errorf("%d is %v", m, m)
		}
	}
}
