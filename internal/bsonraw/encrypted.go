package bsonraw

import (
	"encoding/binary"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// EncryptedSubtype is the binary subtype of in-use encryption.
const EncryptedSubtype = 6

// EncryptedPayload is the content of a binary value of subtype 6; false for any other value.
func EncryptedPayload(t bson.Type, value []byte) ([]byte, bool) {
	if t != bson.TypeBinary || len(value) < 5 || value[4] != EncryptedSubtype {
		return nil, false
	}
	if uint64(binary.LittleEndian.Uint32(value)) != uint64(len(value)-5) {
		return nil, false
	}
	return value[5:], true
}

// Scan calls found with the content of every binary value of subtype 6 in doc, in document order, through documents and arrays
// (not into the scope of JavaScript). It stops at the first error.
func Scan(doc []byte, found func(payload []byte) error) error { return scan(doc, found, 0) }

func scan(doc []byte, found func(payload []byte) error, depth int) error {
	if depth == MaxDepth {
		return ErrTooDeep
	}
	it := Iterate(doc)
	for it.Next() {
		var err error
		if it.Element.IsContainer() {
			err = scan(it.Element.Value, found, depth+1)
		} else if payload, ok := EncryptedPayload(it.Element.Type, it.Element.Value); ok {
			err = found(payload)
		}
		if err != nil {
			return err
		}
	}
	return it.Err
}

// Replacement is what a Replace function makes of one value. With Keep the value stays as it is, else the appended bytes are
// a value of type Type.
type Replacement struct {
	Keep bool
	Type bson.Type
}

// Replace appends to dst the value that takes the place of a binary of subtype 6 with this content.
type Replace func(dst, payload []byte) ([]byte, Replacement, error)

// Rewrite appends doc to dst with every binary value of subtype 6 replaced.
func Rewrite(dst, doc []byte, replace Replace) ([]byte, error) { return rewrite(dst, doc, replace, 0) }

func rewrite(dst, doc []byte, replace Replace, depth int) ([]byte, error) {
	if depth == MaxDepth {
		return nil, ErrTooDeep
	}
	dst, start := Begin(dst)
	it := Iterate(doc)
	for it.Next() {
		e := it.Element
		payload, encrypted := EncryptedPayload(e.Type, e.Value)
		switch {
		case e.IsContainer():
			var err error
			if dst, err = rewrite(AppendKey(dst, e.Type, e.Key), e.Value, replace, depth+1); err != nil {
				return nil, err
			}
		case encrypted:
			element := len(dst)
			out, r, err := replace(AppendKey(dst, e.Type, e.Key), payload)
			if err != nil {
				return nil, err
			}
			if dst = out; r.Keep {
				dst = append(dst[:element], e.Raw...)
			} else {
				dst[element] = byte(r.Type)
			}
		default:
			dst = append(dst, e.Raw...)
		}
	}
	if it.Err != nil {
		return nil, it.Err
	}
	return End(dst, start), nil
}
