package main

import (
	"bytes"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/interop/differential/draw"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// asRewritten says whether libmongocrypt answers as fieldcrypt does when it is asked about what libmongocrypt's C library makes of the value.
func asRewritten(s *sides, q *question, ours, theirs answer) bool {
	other := *q
	switch q.kind {
	case decryptValue, decryptReply:
		return ours.err == nil && theirs.err == nil && bytes.Equal(rewritten(ours.given), theirs.given)
	case encryptValue:
		other.document = rewritten(q.document)
	case sealMarking:
		marking := rewritten(only(q.document).Value[6:])
		other.document = alone(draw.Binary(payload.Subtype, append([]byte{0}, marking...)))
	default:
		return false
	}
	if bytes.Equal(other.document, q.document) {
		return false
	}
	ourselves := *s
	ourselves.theirs = nil
	instead, _, _ := ourselves.ask(&other)
	return instead.same(theirs)
}

// rewritten is what libbson makes of a document when it reads and writes it; the same slice if it cannot be read.
func rewritten(doc bson.Raw) bson.Raw {
	out, start := bsonraw.Begin(nil)
	it := bsonraw.Iterate(doc)
	for it.Next() {
		v := it.Element.RawValue()
		v.Value = rewrittenValue(v)
		out = bsonraw.AppendValue(out, it.Element.Key, v)
	}
	if it.Err != nil {
		return doc
	}
	return bsonraw.End(out, start)
}

func rewrittenValue(v bson.RawValue) []byte {
	switch v.Type {
	case bson.TypeRegex:
		out := bytes.Clone(v.Value[:bytes.IndexByte(v.Value, 0)+1])
		options := v.Value[len(out):]
		for _, o := range []byte("ilmsux") {
			if bytes.IndexByte(options, o) >= 0 {
				out = append(out, o)
			}
		}
		return append(out, 0)
	case bson.TypeJavaScript, bson.TypeDBPointer:
		return cutAtNUL(v.Value)
	case bson.TypeCodeWithScope:
		out := append([]byte{0, 0, 0, 0}, cutAtNUL(v.Value[4:])...)
		setLength(out, len(out))
		return out
	case bson.TypeEmbeddedDocument, bson.TypeArray: // of a reply; the document that is a decrypted value is not read
		if len(v.Value) > 4 && v.Type == bson.TypeArray || bson.Raw(v.Value).Lookup("v").Type != 0 {
			return rewritten(v.Value)
		}
	}
	return v.Value
}

// cutAtNUL cuts the string at the start of b.
func cutAtNUL(b []byte) []byte {
	end := bytes.IndexByte(b[4:], 0) + 4
	all := 4 + int(b[0]) + int(b[1])<<8 + int(b[2])<<16 // where the string ends
	out := append(append(bytes.Clone(b[:end]), 0), b[all:]...)
	setLength(out, end-3)
	return out
}

func setLength(b []byte, n int) {
	b[0], b[1], b[2], b[3] = byte(n), byte(n>>8), byte(n>>16), byte(n>>24)
}
