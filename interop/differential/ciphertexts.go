package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/binary"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/interop/differential/draw"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// ciphertextQuestions draws a ciphertext and what becomes of it when it is damaged, forged with the key, or put elsewhere. Each is asked both
// ways, alone and in a reply.
func ciphertextQuestions(d *draw.Drawer, v *vault) (all []*question) {
	ask := func(detail string, value bson.RawValue) {
		all = append(all, &question{kind: decryptValue, detail: detail, document: alone(value)},
			&question{kind: decryptReply, detail: detail, document: bson.Raw(draw.Document(draw.E{Key: "ok", Value: draw.Int(1)},
				draw.E{Key: "a", Value: draw.Array(draw.Document(draw.E{Key: "v", Value: value}))}).Value)})
	}
	sealed := func(detail string, b []byte) { ask(detail, draw.Binary(payload.Subtype, b)) }

	f := forger{d, v, d.IntN(len(v.ids))}
	alg := draw.Pick(d, payload.Deterministic, payload.Random)
	value := d.Value(draw.Pick(d, draw.EncryptedBy(alg)...), 2)
	whole := f.seal(byte(alg), value.Type, value.Value, nil)
	sealed("untouched", whole)
	for range 8 {
		b := slices.Clone(whole)
		i := d.IntN(min(len(b), 200))
		b[i] ^= 1 << d.IntN(8)
		sealed("flipped bit", b)
		sealed("front cut", whole[i+1:])
		sealed("lengthened", append(slices.Clone(whole), d.Bytes(1+d.IntN(33))...))
	}
	for range 8 {
		b := slices.Clone(whole)
		b[0] = byte(d.Uint32())
		sealed("kind byte", b)
		b = slices.Clone(whole)
		b[17] = byte(d.Uint32())
		sealed("type byte", b)
		ask("binary subtype", draw.Binary(byte(d.Uint32()), whole))
	}
	b := slices.Clone(whole)
	copy(b[1:17], draw.Pick(d, v.ids...).Binary().Data)
	sealed("key id", b)
	b = slices.Clone(whole)
	copy(b[1:17], d.Bytes(16))
	sealed("unknown key id", b)
	f.questions(alg, value, sealed)
	if d.Chance(20) && len(whole) < 300 {
		for n := range whole {
			sealed("truncated", whole[:n])
		}
	}
	sealed("truncated", whole[:d.IntN(len(whole))])
	return all
}

// forger seals whatever it likes with a data key.
type forger struct {
	*draw.Drawer
	vault *vault
	key   int
}

// questions draws contents that are authentic, but not what encryption makes.
func (f forger) questions(alg payload.Algorithm, value bson.RawValue, sealed func(string, []byte)) {
	for range 4 {
		sealed("authentic, of another type", f.seal(byte(alg), draw.Pick(f.Drawer, draw.Types...), value.Value, nil))
		t := draw.Pick(f.Drawer, draw.Types...)
		sealed("authentic, of the other algorithm's type", f.seal(byte(alg), t, f.Value(t, 2).Value, nil))
		sealed("authentic, of no type", f.seal(byte(alg), bson.Type(f.Uint32()), value.Value, nil))
		t = draw.Pick(f.Drawer, draw.Types...)
		sealed("authentic, malformed", f.seal(byte(alg), t, f.damaged(f.Value(t, 3).Value), nil))
		sealed("authentic, padding", f.seal(byte(alg), value.Type, value.Value, f.padding(len(value.Value))))
		sealed("authentic, kind byte", f.seal(byte(f.Uint32()), value.Type, value.Value, nil))
	}
	sealed("authentic, empty", f.seal(byte(alg), value.Type, nil, nil))
}

// damaged changes a value in a way that leaves much of it well-formed.
func (f forger) damaged(b []byte) []byte {
	b = slices.Clone(b)
	if len(b) == 0 {
		return f.Bytes(1 + f.IntN(8))
	}
	switch f.IntN(4) {
	case 0:
		b[f.IntN(min(len(b), 40))] ^= 1 << f.IntN(8)
	case 1:
		b[len(b)-1-f.IntN(min(len(b), 40))] = byte(f.Uint32())
	case 2:
		b = b[:len(b)-1]
	default:
		b = append(b, byte(f.IntN(2)))
	}
	return b
}

// padding draws one that encryption does not make: other bytes before the count, or a count that cannot be.
func (f forger) padding(n int) []byte {
	size := aes.BlockSize - n%aes.BlockSize
	pad := append(f.Bytes(size-1), byte(size))
	if f.Chance(2) {
		pad[size-1] = byte(f.IntN(40))
	}
	return pad
}

// seal is the cipher, apart from the product's own: kind ‖ key id ‖ type ‖ IV ‖ S ‖ T, with pad in the place of PKCS#7 padding if it is given.
func (f forger) seal(kind byte, t bson.Type, plaintext, pad []byte) []byte {
	key := f.vault.materials[f.key]
	if pad == nil {
		for n := aes.BlockSize - len(plaintext)%aes.BlockSize; len(pad) < n; {
			pad = append(pad, byte(n))
		}
	}
	ad := append(append([]byte{kind}, f.vault.ids[f.key][:]...), byte(t))
	al := binary.BigEndian.AppendUint64(nil, 8*uint64(len(ad)))
	iv := f.Bytes(aes.BlockSize)
	if kind == byte(payload.Deterministic) {
		iv = mac(key[64:], ad, al, plaintext)[:aes.BlockSize]
	}
	s := slices.Concat(plaintext, pad)
	block, err := aes.NewCipher(key[32:64])
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(s, s)
	return slices.Concat(ad, iv, s, mac(key[:32], ad, iv, s, al)[:32])
}

// unseal is what an authentic ciphertext holds.
func unseal(v *vault, b []byte) (plaintext []byte, ok bool) {
	if len(b) < 66 || len(b)%aes.BlockSize != 2 {
		return nil, false
	}
	for n, id := range v.ids {
		if bytes.Equal(b[1:17], id[:]) {
			block, err := aes.NewCipher(v.materials[n][32:64])
			if err != nil {
				panic(err) // the key has 32 bytes
			}
			s := bytes.Clone(b[34 : len(b)-32])
			cipher.NewCBCDecrypter(block, b[18:34]).CryptBlocks(s, s)
			pad := int(s[len(s)-1])
			return s[:max(len(s)-pad, 0)], pad <= aes.BlockSize
		}
	}
	return nil, false
}

func mac(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha512.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}
