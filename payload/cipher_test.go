package payload

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// A Cipher does what its keys do, in whatever order they come, and also after it was closed.
func TestCipher(t *testing.T) {
	one, two := newKey(t, 1), newKey(t, 2)
	rapid.Check(t, func(t *rapid.T) {
		keys := []*Key{one, two}
		var c Cipher
		for range rapid.IntRange(1, 10).Draw(t, "values") {
			key, id := rapid.SampledFrom(keys).Draw(t, "key"), drawKeyID(t)
			alg := rapid.SampledFrom([]Algorithm{Deterministic, Random}).Draw(t, "algorithm")
			v := value(t, rapid.StringN(0, 100, -1).Draw(t, "value"))
			sealed, err := c.AppendEncrypt(key, nil, alg, id, v)
			if err != nil {
				t.Fatal(err)
			}
			if alg == Deterministic && !bytes.Equal(sealed, encrypt(t, key, alg, id, v)) {
				t.Fatal("another ciphertext than the key's own")
			}
			if rapid.Bool().Draw(t, "closed") {
				c.Close()
			}
			if got, typ, err := c.AppendDecryptContent(key, nil, sealed); err != nil || typ != v.Type || !bytes.Equal(got, v.Value) {
				t.Fatalf("comes back as %d bytes of type %s, %v", len(got), typ, err)
			}
			if other := keys[0]; other != key {
				if _, _, err := c.AppendDecryptContent(other, nil, sealed); err == nil {
					t.Fatal("opened under another key")
				}
			}
		}
		c.Close()
		c.Close()
	})
}
