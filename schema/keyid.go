package schema

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// key is the value of a keyId: a data key's id, or a pointer to where documents name theirs.
type key struct {
	set     bool
	id      payload.KeyID
	pointer string // "" with an id
}

// keyID reads both forms of keyId: [UUID] and "/pointer".
func (pl *place) keyID(v bson.RawValue) (key, error) {
	switch v.Type {
	case bson.TypeString:
		return pl.keyPointer(v)
	case bson.TypeArray:
		return pl.keyUUID(v)
	}
	return key{}, pl.refuse("keyId", `write keyId: [UUID], an array of one UUID, or keyId: "/field", a JSON pointer`,
		"'keyId' must be an array of one UUID or a JSON pointer string, found %s", payload.TypeAlias(v.Type)).code(codeKeyIDShape)
}

func (pl *place) keyPointer(v bson.RawValue) (key, error) {
	s, _ := v.StringValueOK()
	if _, fault := pointerTokens(s); fault != nil {
		return key{}, pl.refuse("keyId", `a keyId that is a string points to the field that holds the key's alternate name: "/keyName"; `+
			"a fixed key is given by its UUID: keyId: [UUID]", "%s", fault.Message).code(fault.Code)
	}
	return key{set: true, pointer: s}, nil
}

// keyUUID reads an array of exactly one UUID. MongoDB's parser takes several; which of them would encrypt is not documented,
// so that more than one is refused here.
func (pl *place) keyUUID(v bson.RawValue) (key, error) {
	const hint = "write the data key's _id, a UUID (BinData subtype 4): keyId: [UUID]"
	k := key{set: true}
	n := 0
	for it := bsonraw.Iterate(v.Value); it.Next(); n++ {
		subtype, data, ok := it.Element.RawValue().BinaryOK()
		if !ok {
			return key{}, pl.refuse("keyId", hint, "Array elements must have type BinData, found %s",
				payload.TypeAlias(it.Element.Type)).code(codeKeyIDElementNoBytes)
		}
		if subtype != bson.TypeBinaryUUID {
			return key{}, pl.refuse("keyId", hint, "a key id must be a UUID (BinData subtype 4), found subtype %d",
				subtype).code(codeKeyIDNotUUID)
		}
		if len(data) != len(k.id) {
			return key{}, pl.refuse("keyId", hint, "a key id must have %d bytes, found %d",
				len(k.id), len(data)).code(codeKeyIDNotUUID)
		}
		copy(k.id[:], data)
	}
	if n != 1 {
		return key{}, pl.refuse("keyId", hint+"; encrypt fields under different keys one by one", "'keyId' must hold exactly one UUID, found %d", n)
	}
	return k, nil
}
