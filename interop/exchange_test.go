package interop

import (
	"bytes"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const (
	deterministic = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"
	random        = "AEAD_AES_256_CBC_HMAC_SHA_512-Random"
)

func TestExchangeLocal(t *testing.T) {
	var c configuration
	c.addLocal()
	exchange(t, &c)
}

func TestExchangeAWS(t *testing.T) {
	var c configuration
	c.addAWS(t)
	exchange(t, &c)
}

func TestExchangeKMIP(t *testing.T) {
	var c configuration
	c.addKMIP(t)
	exchange(t, &c)
}

// exchange has each side make keys, and both sides use them: what one encrypts the other decrypts, and both refuse the same.
func exchange(t *testing.T, c *configuration) {
	h, p := both(t, c)
	for _, w := range c.wrappings {
		for maker, s := range map[string]side{"here": h, "libmongocrypt": p} {
			t.Run(w.name+" key made by "+maker, func(t *testing.T) {
				key := bson.E{Key: "keyId", Value: s.create(t, w)}
				for _, sample := range samples(t) {
					t.Run(sample.name, func(t *testing.T) {
						seal(t, h, p, sample.value, random, key, sample.random)
						seal(t, h, p, sample.value, deterministic, key, sample.deterministic)
					})
				}
			})
		}
	}
}

// seal encrypts on both sides, and decrypts on the other.
func seal(t *testing.T, h *here, p *peer, v bson.RawValue, algorithm string, key bson.E, allowed bool) {
	t.Helper()
	mine, err := h.encrypt(t, v, algorithm, key)
	theirs, theirErr := p.encrypt(t, v, algorithm, key)
	if (err == nil) != allowed || (theirErr == nil) != allowed {
		t.Fatalf("%s: fieldcrypt says %v, libmongocrypt %v; expected to be taken: %t", algorithm, err, theirErr, allowed)
	}
	if !allowed {
		return
	}
	if len(mine.Data) != len(theirs.Data) || bytes.Equal(mine.Data, theirs.Data) != (algorithm == deterministic) {
		t.Errorf("%s: ciphertexts of %d bytes and %d bytes from libmongocrypt, equal: %t", algorithm, len(mine.Data), len(theirs.Data), bytes.Equal(mine.Data, theirs.Data))
	}
	if got, err := p.decrypt(t, mine); err != nil || !got.Equal(v) {
		t.Errorf("%s: libmongocrypt reads %v, %v; expected %v", algorithm, got, err, v)
	}
	if got, err := h.decrypt(t, theirs); err != nil || !got.Equal(v) {
		t.Errorf("%s: fieldcrypt reads %v, %v; expected %v", algorithm, got, err, v)
	}
	for _, side := range []side{h, p} {
		damaged := bson.Binary{Subtype: 6, Data: bytes.Clone(mine.Data)}
		damaged.Data[len(damaged.Data)-1] ^= 1
		if got, err := side.decrypt(t, damaged); err == nil {
			t.Errorf("%s: %T takes a damaged ciphertext for %v", algorithm, side, got)
		}
	}
}
