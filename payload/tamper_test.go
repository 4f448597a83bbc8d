package payload

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// checkRefused fails unless open refuses b with one of the package's errors and leaves what dst held as it was.
func checkRefused(t *testing.T, what string, open func(dst, b []byte) ([]byte, error), b []byte) {
	t.Helper()
	dst := append(make([]byte, 0, 512), "held"...)
	got, err := open(dst, b)
	if !errors.Is(err, ErrAuthentication) && !errors.Is(err, ErrMalformed) {
		t.Errorf("%s: got error %v, want ErrAuthentication or ErrMalformed", what, err)
	}
	if string(got) != "held" {
		t.Errorf("%s: got %d bytes beside the error", what, len(got)-4)
	}
	if !bytes.Equal(got[:cap(got)][4:], make([]byte, cap(got)-4)) {
		t.Errorf("%s: plaintext left in the buffer", what)
	}
}

// Every flipped bit, every shorter length and some longer ones are refused.
func TestEveryChangeIsRefused(t *testing.T) {
	key := newKey(t, 3)
	openValue := func(dst, b []byte) ([]byte, error) {
		c, err := ParseCiphertext(b)
		if err != nil {
			return dst, err
		}
		return key.AppendDecrypt(dst, c)
	}
	openContent := func(dst, b []byte) ([]byte, error) {
		out, _, err := key.AppendDecryptContent(dst, b)
		return out, err
	}
	wrapped, err := key.AppendWrap(nil, make([]byte, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		sealed []byte
		open   func(dst, b []byte) ([]byte, error)
	}{
		{"deterministic string", encrypt(t, key, Deterministic, KeyID{1}, value(t, "457-55-5462")), openValue},
		{"deterministic int", encrypt(t, key, Deterministic, KeyID{2}, value(t, int32(5))), openValue},
		{"random bool", encrypt(t, key, Random, KeyID{3}, value(t, true)), openValue},
		{"random document", encrypt(t, key, Random, KeyID{4}, value(t, bson.D{{Key: "a", Value: bson.A{1, "two", 3.0}}})), openValue},
		{"random string of whole blocks", encrypt(t, key, Random, KeyID{5}, value(t, "hello world")), openValue},
		{"deterministic string in one step", encrypt(t, key, Deterministic, KeyID{1}, value(t, "457-55-5462")), openContent},
		{"random document in one step", encrypt(t, key, Random, KeyID{4}, value(t, bson.D{{Key: "a", Value: bson.A{1, "two", 3.0}}})), openContent},
		{"wrapped data key", wrapped, key.AppendUnwrap},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := tt.open(nil, tt.sealed); err != nil {
				t.Fatal(err)
			}
			for i := range 8 * len(tt.sealed) {
				b := slices.Clone(tt.sealed)
				b[i/8] ^= 1 << (i % 8)
				checkRefused(t, "flipped bit", tt.open, b)
			}
			for n := range tt.sealed {
				checkRefused(t, "truncated", tt.open, tt.sealed[:n])
				checkRefused(t, "front cut", tt.open, tt.sealed[n+1:])
			}
			for n := 1; n <= 33; n++ {
				checkRefused(t, "lengthened", tt.open, append(slices.Clone(tt.sealed), make([]byte, n)...))
			}
		})
	}
}

func TestWrongKey(t *testing.T) {
	sealed := encrypt(t, newKey(t, 1), Random, KeyID{0xab}, value(t, "x"))
	_, err := decrypt(newKey(t, 2), sealed)
	want := "decrypting with data key ab000000-0000-0000-0000-000000000000: HMAC validation failure"
	if !errors.Is(err, ErrAuthentication) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	wrapped, err := newKey(t, 1).AppendWrap(nil, make([]byte, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newKey(t, 2).AppendUnwrap(nil, wrapped); !errors.Is(err, ErrAuthentication) {
		t.Errorf("unwrapping: got %v, want ErrAuthentication", err)
	}
}

// A Ciphertext put together by hand cannot claim a type or key other than the authenticated one.
func TestFieldsMustMatchAssociatedData(t *testing.T) {
	key := newKey(t, 1)
	good, err := ParseCiphertext(encrypt(t, key, Deterministic, KeyID{1}, value(t, "x")))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Ciphertext){
		"type":      func(c *Ciphertext) { c.Type = bson.TypeSymbol },
		"key id":    func(c *Ciphertext) { c.KeyID = KeyID{2} },
		"algorithm": func(c *Ciphertext) { c.Algorithm = Random },
		"short":     func(c *Ciphertext) { c.Content = c.Content[:18] },
		"zero":      func(c *Ciphertext) { *c = Ciphertext{} },
	} {
		c := good
		change(&c)
		if _, err := key.AppendDecrypt(nil, c); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
}

// Authentic bytes that hold no value of the type they claim are refused: another program may have sealed anything.
func TestAuthenticNonsense(t *testing.T) {
	key := newKey(t, 1)
	for _, tt := range []struct {
		name      string
		typ       bson.Type
		plaintext []byte
	}{
		{"nothing", bson.TypeString, nil},
		{"null", bson.TypeNull, nil},
		{"minKey", bson.TypeMinKey, nil},
		{"no BSON type", 0x42, []byte("x")},
		{"string without its end", bson.TypeString, []byte{2, 0, 0, 0, 'x'}},
		{"two values", bson.TypeInt32, []byte{1, 0, 0, 0, 2, 0, 0, 0}},
	} {
		a := key.acquire()
		ad := append(append([]byte{byte(KindRandom)}, make([]byte, 16)...), byte(tt.typ))
		sealed := sealWith(a, make([]byte, ivSize), ad, tt.plaintext)
		key.release(a)
		c, err := ParseCiphertext(sealed)
		if err != nil {
			t.Fatal(err)
		}
		spare := make([]byte, 256)
		if out, err := key.AppendDecrypt(spare[:0], c); !errors.Is(err, ErrMalformed) || len(out) != 0 {
			t.Errorf("%s: got %d bytes, %v, want ErrMalformed", tt.name, len(out), err)
		}
		if len(tt.plaintext) > 0 && bytes.Contains(spare, tt.plaintext) {
			t.Errorf("%s: refused plaintext left in the buffer", tt.name)
		}
	}
}
