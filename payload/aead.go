package payload

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
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

// aead is AEAD_AES_256_CBC_HMAC_SHA_512 (draft-mcgrew-aead-aes-cbc-hmac-sha2) plus the derivation of a synthetic IV.
// It holds the state of one operation at a time; a Key has as many as it has concurrent users.
type aead struct {
	encrypter cbc
	decrypter cbc
	mac       hash.Hash // HMAC-SHA-512 under the MAC key
	ivMAC     hash.Hash // HMAC-SHA-512 under the IV key

	// Here rather than on the stack, whence they would escape into the hash.Hash calls.
	message [256]byte
	sum     [64]byte
	al      [8]byte
}

// cbc is a mode that can be used again under another IV, as those of the standard library's AES can: a new one costs an allocation and a copy
// of the expanded key for each value. (crypto/tls relies on the method, too; no interface of the library names it.)
type cbc interface {
	cipher.BlockMode
	SetIV([]byte)
}

// randomIV is valid until the next call.
func (a *aead) randomIV() []byte {
	iv := a.sum[:ivSize]
	_, _ = rand.Read(iv) // never fails: it crashes the program rather than return an error
	return iv
}

// syntheticIV derives the IV from what is encrypted; valid until the next call.
func (a *aead) syntheticIV(ad, plaintext []byte) []byte {
	return a.authenticate(a.ivMAC, ad, a.bitLength(ad), plaintext)[:ivSize]
}

// tag authenticates ad and body, which is IV ‖ S; valid until the next call.
func (a *aead) tag(ad, body []byte) []byte {
	return a.authenticate(a.mac, ad, body, a.bitLength(ad))[:tagSize]
}

// authenticate is the MAC of three parts; valid until the next call. Short parts, which most values have, are put together first: three calls
// of Write cost more than the copy.
func (a *aead) authenticate(mac hash.Hash, first, second, third []byte) []byte {
	mac.Reset()
	if len(first)+len(second)+len(third) <= len(a.message) {
		n := copy(a.message[:], first)
		n += copy(a.message[n:], second)
		n += copy(a.message[n:], third)
		mac.Write(a.message[:n])
		return mac.Sum(a.sum[:0])
	}
	mac.Write(first)
	mac.Write(second)
	mac.Write(third)
	return mac.Sum(a.sum[:0])
}
func (a *aead) bitLength(ad []byte) []byte {
	binary.BigEndian.PutUint64(a.al[:], 8*uint64(len(ad)))
	return a.al[:]
}

// sealedSize is the length of what seal appends for n bytes of plaintext.
func sealedSize(n int) int { return ivSize + (n/aes.BlockSize+1)*aes.BlockSize + tagSize }

// seal appends IV ‖ S ‖ T to dst.
func (a *aead) seal(dst, iv, ad, plaintext []byte) []byte {
	start := len(dst)
	dst = slices.Grow(dst, sealedSize(len(plaintext)))
	dst = append(dst, iv...)
	dst = append(dst, plaintext...)
	pad := aes.BlockSize - len(plaintext)%aes.BlockSize
	for range pad {
		dst = append(dst, byte(pad))
	}
	body := dst[start:]
	a.encrypter.SetIV(body[:ivSize])
	a.encrypter.CryptBlocks(body[ivSize:], body[ivSize:])
	return append(dst, a.tag(ad, body)...)
}

// open authenticates sealed, which is IV ‖ S ‖ T, then appends the plaintext to dst. On error it returns dst as it was.
func (a *aead) open(dst, ad, sealed []byte) ([]byte, error) {
	if err := checkSealedSize(len(sealed)); err != nil {
		return dst, err
	}
	body, tag := sealed[:len(sealed)-tagSize], sealed[len(sealed)-tagSize:]
	if !hmac.Equal(a.tag(ad, body), tag) {
		return dst, ErrAuthentication
	}
	iv, s := body[:ivSize], body[ivSize:]
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

func checkSealedSize(n int) error {
	if n < minSealed || n%aes.BlockSize != 0 {
		return fmt.Errorf("%w: got %d bytes of IV, encrypted blocks and tag, expected a multiple of %d that is at least %d",
			ErrMalformed, n, aes.BlockSize, minSealed)
	}
	return nil
}
