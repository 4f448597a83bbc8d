package audit

import (
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// BenchmarkScanner looks at a document of 19 fields, 3 of them encrypted, whose places are known.
func BenchmarkScanner(b *testing.B) {
	doc := bson.D{
		{Key: "_id", Value: bson.NewObjectID()}, {Key: "owner", Value: "alice"}, {Key: "ssn", Value: encrypt(b, payload.Deterministic, alice, canary)},
		{Key: "any", Value: encrypt(b, payload.Random, bob, canary)}, {Key: "home", Value: bson.D{{Key: "zip", Value: encrypt(b, payload.Random, alice, canary)}, {Key: "city", Value: "Springfield"}}},
	}
	for i := range 14 {
		doc = append(doc, bson.E{Key: fmt.Sprintf("field%d", i), Value: fmt.Sprintf("some text %d", i)})
	}
	raw, err := bson.Marshal(doc)
	if err != nil {
		b.Fatal(err)
	}
	opts, err := Options{KeyVault: vault(b)}.withDefaults()
	if err != nil {
		b.Fatal(err)
	}
	s := newScanner(opts, newKeyring(opts.KeyVault), parseSchema(b, testSchema), &Collection{})
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if err := s.add(b.Context(), raw); err != nil {
			b.Fatal(err)
		}
	}
}
