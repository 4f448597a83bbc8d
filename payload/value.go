package payload

import (
	"bytes"
	"encoding/binary"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// maxDepth bounds how deep documents and arrays may nest in one value. MongoDB servers accept 100 levels in what they store and 200 in
// any message; a value within a ciphertext is neither, and the larger bound loses no data.
const maxDepth = 200

// malformed is the size of what is no value.
const malformed = -1

// wellFormed reports whether b is exactly one BSON value of type t, nested documents included. Like the drivers it does not ask whether
// strings are UTF-8 or array keys are numbers: a value that an application could store must come back.
func wellFormed(t bson.Type, b []byte) bool { return valueSize(t, b, 0) == len(b) }

// valueSize returns the length of the well-formed value of type t at the start of b, else malformed. depth counts the enclosing documents.
func valueSize(t bson.Type, b []byte, depth int) int {
	switch t {
	case bson.TypeNull, bson.TypeUndefined, bson.TypeMinKey, bson.TypeMaxKey:
		return 0
	case bson.TypeBoolean:
		if len(b) > 0 && b[0] > 1 {
			return malformed
		}
		return fixedSize(b, 1)
	case bson.TypeInt32:
		return fixedSize(b, 4)
	case bson.TypeDouble, bson.TypeInt64, bson.TypeDateTime, bson.TypeTimestamp:
		return fixedSize(b, 8)
	case bson.TypeObjectID:
		return fixedSize(b, 12)
	case bson.TypeDecimal128:
		return fixedSize(b, 16)
	case bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript:
		return stringSize(b)
	case bson.TypeBinary:
		return binarySize(b)
	case bson.TypeRegex:
		return join(b, cstringSize, cstringSize)
	case bson.TypeDBPointer:
		return join(b, stringSize, func(b []byte) int { return fixedSize(b, 12) })
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		return documentSize(b, depth+1)
	case bson.TypeCodeWithScope:
		return codeWithScopeSize(b, depth+1)
	}
	return malformed
}

func fixedSize(b []byte, n int) int {
	if len(b) < n {
		return malformed
	}
	return n
}

// join is the size of a value that is one part after the other.
func join(b []byte, parts ...func([]byte) int) int {
	total := 0
	for _, size := range parts {
		n := size(b[total:])
		if n == malformed {
			return malformed
		}
		total += n
	}
	return total
}

// lengthPrefix reads the int32 at the start of b, which counts itself when self is 4, and returns where the counted bytes end.
func lengthPrefix(b []byte, self, least int) int {
	if len(b) < 4 {
		return malformed
	}
	n := int64(int32(binary.LittleEndian.Uint32(b)))
	if n < int64(least) || n > int64(len(b)-4+self) {
		return malformed
	}
	return int(n) + 4 - self
}

func stringSize(b []byte) int {
	n := lengthPrefix(b, 0, 1)
	if n == malformed || b[n-1] != 0 {
		return malformed
	}
	return n
}

func cstringSize(b []byte) int {
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return malformed
	}
	return i + 1
}

// binarySize: the length counts what follows the subtype byte. In the old subtype 2 that begins with a second length.
func binarySize(b []byte) int {
	end := lengthPrefix(b, 0, 0)
	if end == malformed || len(b) <= end {
		return malformed
	}
	if b[4] == bson.TypeBinaryBinaryOld && lengthPrefix(b[5:end+1], 0, 0) != end-4 {
		return malformed
	}
	return end + 1
}

// documentElements returns the elements of the document at the start of b, not yet checked, and the document's size or malformed.
func documentElements(b []byte) (elements []byte, size int) {
	size = lengthPrefix(b, 4, 5)
	if size == malformed || b[size-1] != 0 {
		return nil, malformed
	}
	return b[4 : size-1], size
}

func documentSize(b []byte, depth int) int {
	if depth > maxDepth {
		return malformed
	}
	elements, size := documentElements(b)
	for len(elements) > 0 {
		var ok bool
		if _, _, elements, ok = nextElement(elements, depth); !ok {
			return malformed
		}
	}
	return size
}

// nextElement splits the first element, checked, from the elements of a document that stands at depth.
func nextElement(elements []byte, depth int) (name []byte, value bson.RawValue, rest []byte, ok bool) {
	t := bson.Type(elements[0])
	n := cstringSize(elements[1:])
	if n == malformed {
		return nil, bson.RawValue{}, nil, false
	}
	name, rest = elements[1:n], elements[1+n:]
	size := valueSize(t, rest, depth)
	if size == malformed {
		return nil, bson.RawValue{}, nil, false
	}
	return name, bson.RawValue{Type: t, Value: rest[:size:size]}, rest[size:], true
}

func codeWithScopeSize(b []byte, depth int) int {
	const least = 4 + 5 + 5 // its own length, an empty string, an empty document
	size := lengthPrefix(b, 4, least)
	if size == malformed {
		return malformed
	}
	parts := join(b[4:size], stringSize, func(b []byte) int { return documentSize(b, depth) })
	if parts != size-4 {
		return malformed
	}
	return size
}
