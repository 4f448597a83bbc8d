package keyvault_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

func TestLookupDoesNotAllocate(t *testing.T) {
	s := newSetup(t, keyvault.CacheOptions{}, []string{"a"})
	s.mustLoad(t, byNumber(1))
	if n := testing.AllocsPerRun(100, func() { s.Lookup(numbered(1)); s.LookupAltName("a") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkLookup(b *testing.B) {
	s := newSetup(b, keyvault.CacheOptions{}, []string{"a"})
	s.mustLoad(b, byNumber(1))
	id := numbered(1)
	b.Run("id", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.Lookup(id)
		}
	})
	b.Run("altName", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.LookupAltName("a")
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				s.Lookup(id)
			}
		})
	})
	b.Run("load", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.mustLoad(b, keyvault.Request{IDs: []payload.KeyID{id}})
		}
	})
}

func BenchmarkParseDataKey(b *testing.B) {
	doc := marshal(b, goodFields())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := keyvault.ParseDataKey(bson.Raw(doc)); err != nil {
			b.Fatal(err)
		}
	}
}
