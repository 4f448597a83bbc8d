package payload

import (
	"fmt"
	"slices"
)

// AppendWrap encrypts the 96 bytes of a data key under the master key k and appends the 160 bytes of keyMaterial that the key vault
// stores: IV ‖ S ‖ T with a random IV and no associated data, as the drivers do for local and KMIP master keys.
// The spare capacity of dst must not overlap dataKey. On error it returns dst as it was.
func (k *Key) AppendWrap(dst, dataKey []byte) ([]byte, error) {
	if len(dataKey) != KeySize {
		return dst, fmt.Errorf("wrapping data key: keyMaterial should have length %d, but has length %d", KeySize, len(dataKey))
	}
	start, size := len(dst), sealedSize(KeySize)
	out := slices.Grow(dst, size)[:start+size]
	randomIV(out[start : start+ivSize])
	a := k.acquire()
	defer k.release(a)
	a.seal(out[start:], 0, dataKey)
	return out, nil
}

// AppendUnwrap appends the 96 bytes of the data key that AppendWrap wrapped; the caller wipes them. The spare capacity of dst must not
// overlap keyMaterial. On error it returns dst as it was; the error wraps [ErrAuthentication] (another master key, or altered bytes) or
// [ErrMalformed].
func (k *Key) AppendUnwrap(dst, keyMaterial []byte) ([]byte, error) {
	a := k.acquire()
	defer k.release(a)
	out, err := a.open(dst, keyMaterial, 0)
	if err != nil {
		return dst, fmt.Errorf("unwrapping data key: %w", err)
	}
	if key := out[len(dst):]; len(key) != KeySize {
		clear(key)
		return dst, fmt.Errorf("unwrapping data key: %w: decrypted key is incorrect length: got %d bytes, expected %d",
			ErrMalformed, len(key), KeySize)
	}
	return out, nil
}
