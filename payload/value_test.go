package payload

import (
	"encoding/binary"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

// What the driver writes is well formed; the same with a byte more or less is not, unless the type has no end of its own.
func TestDriverValuesAreWellFormed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := value(t, drawAny(t, 3))
		if !wellFormed(v.Type, v.Value) {
			t.Fatalf("%s: refused", v.Type)
		}
		if wellFormed(v.Type, append(v.Value[:len(v.Value):len(v.Value)], 0)) {
			t.Fatalf("%s: accepted with a byte more", v.Type)
		}
		for n := range v.Value {
			if wellFormed(v.Type, v.Value[:n]) {
				t.Fatalf("%s: accepted with %d of %d bytes", v.Type, n, len(v.Value))
			}
		}
	})
}

func TestMalformedValues(t *testing.T) {
	doc := func(elements ...byte) []byte {
		b := binary.LittleEndian.AppendUint32(nil, uint32(len(elements)+5))
		return append(append(b, elements...), 0)
	}
	for _, tt := range []struct {
		name string
		typ  bson.Type
		b    []byte
	}{
		{"no type", 0, []byte{0}},
		{"null with a byte", bson.TypeNull, []byte{0}},
		{"bool of 2", bson.TypeBoolean, []byte{2}},
		{"string of length 0", bson.TypeString, []byte{0, 0, 0, 0}},
		{"string of negative length", bson.TypeString, []byte{0xff, 0xff, 0xff, 0xff, 0}},
		{"string of 2 GiB", bson.TypeString, []byte{0xff, 0xff, 0xff, 0x7f, 0}},
		{"string without NUL", bson.TypeString, []byte{1, 0, 0, 0, 'x'}},
		{"binary of negative length", bson.TypeBinary, []byte{0xff, 0xff, 0xff, 0xff, 0}},
		{"binary of 2 GiB", bson.TypeBinary, []byte{0xff, 0xff, 0xff, 0x7f, 0}},
		{"binary without subtype", bson.TypeBinary, []byte{0, 0, 0, 0}},
		{"old binary without inner length", bson.TypeBinary, []byte{3, 0, 0, 0, 2, 0, 0, 0}},
		{"old binary with wrong inner length", bson.TypeBinary, []byte{5, 0, 0, 0, 2, 2, 0, 0, 0, 'x'}},
		{"regex with one string", bson.TypeRegex, []byte{'x', 0}},
		{"dbPointer without id", bson.TypeDBPointer, []byte{1, 0, 0, 0, 0}},
		{"document of length 4", bson.TypeEmbeddedDocument, []byte{4, 0, 0, 0}},
		{"document without NUL", bson.TypeEmbeddedDocument, []byte{5, 0, 0, 0, 1}},
		{"document, name without NUL", bson.TypeEmbeddedDocument, doc(0x0a, 'x')},
		{"document, element reaches over its end", bson.TypeEmbeddedDocument, doc(0x10, 'x', 0, 1, 2, 3)},
		{"document, unknown type", bson.TypeEmbeddedDocument, doc(0x42, 'x', 0)},
		{"array, bad bool", bson.TypeArray, doc(0x08, '0', 0, 7)},
		{"javascriptWithScope, length too large", bson.TypeCodeWithScope, append([]byte{15, 0, 0, 0, 1, 0, 0, 0, 0}, doc()...)},
		{"javascriptWithScope, gap", bson.TypeCodeWithScope, append(append([]byte{15, 0, 0, 0, 1, 0, 0, 0, 0}, doc()...), 0)},
		{"javascriptWithScope, too short", bson.TypeCodeWithScope, []byte{9, 0, 0, 0, 1, 0, 0, 0, 0}},
	} {
		if wellFormed(tt.typ, tt.b) {
			t.Errorf("%s: accepted", tt.name)
		}
	}
}

func TestNestingIsBounded(t *testing.T) {
	nested := func(depth int) bson.RawValue {
		v := value(t, bson.D{})
		for range depth - 1 {
			v = value(t, bson.D{{Key: "x", Value: v}})
		}
		return v
	}
	key := newKey(t, 1)
	deepest := nested(maxDepth)
	if got, err := decrypt(key, encrypt(t, key, Random, KeyID{}, deepest)); err != nil || !got.Equal(deepest) {
		t.Errorf("%d levels: %v", maxDepth, err)
	}
	if _, err := key.AppendEncrypt(nil, Random, KeyID{}, nested(maxDepth+1)); err == nil {
		t.Errorf("%d levels: encrypted", maxDepth+1)
	}
	b, err := Marking{Algorithm: Random, KeyID: &KeyID{}, Value: deepest}.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := ParseMarking(b); err != nil || !m.Value.Equal(deepest) {
		t.Errorf("marking with %d levels: %v", maxDepth, err)
	}
}
