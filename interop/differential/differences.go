package main

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// difference is one that is meant to be.
type difference struct {
	name    string
	older   bool // only older libmongocrypt differs
	reason  string
	applies func(s *sides, q *question, ours, theirs answer) bool
}

// differences are all that are meant to be. The first that applies counts.
var differences = []difference{
	{"rewritten value", false, "libmongocrypt sorts the options of a regular expression, drops those it does not know, and cuts javascript, javascriptWithScope " +
		"and dbPointer at their first NUL, encrypting and decrypting; fieldcrypt keeps the bytes that it is given", asRewritten},
	{"no UTF-8 in a scope", false, "libmongocrypt refuses javascriptWithScope with strings in its scope that are no UTF-8, though not when it encrypts explicitly; " +
		"fieldcrypt takes them, as in other documents", badScope},
	{"padding of no bytes", false, "libmongocrypt takes a last byte of 0 for padding without bytes, which encryption never writes; fieldcrypt refuses it",
		refused("malformed padding", decryptValue, decryptReply)},
	{"malformed BSON", false, "libmongocrypt takes strings in documents that do not end with a NUL, and bytes after the value; fieldcrypt refuses them", malformed},
	{"too deep", false, "fieldcrypt encrypts and decrypts values that nest 200 levels at most", tooDeep},
	{"type without bytes", false, "libmongocrypt decrypts null, undefined, minKey and maxKey, which it never encrypts; fieldcrypt refuses them",
		func(_ *sides, q *question, ours, theirs answer) bool {
			return (q.kind == decryptValue || q.kind == decryptReply) && ours.err != nil && theirs.err == nil && withoutBytes(theirs.given)
		}},
	{"field twice", false, "libmongocrypt takes the last of two fields of one name in a marking; fieldcrypt refuses what has two meanings",
		refused("duplicate field", sealMarking)},
	{"type of a marked value", false, "in markings, libmongocrypt does not look at the type of the value; fieldcrypt refuses those that explicit encryption refuses",
		refused("cannot encrypt element of type", sealMarking)},
	{"not decrypted", true, "older libmongocrypt gives back unchanged what is no ciphertext that it knows; fieldcrypt and newer ones refuse it",
		func(s *sides, q *question, ours, theirs answer) bool {
			return older(s.library) && (q.kind == decryptValue || q.kind == decryptReply) && ours.err != nil && bytes.Equal(theirs.given, q.document)
		}},
	{"newer command", true, "older libmongocrypt does not know the command", func(s *sides, q *question, ours, theirs answer) bool {
		return older(s.library) && q.kind == encryptCommand && ours.err == nil && theirs.err != nil &&
			strings.Contains(theirs.err.Error(), "not supported for auto encryption: bulkWrite")
	}},
	{"alt name with NUL", false, "libmongocrypt cuts an alt name at its first NUL when it looks into its cache of keys, and finds that of the shorter name", nulInAltName},
}

// onPurpose names the difference, if it is one of those; empty otherwise.
func onPurpose(s *sides, q *question, ours, theirs answer) string {
	for _, d := range differences {
		if d.applies(s, q, ours, theirs) {
			return d.name
		}
	}
	return ""
}

// refused is the difference that fieldcrypt alone refuses, with a reason in which text stands.
func refused(text string, kinds ...kind) func(*sides, *question, answer, answer) bool {
	return func(_ *sides, q *question, ours, theirs answer) bool {
		return slices.Contains(kinds, q.kind) && ours.err != nil && theirs.err == nil && strings.Contains(ours.err.Error(), text)
	}
}

// badScope also says yes to what libmongocrypt encrypts and cannot decrypt.
func badScope(_ *sides, q *question, ours, theirs answer) bool {
	doc := q.document
	switch q.kind {
	case decryptValue, decryptReply:
		doc = ours.given
	case sealMarking:
		doc = bson.Raw(only(q.document).Value[6:])
	}
	return ours.err == nil && (theirs.err != nil || bytes.Contains(ours.opened, []byte(otherSays))) && badText(doc, false)
}

// badText says whether doc has, within, or anywhere in a javascriptWithScope, text that is no UTF-8.
func badText(doc []byte, within bool) bool {
	it := bsonraw.Iterate(doc)
	for it.Next() {
		e := it.Element
		switch {
		case within && !utf8.Valid(e.Key):
			return true
		case e.Type == bson.TypeCodeWithScope:
			scope := e.Value[4+4+binary.LittleEndian.Uint32(e.Value[4:]):]
			if badText(scope, true) || !utf8.Valid(e.Value[8:len(e.Value)-len(scope)]) {
				return true
			}
		case e.IsContainer():
			if badText(e.Value, within) {
				return true
			}
		case within && slices.Contains([]bson.Type{bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript}, e.Type) && !utf8.Valid(e.Value[4:]),
			within && e.Type == bson.TypeDBPointer && !utf8.Valid(e.Value[4:len(e.Value)-12]),
			within && e.Type == bson.TypeRegex && !utf8.Valid(e.Value):
			return true
		}
	}
	return false
}

// malformed asks the strict reader, with which the ciphers have nothing in common.
func malformed(s *sides, q *question, ours, theirs answer) bool {
	if ours.err == nil || theirs.err != nil {
		return false
	}
	switch q.kind {
	case sealMarking:
		return bsonraw.Validate(only(q.document).Value[6:]) != nil
	case decryptValue, decryptReply:
		bad := false
		_ = bsonraw.Scan(q.document, func(b []byte) error {
			if plaintext, ok := unseal(s.vault, b); ok {
				doc := alone(bson.RawValue{Type: bson.Type(b[17]), Value: plaintext})
				bad = bad || bsonraw.Validate(doc) != nil || elements(doc) > 1 // what follows the value may read as another element
			}
			return nil
		})
		return bad
	}
	return false
}

func elements(doc []byte) (n int) {
	for it := bsonraw.Iterate(doc); it.Next(); n++ {
	}
	return n
}

// tooDeep counts the scope of a javascriptWithScope as a level.
func tooDeep(_ *sides, q *question, ours, theirs answer) bool {
	doc := q.document
	switch {
	case ours.err == nil || theirs.err != nil:
		return false
	case q.kind == decryptValue || q.kind == decryptReply:
		doc = theirs.given
	case q.kind == sealMarking:
		doc = bson.Raw(only(doc).Value[6:])
	}
	return depth(doc) > 200
}

func depth(doc []byte) (levels int) {
	it := bsonraw.Iterate(doc)
	for it.Next() {
		switch e := it.Element; {
		case e.IsContainer():
			levels = max(levels, 1+depth(e.Value))
		case e.Type == bson.TypeCodeWithScope:
			levels = max(levels, 1+depth(e.Value[8+binary.LittleEndian.Uint32(e.Value[4:]):]))
		}
	}
	return levels
}

func withoutBytes(doc []byte) bool {
	it := bsonraw.Iterate(doc)
	for it.Next() {
		if len(it.Element.Value) == 0 || it.Element.IsContainer() && withoutBytes(it.Element.Value) {
			return true
		}
	}
	return false
}

func nulInAltName(_ *sides, q *question, ours, theirs answer) bool {
	if q.kind != sealMarking || ours.err == nil || theirs.err != nil {
		return false
	}
	m, err := payload.ParseMarking(only(q.document).Value[5:])
	return err == nil && strings.Contains(m.KeyAltName, "\x00")
}
