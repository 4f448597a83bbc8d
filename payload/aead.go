package payload

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

const (
	ivSize  = aes.BlockSize
	tagSize = 32
	// minSealed is the length of IV ‖ S ‖ T when S is a single block.
	minSealed = ivSize + aes.BlockSize + tagSize
)

var (
	// ErrAuthentication means that the bytes were not made, as they are, with this key: they were altered or the key is another one.
	ErrAuthentication = errors.New("HMAC validation failure")
	// ErrMalformed means that the bytes are no ciphertext, or that what an authentic one holds is no BSON value of its type.
	ErrMalformed = errors.New("malformed ciphertext")
)

// aead is AEAD_AES_256_CBC_HMAC_SHA_512 (draft-mcgrew-aead-aes-cbc-hmac-sha2) plus the derivation of a synthetic IV, under one key.
// It holds the state of one operation at a time; a Key has as many as it has concurrent users.
//
// What it makes and takes is A ‖ IV ‖ S ‖ T: A is the associated data, S the encrypted blocks and T the tag. A has ad bytes in what follows.
type aead struct {
	key       *Key
	encrypter cbc
	decrypter cbc
	mac       mac

	// Here rather than on the stack, whence they would escape into the hash.
	message [256]byte
	al      [8]byte
}

// cbc is a mode that can be used again under another IV, as those of the standard library's AES can: a new one costs an allocation and a copy
// of the expanded key for each value. (crypto/tls relies on the method, too; no interface of the library names it.)
type cbc interface {
	cipher.BlockMode
	SetIV([]byte)
}

// randomIV fills iv.
func randomIV(iv []byte) { _, _ = rand.Read(iv) } // never fails: it crashes the program rather than return an error

// syntheticIV derives iv from what is encrypted.
func (a *aead) syntheticIV(iv, ad, plaintext []byte) {
	copy(iv, a.authenticate(&a.key.ivMAC, ad, a.bitLength(len(ad)), plaintext))
}

// tag authenticates A ‖ IV ‖ S; valid until the next call.
func (a *aead) tag(body []byte, ad int) []byte {
	return a.authenticate(&a.key.mac, body, a.bitLength(ad), nil)[:tagSize]
}

// authenticate is the MAC of three parts; valid until the next call. Short parts, which most values have, are put together first: calls of Write
// cost more than the copy.
func (a *aead) authenticate(k *macKey, first, second, third []byte) []byte {
	a.mac.begin(k)
	if n := len(first) + len(second) + len(third); n <= len(a.message) {
		a.mac.hash.Write(append(append(append(a.message[:0], first...), second...), third...))
	} else {
		a.mac.hash.Write(first)
		a.mac.hash.Write(second)
		a.mac.hash.Write(third)
	}
	return a.mac.end(k)
}

func (a *aead) bitLength(ad int) []byte {
	binary.BigEndian.PutUint64(a.al[:], 8*uint64(ad))
	return a.al[:]
}

// sealedSize is the length of IV ‖ S ‖ T for n bytes of plaintext.
func sealedSize(n int) int { return ivSize + (n/aes.BlockSize+1)*aes.BlockSize + tagSize }

// seal completes room, which has the size of A ‖ IV ‖ S ‖ T and begins with A ‖ IV.
func (a *aead) seal(room []byte, ad int, plaintext []byte) {
	body := room[:len(room)-tagSize]
	s := body[ad+ivSize:]
	padding := s[copy(s, plaintext):]
	for i := range padding {
		padding[i] = byte(len(padding))
	}
	a.encrypter.SetIV(body[ad : ad+ivSize])
	a.encrypter.CryptBlocks(s, s)
	copy(room[len(body):], a.tag(body, ad))
}

// open authenticates A ‖ IV ‖ S ‖ T, then appends the plaintext to dst. On error it returns dst as it was.
func (a *aead) open(dst, sealed []byte, ad int) ([]byte, error) {
	if !isSealedSize(len(sealed) - ad) {
		return dst, sealedSizeError(len(sealed) - ad)
	}
	body, tag := sealed[:len(sealed)-tagSize], sealed[len(sealed)-tagSize:]
	if !hmac.Equal(a.tag(body, ad), tag) {
		return dst, ErrAuthentication
	}
	iv, s := body[ad:ad+ivSize], body[ad+ivSize:]
	start := len(dst)
	out := slices.Grow(dst, len(s))[:start+len(s)]
	a.decrypter.SetIV(iv)
	a.decrypter.CryptBlocks(out[start:], s)
	// Only the count is checked, as the drivers do. It is no padding oracle: nobody without the key gets past the tag.
	pad := int(out[len(out)-1])
	if pad < 1 || pad > aes.BlockSize {
		clear(out[start:])
		return dst, fmt.Errorf("%w: error, ciphertext malformed padding", ErrMalformed)
	}
	return out[:len(out)-pad], nil
}

func isSealedSize(n int) bool { return n >= minSealed && n%aes.BlockSize == 0 }

func sealedSizeError(n int) error {
	return fmt.Errorf("%w: got %d bytes of IV, encrypted blocks and tag, expected a multiple of %d that is at least %d", ErrMalformed, n, aes.BlockSize, minSealed)
}
