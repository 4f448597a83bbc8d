package bsonraw

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// EncryptedSubtype is the binary subtype of in-use encryption.
const EncryptedSubtype = 6

// EncryptedPayload is the content of a binary value of subtype 6; false for any other value.
func EncryptedPayload(t bson.Type, value []byte) ([]byte, bool) {
	if t != bson.TypeBinary || len(value) < BinaryHead || value[4] != EncryptedSubtype {
		return nil, false
	}
	if uint64(binary.LittleEndian.Uint32(value)) != uint64(len(value)-BinaryHead) {
		return nil, false
	}
	return value[BinaryHead:], true
}

// Found is a binary value of subtype 6, or a document or array on the way to one; positions in the document that was searched.
type Found struct {
	start   uint32 // of the element (a value) or of the length (a document or array)
	content uint32 // of a value; 0 for a document or array
	end     uint32
}

// IsValue says whether f is a binary value, not a document or array.
func (f Found) IsValue() bool { return f.content != 0 }

// Content is the content of a binary value of doc, which must be the document that was searched.
func (f Found) Content(doc []byte) []byte { return doc[f.content:f.end:f.end] }

// MayHoldEncrypted is a quick look: false says that doc holds no binary value of subtype 6 whose content begins with a byte for which wanted is true. It
// does not check that doc is well-formed.
func MayHoldEncrypted(doc []byte, wanted func(first byte) bool) bool {
	for at := 0; ; at++ { // a length of four bytes, the subtype, the content
		next := bytes.IndexByte(doc[at:], EncryptedSubtype)
		if next < 0 {
			return false
		}
		at += next
		if at >= 4 && at+1 < len(doc) && wanted(doc[at+1]) && uint64(binary.LittleEndian.Uint32(doc[at-4:])) < uint64(len(doc)-at) {
			return true
		}
	}
}

// Find appends to found every binary value of subtype 6 in doc, in document order, through documents and arrays (not into the scope of
// JavaScript), each document or array that holds one before what is in it.
func Find(found []Found, doc []byte) ([]Found, error) {
	if _, err := body(doc); err != nil {
		return found, err
	}
	f := finder{doc: doc, found: found}
	err := f.container(0, len(doc), 0)
	return f.found, err
}

type finder struct {
	doc   []byte
	found []Found
}

// container searches the document or array at start, whose length and final zero byte have been checked.
func (f *finder) container(start, end, depth int) error {
	if depth == MaxDepth {
		return ErrTooDeep
	}
	before := len(f.found)
	f.found = append(f.found, Found{start: uint32(start), end: uint32(end)})
	doc := f.doc[:end-1]
	for at := start + 4; at < len(doc); {
		if at = skip(doc, at); at == len(doc) {
			break
		}
		value, length, err := step(doc[at:])
		if err != nil {
			return err
		}
		next := at + length
		switch bson.Type(doc[at]) {
		case bson.TypeEmbeddedDocument, bson.TypeArray:
			if err := f.container(at+value, next, depth+1); err != nil {
				return err
			}
		case bson.TypeBinary:
			if doc[at+value+4] == EncryptedSubtype {
				f.found = append(f.found, Found{start: uint32(at), content: uint32(at + value + 5), end: uint32(next)})
			}
		}
		at = next
	}
	if len(f.found) == before+1 {
		f.found = f.found[:before]
	}
	return nil
}

// skip passes over elements with short names whose values are strings or of fixed length, which most are, and are quick to tell the end of. It returns where the next
// other element begins, or one that only looks malformed to it.
func skip(doc []byte, at int) int {
	for len(doc)-at > 8 {
		zeros := zeroBytes(binary.LittleEndian.Uint64(doc[at+1:]))
		if zeros == 0 {
			break
		}
		value := at + 2 + bits.TrailingZeros64(zeros)/8
		n := int(fixedSizes[doc[at]])
		if n == 0 {
			if bson.Type(doc[at]) != bson.TypeString || len(doc)-value < 5 {
				break
			}
			if n = int(binary.LittleEndian.Uint32(doc[value:])) + 4; n < 5 || n > len(doc)-value || doc[value+n-1] != 0 {
				break
			}
		}
		if n > len(doc)-value {
			break
		}
		at = value + n
	}
	return at
}

// Scan calls found with the content of every value that Find finds, in document order. It stops at the first error.
func Scan(doc []byte, found func(payload []byte) error) error {
	all, err := Find(nil, doc)
	for _, f := range all {
		if f.IsValue() {
			if err := found(f.Content(doc)); err != nil {
				return err
			}
		}
	}
	return err
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
func Rewrite(dst, doc []byte, replace Replace) ([]byte, error) {
	found, err := Find(nil, doc)
	if err != nil {
		return nil, err
	}
	return RewriteFound(dst, doc, found, replace)
}

// RewriteFound is Rewrite of a document in which Find has found these: what lies between them is copied as it is.
func RewriteFound(dst, doc []byte, found []Found, replace Replace) ([]byte, error) {
	if len(found) == 0 {
		return append(dst, doc...), nil
	}
	r := rewriter{doc: doc, found: found, replace: replace}
	return r.container(dst)
}

type rewriter struct {
	doc     []byte
	found   []Found // what is still to come
	replace Replace
}

// container writes the document or array that comes next.
func (r *rewriter) container(dst []byte) ([]byte, error) {
	c, start := r.next(), len(dst)
	at := c.start // what is before it has been written
	for len(r.found) > 0 && r.found[0].start < c.end {
		var err error
		f := r.found[0]
		if f.IsValue() {
			dst, err = r.value(append(dst, r.doc[at:f.content-5]...), r.next())
		} else {
			dst, err = r.container(append(dst, r.doc[at:f.start]...))
		}
		if err != nil {
			return nil, err
		}
		at = f.end
	}
	dst = append(dst, r.doc[at:c.end]...)
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst, nil
}

// value writes the value of an element whose type and name are written.
func (r *rewriter) value(dst []byte, f Found) ([]byte, error) {
	out, replacement, err := r.replace(dst, f.Content(r.doc))
	if err != nil {
		return nil, err
	}
	if replacement.Keep {
		return append(dst, r.doc[f.content-5:f.end]...), nil
	}
	out[len(dst)-int(f.content-5-f.start)] = byte(replacement.Type)
	return out, nil
}

func (r *rewriter) next() Found {
	f := r.found[0]
	r.found = r.found[1:]
	return f
}
