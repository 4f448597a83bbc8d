package main

import (
	"encoding/binary"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// maxTries bounds how often both sides are asked to make one disagreement smaller.
const maxTries = 2000

// reduce makes a question that still ends in a disagreement, or in this difference, as small as it gets, one part at a time: elements left out, documents replaced by what is in them,
// strings and binaries cut in half. Ciphertexts, and what holds them, stay as they are.
func reduce(s *sides, q *question, difference string) *question {
	if q.kind == decryptValue || q.kind == decryptReply || q.kind == sealMarking || bsonraw.Validate(q.document) != nil {
		return q
	}
	tries := 0
	for again := true; again; {
		again = false
		for _, doc := range smaller(q.document, q.kind == encryptCommand) {
			if tries++; tries > maxTries {
				return q
			}
			candidate := *q
			candidate.document = doc
			ours, theirs, plain := s.ask(&candidate)
			if name, ok := verdict(s, &candidate, ours, theirs, plain); ok == (difference != "") && name == difference {
				q, again = &candidate, true
				break
			}
		}
	}
	return q
}

// smaller are the documents that come of doc by one step; with keep its first element stays.
func smaller(doc []byte, keep bool) (all [][]byte) {
	it := bsonraw.Iterate(doc)
	for at := 4; it.Next(); at += len(it.Element.Raw) {
		e := it.Element
		with := func(element []byte) {
			out, start := bsonraw.Begin(nil)
			out = append(append(append(out, doc[4:at]...), element...), doc[at+len(e.Raw):len(doc)-1]...)
			all = append(all, bsonraw.End(out, start))
		}
		if keep && at == 4 {
			continue
		}
		if string(e.Key) != "v" || len(doc) > 4+len(e.Raw)+1 {
			with(nil)
		}
		for _, v := range smallerValues(e) {
			with(bsonraw.AppendValue(nil, e.Key, v))
		}
	}
	return all
}

func smallerValues(e bsonraw.Element) (all []bson.RawValue) {
	switch e.Type {
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		it := bsonraw.Iterate(e.Value)
		for it.Next() {
			if it.Element.Type == e.Type {
				all = append(all, it.Element.RawValue())
			}
		}
		for _, doc := range smaller(e.Value, false) {
			all = append(all, bson.RawValue{Type: e.Type, Value: doc})
		}
	case bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript:
		if n := len(e.Value) - 5; n > 1 {
			for _, part := range [][]byte{e.Value[4 : 4+n/2], e.Value[4+n/2 : 4+n]} {
				v := append(append(binary.LittleEndian.AppendUint32(nil, uint32(len(part)+1)), part...), 0)
				all = append(all, bson.RawValue{Type: e.Type, Value: v})
			}
		}
	case bson.TypeBinary:
		if n := len(e.Value) - 5; n > 1 && e.Value[4] != bson.TypeBinaryBinaryOld {
			v := append(append(binary.LittleEndian.AppendUint32(nil, uint32(n/2)), e.Value[4]), e.Value[5:5+n/2]...)
			all = append(all, bson.RawValue{Type: e.Type, Value: v})
		}
	}
	return all
}
