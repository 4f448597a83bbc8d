package payload

import (
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// benchmarkValues calls run for each algorithm with values of 16 bytes and 1 KiB.
func benchmarkValues(b *testing.B, run func(b *testing.B, key *Key, alg Algorithm, v bson.RawValue)) {
	key := newKey(b, 1)
	for _, alg := range []Algorithm{Deterministic, Random} {
		for _, size := range []int{16, 1024} {
			v := value(b, bson.Binary{Data: make([]byte, size-5)})
			b.Run(fmt.Sprintf("%s/%d", alg, size), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(size))
				run(b, key, alg, v)
			})
		}
	}
}

func BenchmarkEncrypt(b *testing.B) {
	benchmarkValues(b, func(b *testing.B, key *Key, alg Algorithm, v bson.RawValue) {
		dst := make([]byte, 0, 2048)
		for b.Loop() {
			if _, err := key.AppendEncrypt(dst, alg, KeyID{}, v); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkDecrypt(b *testing.B) {
	benchmarkValues(b, func(b *testing.B, key *Key, alg Algorithm, v bson.RawValue) {
		sealed := encrypt(b, key, alg, KeyID{}, v)
		dst := make([]byte, 0, 2048)
		for b.Loop() {
			c, err := ParseCiphertext(sealed)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := key.AppendDecrypt(dst, c); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkNewKey(b *testing.B) {
	material := make([]byte, KeySize)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewKey(material); err != nil {
			b.Fatal(err)
		}
	}
}
