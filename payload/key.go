package payload

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Key is a data key, or a local master key, prepared once by [NewKey]; safe for concurrent use.
//
// It keeps no copy of the 96 bytes. What it does keep is as secret, and cannot be wiped because Go's standard library gives no way to:
// the expanded AES key, which begins with the AES key itself, and the HMAC states after their first block, with which one can compute
// tags and IVs but not find the MAC and IV keys. They stay in memory until the garbage collector has freed the Key and the memory is
// used again.
type Key struct {
	block      cipher.Block
	mac, ivMAC macKey
	idle       sync.Pool // of *aead
}

// NewKey prepares 96 bytes of key material. The caller may wipe material afterwards.
func NewKey(material []byte) (*Key, error) {
	if len(material) != KeySize {
		return nil, fmt.Errorf("preparing data key: keyMaterial should have length %d, but has length %d", KeySize, len(material))
	}
	block, err := aes.NewCipher(material[32:64])
	if err != nil {
		return nil, fmt.Errorf("preparing data key: %v", err)
	}
	return &Key{block: block, mac: newMACKey(material[:32]), ivMAC: newMACKey(material[64:])}, nil
}

func (k *Key) acquire() *aead {
	if a, ok := k.idle.Get().(*aead); ok {
		return a
	}
	var anyIV [ivSize]byte // replaced before each use
	return &aead{
		key: k, mac: mac{hash: newSHA()},
		encrypter: cipher.NewCBCEncrypter(k.block, anyIV[:]).(cbc), decrypter: cipher.NewCBCDecrypter(k.block, anyIV[:]).(cbc),
	}
}

func (k *Key) release(a *aead) { k.idle.Put(a) }

// AppendEncrypt appends the ciphertext of value, from its kind byte to its tag, to dst. The spare capacity of dst must not overlap
// value; with enough of it (the length of value + 82 bytes) nothing is allocated for the result. On error it returns dst as it was: a *TypeError when
// alg does not take values of this type, else what is wrong with alg or value.
func (k *Key) AppendEncrypt(dst []byte, alg Algorithm, id KeyID, value bson.RawValue) ([]byte, error) {
	a := k.acquire()
	out, err := a.appendEncrypt(dst, alg, id, value)
	k.release(a)
	return out, err
}

func (a *aead) appendEncrypt(dst []byte, alg Algorithm, id KeyID, value bson.RawValue) ([]byte, error) {
	out, err := AppendRoom(dst, alg, id, value)
	if err == nil {
		a.sealValue(out[len(dst):], value)
	}
	return out, err
}

// AppendRoom appends room for what AppendEncrypt would append, and finds the errors that AppendEncrypt would. [Key.Fill] completes it, whenever
// that is: so that one writes documents while others encrypt.
func AppendRoom(dst []byte, alg Algorithm, id KeyID, value bson.RawValue) ([]byte, error) {
	if err := EncryptableValue(value, alg); err != nil {
		return dst, err
	}
	if !wellFormed(value.Type, value.Value) {
		return dst, fmt.Errorf("encrypting: %d bytes are not one BSON value of type %s", len(value.Value), TypeAlias(value.Type))
	}
	start, size := len(dst), adSize+sealedSize(len(value.Value))
	dst = slices.Grow(dst, size)[:start+size]
	room := dst[start:]
	room[0] = byte(alg)
	copy(room[1:], id[:])
	room[17] = byte(value.Type)
	clear(room[adSize : adSize+ivSize])
	return dst, nil
}

// Fill writes the ciphertext of value to room that AppendRoom has made for it, with the algorithm and the key id given there. It refuses what is not such room.
func (k *Key) Fill(room []byte, value bson.RawValue) error {
	if len(room) != adSize+sealedSize(len(value.Value)) || Algorithm(room[0]).check() != nil || bson.Type(room[17]) != value.Type ||
		[ivSize]byte(room[adSize:]) != [ivSize]byte{} {
		return errors.New("encrypting: the room for the ciphertext was overwritten")
	}
	a := k.acquire()
	a.sealValue(room, value)
	k.release(a)
	return nil
}

// sealValue completes room, of which the associated data is written.
func (a *aead) sealValue(room []byte, value bson.RawValue) {
	if iv := room[adSize : adSize+ivSize]; Algorithm(room[0]) == Deterministic {
		a.syntheticIV(iv, room[:adSize], value.Value)
	} else {
		randomIV(iv)
	}
	a.seal(room, adSize, value.Value)
}

// AppendDecrypt authenticates c, then appends the bytes of the value to dst and checks that they are one BSON value of type c.Type.
// The spare capacity of dst must not overlap c. On error it returns dst as it was; the error wraps [ErrAuthentication] or [ErrMalformed].
func (k *Key) AppendDecrypt(dst []byte, c Ciphertext) ([]byte, error) {
	if !c.consistent() {
		return dst, fmt.Errorf("decrypting with data key %s: %w: content does not match algorithm, key id and type", c.KeyID, ErrMalformed)
	}
	out, _, err := k.AppendDecryptContent(dst, c.Content)
	return out, err
}

// AppendDecryptContent is [CiphertextKeyID] and AppendDecrypt in one step. It also returns the value's type.
func (k *Key) AppendDecryptContent(dst, content []byte) ([]byte, bson.Type, error) {
	a := k.acquire()
	out, t, err := a.openContent(dst, content)
	k.release(a)
	return out, t, err
}

func (a *aead) openContent(dst, content []byte) ([]byte, bson.Type, error) {
	if !hasHeader(content) {
		return dst, 0, headerError(content)
	}
	t := bson.Type(content[17])
	out, err := a.open(dst, content, adSize)
	if err == nil {
		// Encrypting refuses the types without bytes: their one value would be known from the type.
		plaintext := out[len(dst):]
		if len(plaintext) > 0 && wellFormed(t, plaintext) {
			return out, t, nil
		}
		clear(plaintext)
		err = fmt.Errorf("%w: malformed encrypted bson: %d bytes are not one value of type %s", ErrMalformed, len(plaintext), TypeAlias(t))
	}
	return dst, 0, fmt.Errorf("decrypting with data key %s: %w", KeyID(content[1:17]), err)
}

// Format prints a fixed text, whatever the verb: keys do not show up in logs.
func (k *Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "payload.Key") }
