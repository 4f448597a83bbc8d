package draw

import (
	"encoding/binary"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// E is an element of a document. Documents are put together from raw values, because the driver's encoder refuses or repairs odd ones.
type E struct {
	Key   string
	Value bson.RawValue
}

// Document makes a document.
func Document(elements ...E) bson.RawValue {
	b, start := bsonraw.Begin(nil)
	for _, e := range elements {
		b = bsonraw.AppendValue(b, e.Key, e.Value)
	}
	return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: bsonraw.End(b, start)}
}

// Array makes an array.
func Array(values ...bson.RawValue) bson.RawValue {
	elements := make([]E, len(values))
	for i, v := range values {
		elements[i] = E{strconv.Itoa(i), v}
	}
	return bson.RawValue{Type: bson.TypeArray, Value: Document(elements...).Value}
}

// String makes a string.
func String(s string) bson.RawValue {
	return bson.RawValue{Type: bson.TypeString, Value: stringBytes([]byte(s))}
}

// Int makes a 32-bit integer.
func Int(n int) bson.RawValue {
	return bson.RawValue{Type: bson.TypeInt32, Value: binary.LittleEndian.AppendUint32(nil, uint32(n))}
}

// Bool makes a boolean.
func Bool(b bool) bson.RawValue {
	v := []byte{0}
	if b {
		v[0] = 1
	}
	return bson.RawValue{Type: bson.TypeBoolean, Value: v}
}

// Binary makes a binary value.
func Binary(subtype byte, data []byte) bson.RawValue {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(data)))
	return bson.RawValue{Type: bson.TypeBinary, Value: append(append(b, subtype), data...)}
}

func stringBytes(s []byte) []byte {
	return append(append(binary.LittleEndian.AppendUint32(nil, uint32(len(s)+1)), s...), 0)
}
