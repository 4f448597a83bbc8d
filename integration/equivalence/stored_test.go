package equivalence

import (
	"bytes"
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

// documents is all that the server has.
func (c twins) documents(t *rapid.T) (docs []bson.Raw) {
	cursor, err := c.stored.Find(context.Background(), bson.D{})
	if err == nil {
		err = cursor.All(context.Background(), &docs)
	}
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

// assertSealed looks at what the server has: BinData of subtype 6 with the right algorithm and key at every encrypted path,
// nowhere else, and no canary anywhere. It returns how many encrypted values there are.
func (c twins) assertSealed(t *rapid.T, places []place, keys []bson.Binary) (sealed int) {
	for _, doc := range c.documents(t) {
		leaves(t, "", doc, func(path string, v bson.RawValue) {
			p, known := at(places, path)
			subtype, data, isBinary := v.BinaryOK()
			switch ciphertext := isBinary && subtype == 6 && len(data) > 17; {
			case ciphertext != (known && p.enc != nil):
				t.Errorf("stored %s: ciphertext is %v", path, ciphertext)
			case ciphertext:
				sealed++
				if deterministic := data[0] == 1; deterministic != p.enc.deterministic {
					t.Errorf("stored %s: encrypted deterministically is %v", path, deterministic)
				}
				if p.enc.pointer == "" && !bytes.Equal(data[1:17], keys[p.enc.key].Data) {
					t.Errorf("stored %s: encrypted with another key than that of the schema", path)
				}
			}
			var leaf any
			if err := v.Unmarshal(&leaf); err != nil {
				t.Errorf("stored %s: %v", path, err)
			}
			if isCanary(leaf) || bytes.Contains(v.Value, []byte(canaryText)) {
				t.Errorf("stored %s: plaintext %v", path, v)
			}
		})
	}
	return sealed
}

// countForms counts the values of encrypted fields that the server has as ciphertext, and as plaintext.
func (c twins) countForms(t *rapid.T, places []place) (sealed, plain int) {
	for _, doc := range c.documents(t) {
		leaves(t, "", doc, func(path string, v bson.RawValue) {
			p, known := at(places, path)
			switch subtype, _, isBinary := v.BinaryOK(); {
			case isBinary && subtype == 6:
				if sealed++; !known || p.enc == nil {
					t.Errorf("stored %s: ciphertext in a plain field", path)
				}
			case known && p.enc != nil:
				plain++
			}
		})
	}
	return sealed, plain
}

// leaves calls f with each value in a document or an array that is neither.
func leaves(t *rapid.T, prefix string, doc bson.Raw, f func(path string, v bson.RawValue)) {
	elements, err := doc.Elements()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range elements {
		path, v := prefix+e.Key(), e.Value()
		if v.Type == bson.TypeEmbeddedDocument || v.Type == bson.TypeArray {
			leaves(t, path+".", v.Value, f)
			continue
		}
		f(path, v)
	}
}
