package wire

import (
	"bytes"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// emptyDocument is the length of a document without elements.
const emptyDocument = 5

// body takes a message apart from its start; after the first error nothing more is taken.
type body struct {
	code OpCode
	rest []byte
	err  error
}

// open checks that message is one whole message of the kind code.
func open(message []byte, code OpCode) body {
	var h Header
	b := body{code: code}
	if b.err = h.Decode(message, MaxMessageSize); b.err != nil {
		return b
	}
	switch {
	case h.OpCode != code:
		b.fail("opcode is %d", int32(h.OpCode))
	case int(h.Length) != len(message):
		b.fail("message length %d, but got %d bytes", h.Length, len(message))
	default:
		b.rest = message[HeaderSize:]
	}
	return b
}

func (b *body) fail(format string, args ...any) {
	if b.err == nil {
		b.err = malformed(b.code, format, args...)
	}
	b.rest = nil
}

// take is the next n bytes; nil after an error.
func (b *body) take(n int, what string) (taken []byte) {
	if b.err == nil && (n < 0 || n > len(b.rest)) {
		b.fail("%s needs %d bytes, %d left", what, n, len(b.rest))
	}
	if b.err == nil {
		taken, b.rest = b.rest[:n:n], b.rest[n:]
	}
	return taken
}

func (b *body) byte(what string) byte {
	if v := b.take(1, what); v != nil {
		return v[0]
	}
	return 0
}

func (b *body) int32(what string) int32 {
	if v := b.take(4, what); v != nil {
		return getInt32(v)
	}
	return 0
}

// cstring is the next bytes up to a zero byte.
func (b *body) cstring(what string) []byte {
	end := bytes.IndexByte(b.rest, 0)
	if b.err == nil && end < 0 {
		b.fail("%s does not end", what)
	}
	return bytes.TrimSuffix(b.take(end+1, what), []byte{0})
}

// document is the next document, of which length and final zero are checked.
func (b *body) document(what string) bson.Raw {
	size := emptyDocument
	if len(b.rest) >= 4 {
		size = int(getInt32(b.rest))
	}
	if b.err == nil && size < emptyDocument {
		b.fail("%s has the length %d, want %d at least", what, size, emptyDocument)
	}
	doc := b.take(size, what)
	if doc != nil && doc[size-1] != 0 {
		b.fail("%s does not end with a zero byte", what)
		return nil
	}
	return doc
}

// end fails if there is anything left.
func (b *body) end() error {
	if b.err == nil && len(b.rest) > 0 {
		b.fail("%d bytes left over", len(b.rest))
	}
	return b.err
}
