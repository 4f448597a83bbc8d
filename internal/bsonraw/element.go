package bsonraw

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// MaxDepth is how deep documents and arrays may nest. Servers stop users at 100 levels; replies wrap them in a few more.
const MaxDepth = 256

// ErrTooDeep says that a document nests deeper than MaxDepth.
var ErrTooDeep = fmt.Errorf("bson nests deeper than %d levels", MaxDepth)

var (
	errTruncated = errors.New("malformed bson: a length points past the end")
	errNoName    = errors.New("malformed bson: a field name has no end")
)

// Element is one element of a document; its slices point into the document.
type Element struct {
	Type  bson.Type
	Key   []byte // without the NUL byte
	Value []byte // without type and key
	Raw   []byte // type, key, NUL and value
}

// RawValue gives the value as the driver's type, without a copy.
func (e Element) RawValue() bson.RawValue { return bson.RawValue{Type: e.Type, Value: e.Value} }

// IsContainer says whether the value is a document or an array.
func (e Element) IsContainer() bool {
	return e.Type == bson.TypeEmbeddedDocument || e.Type == bson.TypeArray
}

// Iterator walks the elements of one document, not of those inside it.
//
//	it := bsonraw.Iterate(doc)
//	for it.Next() {
//		use(it.Element)
//	}
//	if it.Err != nil { … }
type Iterator struct {
	Element Element
	Err     error
	rest    []byte
}

// Iterate starts at the first element of doc, which must be one whole document or array.
func Iterate(doc []byte) Iterator {
	body, err := body(doc)
	return Iterator{rest: body, Err: err}
}

// Next goes to the next element; false at the end or at malformed bytes (then Err is set).
func (it *Iterator) Next() bool {
	if it.Err != nil || len(it.rest) == 0 {
		return false
	}
	b := it.rest
	value, end, err := step(b)
	if err != nil {
		it.Err = err
		return false
	}
	it.Element.Type = bson.Type(b[0])
	it.Element.Key = b[1 : value-1]
	it.Element.Value = b[value:end]
	it.Element.Raw = b[:end]
	it.rest = b[end:]
	return true
}

// step reads the element that b begins with: where its value begins and ends.
func step(b []byte) (value, end int, err error) {
	name := -1
	if len(b) > 8 { // most names end within eight bytes: here, since nameLen is too large to be put in its place by the compiler
		if zeros := zeroBytes(binary.LittleEndian.Uint64(b[1:])); zeros != 0 {
			name = bits.TrailingZeros64(zeros) / 8
		}
	}
	if name < 0 {
		if name = nameLen(b[1:]); name < 0 {
			return 0, 0, errNoName
		}
	}
	value = name + 2
	n := int(fixedSizes[b[0]])
	if n == 0 || n > len(b)-value {
		if n, err = valueLen(bson.Type(b[0]), b[value:]); err != nil {
			return 0, 0, err
		}
	}
	return value, value + n, nil
}

// CheckFrame checks that doc has the length it says and ends as documents do; nothing of what is in it.
func CheckFrame(doc []byte) error {
	_, err := body(doc)
	return err
}

// body is what lies between a document's length and its final NUL byte.
func body(doc []byte) ([]byte, error) {
	if len(doc) < 5 {
		return nil, fmt.Errorf("malformed bson: a document has at least 5 bytes, got %d", len(doc))
	}
	if n := binary.LittleEndian.Uint32(doc); uint64(n) != uint64(len(doc)) {
		return nil, fmt.Errorf("malformed bson: a document says it has %d bytes, got %d", n, len(doc))
	}
	if doc[len(doc)-1] != 0 {
		return nil, errors.New("malformed bson: a document does not end with a zero byte")
	}
	return doc[4 : len(doc)-1], nil
}

// fixedSizes are the lengths of values that all have the same; 0 for the others. (Null and its like have their own case.)
var fixedSizes = [256]uint8{
	bson.TypeInt32: 4, bson.TypeDouble: 8, bson.TypeInt64: 8, bson.TypeDateTime: 8, bson.TypeTimestamp: 8, bson.TypeObjectID: 12, bson.TypeDecimal128: 16,
}

// nameLen is the length of the field name that b begins with, without its NUL byte; negative when it has no end. Names are short: eight bytes at a time
// are quicker than a call.
func nameLen(b []byte) int {
	for n := 0; n+8 <= len(b); n += 8 {
		if zeros := zeroBytes(binary.LittleEndian.Uint64(b[n:])); zeros != 0 {
			return n + bits.TrailingZeros64(zeros)/8
		}
	}
	tail := len(b) &^ 7
	n := bytes.IndexByte(b[tail:], 0)
	if n < 0 {
		return n
	}
	return tail + n
}

// zeroBytes has the highest bit set of the first byte of x that is zero, from the lowest on, and of none before it.
func zeroBytes(x uint64) uint64 { return (x - 0x0101010101010101) &^ x & 0x8080808080808080 }

// Validate checks doc to the last byte.
func Validate(doc []byte) error { return validate(bson.TypeEmbeddedDocument, doc, 0) }

func validate(t bson.Type, value []byte, depth int) error {
	switch t {
	case bson.TypeEmbeddedDocument, bson.TypeArray:
	case bson.TypeCodeWithScope:
		// int32 total, int32 string length, string, scope: valueLen has checked that they fit.
		n := int(binary.LittleEndian.Uint32(value[4:]))
		value = value[8+n:]
	default:
		return nil
	}
	if depth == MaxDepth {
		return ErrTooDeep
	}
	it := Iterate(value)
	for it.Next() {
		if err := validate(it.Element.Type, it.Element.Value, depth+1); err != nil {
			return err
		}
	}
	return it.Err
}

// valueLen is how many bytes at the start of b the value of type t takes. It checks what it takes to know that, and that
// strings end where they say.
func valueLen(t bson.Type, b []byte) (int, error) {
	switch t {
	case bson.TypeNull, bson.TypeUndefined, bson.TypeMinKey, bson.TypeMaxKey:
		return 0, nil
	case bson.TypeBoolean:
		if len(b) > 0 && b[0] > 1 {
			return 0, errors.New("malformed bson: a bool is neither 0 nor 1")
		}
		return fixed(1, b)
	case bson.TypeInt32:
		return fixed(4, b)
	case bson.TypeDouble, bson.TypeInt64, bson.TypeDateTime, bson.TypeTimestamp:
		return fixed(8, b)
	case bson.TypeObjectID:
		return fixed(12, b)
	case bson.TypeDecimal128:
		return fixed(16, b)
	case bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript:
		return stringLen(b)
	case bson.TypeBinary:
		return prefixed(b, 5, 0)
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		n, err := prefixed(b, 0, 5)
		if err == nil && b[n-1] != 0 {
			err = errors.New("malformed bson: a document does not end with a zero byte")
		}
		return n, err
	case bson.TypeDBPointer:
		n, err := stringLen(b)
		if err != nil {
			return 0, err
		}
		return fixed(n+12, b)
	case bson.TypeRegex:
		return regexLen(b)
	case bson.TypeCodeWithScope:
		return codeWithScopeLen(b)
	default:
		return 0, fmt.Errorf("malformed bson: unknown type 0x%02x", byte(t))
	}
}

func fixed(n int, b []byte) (int, error) {
	if len(b) < n {
		return 0, errTruncated
	}
	return n, nil
}

// prefixed reads an int32 length; extra bytes are not counted in it, and it is at least least.
func prefixed(b []byte, extra, least int) (int, error) {
	if len(b) < 4 {
		return 0, errTruncated
	}
	n := int(int32(binary.LittleEndian.Uint32(b)))
	if n < least {
		return 0, errors.New("malformed bson: a length is too small")
	}
	if n > len(b)-extra {
		return 0, errTruncated
	}
	return n + extra, nil
}

func stringLen(b []byte) (int, error) {
	n, err := prefixed(b, 4, 1)
	if err == nil && b[n-1] != 0 {
		err = errors.New("malformed bson: a string does not end with a zero byte")
	}
	return n, err
}

func regexLen(b []byte) (int, error) {
	pattern := bytes.IndexByte(b, 0)
	if pattern < 0 {
		return 0, errTruncated
	}
	options := bytes.IndexByte(b[pattern+1:], 0)
	if options < 0 {
		return 0, errTruncated
	}
	return pattern + options + 2, nil
}

func codeWithScopeLen(b []byte) (int, error) {
	total, err := prefixed(b, 0, 14)
	if err != nil {
		return 0, err
	}
	code, err := stringLen(b[4:total])
	if err != nil {
		return 0, err
	}
	scope, err := valueLen(bson.TypeEmbeddedDocument, b[4+code:total])
	if err != nil {
		return 0, err
	}
	if 4+code+scope != total {
		return 0, errors.New("malformed bson: the parts of a javascriptWithScope do not add up")
	}
	return total, nil
}
