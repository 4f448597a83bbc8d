package payload

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// FuzzParseCiphertext: whatever parses is its parts in order, and none of it opens, because the fuzzer has no key.
func FuzzParseCiphertext(f *testing.F) {
	key := newKey(f, 1)
	f.Add([]byte{1})
	f.Add(encrypt(f, newKey(f, 2), Random, KeyID{1}, value(f, "x")))
	f.Add(encrypt(f, newKey(f, 2), Deterministic, KeyID{2}, value(f, int64(1))))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseCiphertext(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("got %v, want ErrMalformed", err)
			}
			return
		}
		header := append(append([]byte{byte(c.Algorithm)}, c.KeyID[:]...), byte(c.Type))
		if !bytes.Equal(c.Content, b) || !bytes.HasPrefix(b, header) {
			t.Fatal("the parts are not the whole")
		}
		if out, err := key.AppendDecrypt(nil, c); !errors.Is(err, ErrAuthentication) || len(out) != 0 {
			t.Fatalf("got %d bytes, %v, want ErrAuthentication", len(out), err)
		}
	})
}

// FuzzParseMarking: what parses can be written, and reads back the same.
func FuzzParseMarking(f *testing.F) {
	for _, m := range []Marking{
		{Algorithm: Deterministic, KeyID: &KeyID{1}, Value: value(f, "x")},
		{Algorithm: Random, KeyAltName: "name", Value: value(f, bson.D{{Key: "a", Value: bson.A{1, nil}}})},
	} {
		b, err := m.Append(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseMarking(b)
		if err != nil {
			return
		}
		out, err := m.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseMarking(out)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, again); diff != "" {
			t.Fatal(diff)
		}
		if len(out) != len(b) {
			t.Fatalf("wrote %d bytes, read %d", len(out), len(b))
		}
	})
}

// FuzzDecrypt: a key holder seals anything as any type. It is refused, or comes back unchanged and the driver can read it too.
func FuzzDecrypt(f *testing.F) {
	key := newKey(f, 1)
	for _, v := range []any{"x", int32(1), true, bson.D{{Key: "a", Value: bson.A{1.5, "x"}}}, bson.Regex{Pattern: "a", Options: "i"},
		bson.Binary{Subtype: 2, Data: []byte{1}}, bson.CodeWithScope{Code: "f", Scope: bson.D{}}, bson.DBPointer{DB: "d"}} {
		raw := value(f, v)
		f.Add(byte(raw.Type), raw.Value)
	}
	f.Fuzz(func(t *testing.T, typ byte, plaintext []byte) {
		ad := append(append([]byte{byte(KindRandom)}, make([]byte, 16)...), typ)
		a := key.acquire()
		sealed := sealWith(a, make([]byte, ivSize), ad, plaintext)
		key.release(a)
		got, err := decrypt(key, sealed)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("got %v, want ErrMalformed", err)
			}
			return
		}
		if byte(got.Type) != typ || !bytes.Equal(got.Value, plaintext) {
			t.Fatal("another value came back")
		}
		doc, err := bson.Marshal(bson.D{{Key: "v", Value: got}})
		if err != nil {
			t.Fatal(err)
		}
		if err := bson.Raw(doc).Validate(); err != nil {
			t.Fatal(err)
		}
		var d bson.D
		if err := bson.Unmarshal(doc, &d); err != nil {
			t.Fatalf("the driver cannot read it: %v", err)
		}
	})
}
