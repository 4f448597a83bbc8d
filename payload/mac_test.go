package payload

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha512"
	"testing"

	"pgregory.net/rapid"
)

// HMAC-SHA-512 by RFC 4231, section 4 (cases 1 to 5, which is truncated to 128 bits; the others have keys that are longer than a block) and by the examples that NIST publishes with FIPS 198-1
// (keys shorter than and as long as a block).
func TestHMACVectors(t *testing.T) {
	counting := make([]byte, 200)
	for i := range counting {
		counting[i] = byte(i)
	}
	for i, tt := range []struct{ key, data, want []byte }{
		{bytes.Repeat([]byte{0x0b}, 20), []byte("Hi There"), unhex(t, `87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde
			daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854`)},
		{[]byte("Jefe"), []byte("what do ya want for nothing?"), unhex(t, `164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554
			9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737`)},
		{bytes.Repeat([]byte{0xaa}, 20), bytes.Repeat([]byte{0xdd}, 50), unhex(t, `fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39
			bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb`)},
		{unhex(t, "0102030405060708090a0b0c0d0e0f10111213141516171819"), bytes.Repeat([]byte{0xcd}, 50), unhex(t, `b0ba465637458c6990e5a8c5f61d4af7
			e576d97ff94b872de76f8050361ee3dba91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd`)},
		{bytes.Repeat([]byte{0x0c}, 20), []byte("Test With Truncation"), unhex(t, "415fad6271580a531d4179bc891d87a6")},
		{counting[:64:64], []byte("Sample message for keylen<blocklen"), unhex(t, `fd44c18bda0bb0a6ce0e82b031bf2818f6539bd56ec00bdc10a8a2d730b3634d
			e2545d639b0f2cf710d0692c72a1896f1f211c2b922d1a96c392e07e7ea9fedc`)},
		{counting[:128:128], []byte("Sample message for keylen=blocklen"), unhex(t, `fc25e240658ca785b7a811a8d3f7b4ca48cfa26a8a366bf2cd1f836b05fcb024
			bd36853081811d6cea4216ebad79da1cfcb95ea4586b8a0ce356596a55fb1347`)},
	} {
		k, m := newMACKey(tt.key), mac{hash: newSHA()}
		for _, how := range []string{"fresh", "used before"} {
			m.begin(&k)
			m.hash.Write(tt.data)
			if got := m.end(&k); !bytes.Equal(got[:len(tt.want)], tt.want) {
				t.Errorf("case %d, %s: got %x, want %x", i+1, how, got, tt.want)
			}
		}
	}
}

// The standard library's HMAC as the oracle, for messages written in two parts, under keys that take turns.
func TestHMACIsTheStandardLibrarys(t *testing.T) {
	m := mac{hash: newSHA()}
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key")
		first, second := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "first"), rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "second")
		k := newMACKey(key)
		m.begin(&k)
		m.hash.Write(first)
		m.hash.Write(second)
		want := hmac.New(sha512.New, key)
		want.Write(append(first, second...))
		if !bytes.Equal(m.end(&k), want.Sum(nil)) {
			t.Fatal("another MAC")
		}
	})
}
