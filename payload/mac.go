package payload

import (
	"crypto/sha512"
	"crypto/subtle"
	"encoding"
	"hash"
)

// macKey is a key of HMAC-SHA-512 (RFC 2104): the states of SHA-512 behind the two blocks that every message begins with, which
// FIPS 198-1, section 6, lets one keep in the key's place. It never changes. crypto/hmac, which keeps them as well, takes two more hashes for each key.
type macKey struct{ inner, outer []byte }

// sha is SHA-512, whose states can be kept: package sha512 promises so.
type sha interface {
	hash.Hash
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}

func newSHA() sha { return sha512.New().(sha) }

// newMACKey prepares a key that is no longer than a block.
func newMACKey(key []byte) macKey {
	var block [sha512.BlockSize]byte
	h := newSHA()
	after := func(pad byte) []byte {
		for i := range block {
			block[i] = pad
		}
		subtle.XORBytes(block[:], block[:], key)
		h.Reset()
		h.Write(block[:])
		state, err := h.MarshalBinary()
		if err != nil {
			panic("SHA-512 does not tell its state: " + err.Error())
		}
		return state
	}
	k := macKey{inner: after(0x36), outer: after(0x5c)}
	clear(block[:])
	return k
}

// mac computes HMACs, one at a time.
type mac struct {
	hash sha
	sum  [sha512.Size]byte
}

// begin starts a message; what is written to hash is authenticated.
func (m *mac) begin(k *macKey) { m.restore(k.inner) }

// end is valid until the next call.
func (m *mac) end(k *macKey) []byte {
	m.hash.Sum(m.sum[:0])
	m.restore(k.outer)
	m.hash.Write(m.sum[:])
	return m.hash.Sum(m.sum[:0])
}

func (m *mac) restore(state []byte) {
	if err := m.hash.UnmarshalBinary(state); err != nil {
		panic("SHA-512 does not take its own state: " + err.Error())
	}
}
