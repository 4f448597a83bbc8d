package bsonraw

import (
	"encoding/binary"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Begin starts a document or array; End closes the one that began at start.
func Begin(dst []byte) (out []byte, start int) {
	return append(dst, 0, 0, 0, 0), len(dst)
}

// End writes the final zero byte and the length.
func End(dst []byte, start int) []byte {
	dst = append(dst, 0)
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst
}

// AppendKey appends a type byte and a field name; the value follows.
func AppendKey[K string | []byte](dst []byte, t bson.Type, key K) []byte {
	dst = append(dst, byte(t))
	dst = append(dst, key...)
	return append(dst, 0)
}

// AppendValue appends a whole element.
func AppendValue[K string | []byte](dst []byte, key K, value bson.RawValue) []byte {
	return append(AppendKey(dst, value.Type, key), value.Value...)
}

// AppendBool appends a boolean element.
func AppendBool(dst []byte, key string, b bool) []byte {
	var v byte
	if b {
		v = 1
	}
	return append(AppendKey(dst, bson.TypeBoolean, key), v)
}

// BeginDocument appends the head of a document element; BeginArray that of an array element. End closes both.
func BeginDocument[K string | []byte](dst []byte, key K) (out []byte, start int) {
	return Begin(AppendKey(dst, bson.TypeEmbeddedDocument, key))
}

// BeginArray appends the head of an array element.
func BeginArray[K string | []byte](dst []byte, key K) (out []byte, start int) {
	return Begin(AppendKey(dst, bson.TypeArray, key))
}

// BinaryHead is the length and the subtype before a binary value's content, in bytes.
const BinaryHead = 5

// BeginBinary starts a binary value of subtype 6 (without type and key); EndBinary writes its length.
func BeginBinary(dst []byte) (out []byte, start int) {
	return append(dst, 0, 0, 0, 0, EncryptedSubtype), len(dst)
}

// EndBinary writes the length of the binary value that began at start.
func EndBinary(dst []byte, start int) []byte {
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-BinaryHead))
	return dst
}
