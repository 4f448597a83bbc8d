package bsonraw_test

import (
	"bytes"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// walk finds what Find shall find, element by element.
func walk(doc []byte, depth int) (found [][]byte, err error) {
	if depth == bsonraw.MaxDepth {
		return nil, bsonraw.ErrTooDeep
	}
	it := bsonraw.Iterate(doc)
	for it.Next() {
		if content, ok := bsonraw.EncryptedPayload(it.Element.Type, it.Element.Value); ok {
			found = append(found, content)
		}
		if it.Element.IsContainer() {
			below, err := walk(it.Element.Value, depth+1)
			if found = append(found, below...); err != nil {
				return found, err
			}
		}
	}
	return found, it.Err
}

// FuzzFind: Find sees what a walk through the elements sees, nothing of it escapes the quick look, and a rewrite that keeps all values changes nothing.
func FuzzFind(f *testing.F) {
	f.Add([]byte(everyType(f)))
	nested, err := bson.Marshal(bson.D{{Key: "a", Value: bson.A{
		bson.D{{Key: "long name of a field", Value: bson.Binary{Subtype: 6, Data: []byte{1, 2, 3}}}}, bson.Binary{Subtype: 6}, "x",
	}}, {Key: "", Value: bson.Binary{Subtype: 6, Data: []byte{2}}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(nested)
	f.Fuzz(func(t *testing.T, doc []byte) {
		want, wantErr := walk(doc, 0)
		found, err := bsonraw.Find(nil, doc)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("got %v, a walk %v", err, wantErr)
		}
		if err != nil {
			return
		}
		i := 0
		for _, f := range found {
			if !f.IsValue() {
				continue
			}
			content := f.Content(doc)
			if i == len(want) || !bytes.Equal(content, want[i]) {
				t.Fatalf("value %d differs", i)
			}
			if len(content) > 0 && !bsonraw.MayHoldEncrypted(doc, func(first byte) bool { return first == content[0] }) {
				t.Fatalf("value %d is overlooked", i)
			}
			i++
		}
		if i != len(want) {
			t.Fatalf("%d values, a walk finds %d", i, len(want))
		}
		if out, err := bsonraw.RewriteFound(nil, doc, found, keep); err != nil || !bytes.Equal(out, doc) {
			t.Fatalf("a rewrite changed the document; error %v", err)
		}
	})
}

func TestMayHoldEncrypted(t *testing.T) {
	wanted := func(first byte) bool { return first == 1 || first == 2 }
	for name, tt := range map[string]struct {
		doc  bson.D
		want bool
	}{
		"ciphertext":       {bson.D{{Key: "v", Value: bson.Binary{Subtype: 6, Data: []byte{1, 0}}}}, true},
		"at the end":       {bson.D{{Key: "v", Value: bson.Binary{Subtype: 6, Data: []byte{2}}}}, true},
		"other kind":       {bson.D{{Key: "v", Value: bson.Binary{Subtype: 6, Data: []byte{0, 1}}}}, false},
		"empty":            {bson.D{{Key: "v", Value: bson.Binary{Subtype: 6}}}, false},
		"lengths of six":   {bson.D{{Key: "v", Value: "12345"}, {Key: "n", Value: int32(6)}}, false},
		"looks like it":    {bson.D{{Key: "n", Value: int64(0x0106_0000_0001)}}, true},
		"length too large": {bson.D{{Key: "n", Value: int64(0x0106_7000_0000)}}, false},
	} {
		doc, err := bson.Marshal(tt.doc)
		if err != nil {
			t.Fatal(err)
		}
		if got := bsonraw.MayHoldEncrypted(doc, wanted); got != tt.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
	for n := range 8 {
		if bsonraw.MayHoldEncrypted(bytes.Repeat([]byte{6}, n), wanted) {
			t.Errorf("%d bytes that are no document", n)
		}
	}
}
