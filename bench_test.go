package fieldcrypt_test

import (
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
)

// wide is a document of 20 fields, two of which employees encrypts.
func wide(i int) bson.D {
	doc := bson.D{{Key: "_id", Value: int32(i)}, {Key: "ssn", Value: "123-45-6789"}, {Key: "phone", Value: "+1 212 555 0100"}}
	for f := range 17 {
		doc = append(doc, bson.E{Key: fmt.Sprintf("field%d", f), Value: "some text of usual length"})
	}
	return doc
}

func benchmarkEngine(b testing.TB) *fieldcrypt.AutoEncryption {
	store := newVault()
	ce := explicit(b, store)
	return automatic(b, fieldcrypt.AutoEncryptionOptions{SchemaMap: employees(newKey(b, ce, "local"), newKey(b, ce, "local"))}, store, nil)
}

func BenchmarkEncrypt(b *testing.B) {
	e := benchmarkEngine(b)
	for name, cmd := range map[string]bson.D{
		"insert":     insert(wide(1)),
		"find":       find(bson.D{{Key: "ssn", Value: "123-45-6789"}, {Key: "field1", Value: "x"}}),
		"find plain": find(bson.D{{Key: "field1", Value: "x"}}),
		"ping":       {{Key: "ping", Value: 1}},
	} {
		doc := raw(b, cmd)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(doc)))
			for b.Loop() {
				if _, err := e.Encrypt(b.Context(), "hr", doc); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecrypt(b *testing.B) {
	e := benchmarkEngine(b)
	var docs []any
	for i := range 100 {
		docs = append(docs, wide(i))
	}
	plain := raw(b, reply(docs...))
	cmd := raw(b, bson.D{{Key: "insert", Value: "employees"}, {Key: "documents", Value: bson.A(docs)}})
	sealed, err := e.Encrypt(b.Context(), "hr", cmd)
	if err != nil {
		b.Fatal(err)
	}
	for name, doc := range map[string]bson.Raw{"plain": plain, "sealed": sealed} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(doc)))
			for b.Loop() {
				if _, err := e.Decrypt(b.Context(), doc); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Only what is handed out is allocated.
func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget")
	}
	e := benchmarkEngine(t)
	ctx := t.Context()
	command := func(cmd bson.D) func() (bson.Raw, error) {
		doc := raw(t, cmd)
		return func() (bson.Raw, error) { return e.Encrypt(ctx, "hr", doc) }
	}
	sealed, err := command(insert(wide(1)))()
	if err != nil {
		t.Fatal(err)
	}
	plain := raw(t, reply(wide(1), wide(2)))
	for name, tc := range map[string]struct {
		run  func() (bson.Raw, error)
		want float64
	}{
		"insert":              {command(insert(wide(1))), 1},
		"find encrypted":      {command(find(bson.D{{Key: "ssn", Value: "123-45-6789"}})), 1},
		"find plain":          {command(find(bson.D{{Key: "field1", Value: "x"}})), 0},
		"reply":               {func() (bson.Raw, error) { return e.Decrypt(ctx, sealed) }, 1},
		"reply that is plain": {func() (bson.Raw, error) { return e.Decrypt(ctx, plain) }, 0},
	} {
		got := testing.AllocsPerRun(100, func() {
			if _, err := tc.run(); err != nil {
				t.Fatal(err)
			}
		})
		if got > tc.want {
			t.Errorf("%s: %v allocations, want at most %v", name, got, tc.want)
		}
	}
}
