package enforce

import (
	"crypto/rand"
	"errors"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// canaryText is the plaintext that a probe sends. It is nobody's.
const canaryText = "fieldcrypt-canary"

// canaries makes the documents of a probe.
type canaries struct {
	base   bson.D // what every document has besides
	fields []*schema.Encrypted
	names  map[*schema.Encrypted][]string // where each is put; those that have no place are left out
}

func newCanaries(s *schema.Schema, base bson.Raw) (*canaries, error) {
	c := &canaries{fields: s.Fields(), names: map[*schema.Encrypted][]string{}}
	if len(base) > 0 {
		if err := bson.Unmarshal(base, &c.base); err != nil {
			return nil, errors.New("the document of the probe is not valid BSON")
		}
	}
	for _, f := range c.fields {
		if names, ok := s.Names(f); ok {
			c.names[f] = names
		}
	}
	return c, nil
}

// document has a ciphertext in every encrypted field but one, which has plaintext; with nil, in every one.
func (c *canaries) document(plain *schema.Encrypted) bson.D {
	doc := bson.D{{Key: "_id", Value: bson.NewObjectID()}}
	for _, e := range c.base {
		doc = put(doc, []string{e.Key}, e.Value)
	}
	for _, f := range c.fields {
		names := c.names[f]
		switch {
		case names == nil:
		case f == plain:
			doc = put(doc, names, plaintext(f))
		default:
			doc = put(doc, names, ciphertext(f))
		}
	}
	return doc
}

// mayBeBinary says whether values of f may be binary data before they are encrypted, and document sends another type.
func (c *canaries) mayBeBinary(f *schema.Encrypted) bool {
	return (f.Types == 0 || f.Types.Has(bson.TypeBinary)) && typeOf(f) != bson.TypeBinary
}

// binary is document with binary data as plaintext.
func (c *canaries) binary(plain *schema.Encrypted) bson.D {
	return put(c.document(plain), c.names[plain], bson.Binary{Data: []byte(canaryText)})
}

// put sets a value at a path; documents on the way are made.
func put(doc bson.D, names []string, value any) bson.D {
	i := slices.IndexFunc(doc, func(e bson.E) bool { return e.Key == names[0] })
	if i < 0 {
		doc = append(doc, bson.E{Key: names[0]})
		i = len(doc) - 1
	}
	if len(names) > 1 {
		inner, _ := doc[i].Value.(bson.D)
		value = put(slices.Clone(inner), names[1:], value)
	}
	doc[i].Value = value
	return doc
}

// values are plaintexts by type, the types that every server takes first.
var values = []struct {
	of    bson.Type
	value any
}{
	{bson.TypeString, canaryText}, {bson.TypeInt32, int32(1)}, {bson.TypeInt64, int64(1)}, {bson.TypeDouble, 1.5}, {bson.TypeBoolean, true},
	{bson.TypeDateTime, bson.DateTime(0)}, {bson.TypeObjectID, bson.ObjectID{1}}, {bson.TypeEmbeddedDocument, bson.D{{Key: canaryText, Value: true}}},
	{bson.TypeArray, bson.A{canaryText}}, {bson.TypeBinary, bson.Binary{Data: []byte(canaryText)}}, {bson.TypeTimestamp, bson.Timestamp{T: 1, I: 1}},
	{bson.TypeRegex, bson.Regex{Pattern: canaryText}}, {bson.TypeDecimal128, bson.NewDecimal128(0x3040000000000000, 1)}, {bson.TypeJavaScript, bson.JavaScript(canaryText)},
	{bson.TypeSymbol, bson.Symbol(canaryText)}, {bson.TypeCodeWithScope, bson.CodeWithScope{Code: canaryText, Scope: bson.D{}}}, {bson.TypeDBPointer, bson.DBPointer{DB: canaryText}},
}

// typeOf is a type that values of f have.
func typeOf(f *schema.Encrypted) bson.Type {
	for _, v := range values {
		if f.Types == 0 && payload.Encryptable(v.of, f.Algorithm) == nil || f.Types.Has(v.of) {
			return v.of
		}
	}
	return bson.TypeString
}

func plaintext(f *schema.Encrypted) any {
	for _, v := range values {
		if v.of == typeOf(f) {
			return v.value
		}
	}
	return canaryText
}

// ciphertext looks like one to a server, which has no key to see that it is none.
func ciphertext(f *schema.Encrypted) bson.Binary {
	const ivBlockTag = 16 + 16 + 32
	sealed := make([]byte, ivBlockTag)
	_, _ = rand.Read(sealed) // never fails
	data := slices.Concat([]byte{byte(f.Algorithm)}, f.KeyID[:], []byte{byte(typeOf(f))}, sealed)
	return bson.Binary{Subtype: payload.Subtype, Data: data}
}
