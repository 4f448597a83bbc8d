// Package floor is what encryption takes at the least: the primitives alone, on the bytes that a task encrypts or decrypts, with everything
// prepared that can be. It knows no BSON, checks nothing but tags, and writes into one buffer.
package floor

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding"
	"encoding/binary"
	"errors"
	"hash"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

const (
	adSize  = 18 // the kind, the key id and the type of a ciphertext
	ivSize  = aes.BlockSize
	tagSize = 32
)

// The length of the first bytes in bits, as the MACs take it.
var (
	adBits = binary.BigEndian.AppendUint64(nil, 8*adSize)
	noBits = make([]byte, 8)
)

// key is a data key, prepared; for one goroutine at a time.
type key struct {
	block    cipher.Block
	enc, dec ivMode
	mac, iv  mac
}

// ivMode is cipher.BlockMode as the standard library makes it for CBC.
type ivMode interface {
	cipher.BlockMode
	SetIV([]byte)
}

func newKey(material []byte) (*key, error) {
	block, err := aes.NewCipher(material[32:64])
	if err != nil {
		return nil, err
	}
	zero := make([]byte, ivSize)
	k := &key{block: block, mac: newMAC(material[:32]), iv: newMAC(material[64:])}
	var ok, too bool
	k.enc, ok = cipher.NewCBCEncrypter(block, zero).(ivMode)
	k.dec, too = cipher.NewCBCDecrypter(block, zero).(ivMode)
	if !ok || !too {
		return nil, errors.New("this CBC takes no other IV")
	}
	return k, nil
}

// seal appends the ciphertext of value, whose first bytes are ad.
func (k *key) seal(dst, ad, value []byte) []byte {
	start := len(dst)
	pad := aes.BlockSize - len(value)%aes.BlockSize
	body := start + adSize + ivSize // where the encrypted blocks begin
	end := body + len(value) + pad
	out := dst[:end+tagSize] // the caller has the room
	copy(out[start:], ad)
	iv := out[start+adSize : body]
	if payload.Algorithm(ad[0]) == payload.Deterministic {
		// The input of the IV's MAC is put together where the ciphertext will be.
		n := body - ivSize
		n += copy(out[n:], adBits)
		n += copy(out[n:], value)
		copy(iv, k.iv.sum(out[start:n], nil))
	} else {
		_, _ = rand.Read(iv)
	}
	copy(out[body:], value)
	for i := end - pad; i < end; i++ {
		out[i] = byte(pad)
	}
	k.enc.SetIV(iv)
	k.enc.CryptBlocks(out[body:end], out[body:end])
	copy(out[end:], k.mac.sum(out[start:end], adBits)[:tagSize])
	return out
}

var errTag = errors.New("the tag is not of these bytes and this key")

// open appends the plaintext of a ciphertext.
func (k *key) open(dst, ciphertext []byte) ([]byte, error) {
	return k.openAfter(dst, ciphertext, adSize, adBits)
}

// unwrap appends a data key that k wraps: a ciphertext without the first bytes.
func (k *key) unwrap(dst, wrapped []byte) ([]byte, error) {
	return k.openAfter(dst, wrapped, 0, noBits)
}

func (k *key) openAfter(dst, ciphertext []byte, ad int, bits []byte) ([]byte, error) {
	end := len(ciphertext) - tagSize
	if subtle.ConstantTimeCompare(k.mac.sum(ciphertext[:end], bits)[:tagSize], ciphertext[end:]) != 1 {
		return dst, errTag
	}
	body := ad + ivSize
	out := dst[:len(dst)+end-body]
	k.dec.SetIV(ciphertext[ad:body])
	k.dec.CryptBlocks(out[len(dst):], ciphertext[body:end])
	return out[:len(out)-int(out[len(out)-1])], nil
}

// mac is HMAC-SHA-512 whose first blocks are done.
type mac struct {
	h            hash.Hash
	restore      encoding.BinaryUnmarshaler // h
	inner, outer []byte                     // states
	buf          [sha512.Size]byte
}

func newMAC(k []byte) mac {
	h := sha512.New()
	state := func(pad byte) []byte {
		block := make([]byte, sha512.BlockSize)
		for i := range block {
			block[i] = pad
		}
		subtle.XORBytes(block, block, k)
		h.Reset()
		h.Write(block)
		b, _ := h.(encoding.BinaryMarshaler).MarshalBinary()
		return b
	}
	return mac{h: h, restore: h.(encoding.BinaryUnmarshaler), inner: state(0x36), outer: state(0x5c)}
}

// sum is valid until the next call.
func (m *mac) sum(b, end []byte) []byte {
	_ = m.restore.UnmarshalBinary(m.inner)
	m.h.Write(b)
	m.h.Write(end)
	m.h.Sum(m.buf[:0])
	_ = m.restore.UnmarshalBinary(m.outer)
	m.h.Write(m.buf[:])
	return m.h.Sum(m.buf[:0])
}
