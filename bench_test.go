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

func benchmarkEngine(b *testing.B) *fieldcrypt.AutoEncryption {
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

func TestDecryptOfPlainRepliesDoesNotAllocate(t *testing.T) {
	e := automatic(t, fieldcrypt.AutoEncryptionOptions{}, newVault(), nil)
	doc := raw(t, reply(wide(1), wide(2)))
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { _, _ = e.Decrypt(ctx, doc) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
