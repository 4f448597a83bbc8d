package wire

import (
	"encoding/binary"
	"iter"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// Sequence is an array of a command that an OP_MSG carries beside it, as documents one after the other.
type Sequence struct {
	ID        []byte // the name of the array's field in the command
	Documents []byte // each with its length at the start
}

// sequence reads a section of kind 1 after its kind.
func (b *body) sequence() (s Sequence, ok bool) {
	size := b.int32("document sequence")
	in := body{code: b.code, rest: b.take(int(size)-4, "document sequence"), err: b.err}
	s.ID = in.cstring("name of a document sequence")
	s.Documents = in.rest
	for in.err == nil && len(in.rest) > 0 {
		in.document("document of a sequence")
	}
	if in.err != nil {
		b.err, b.rest = in.err, nil
	}
	return s, in.err == nil
}

func (s Sequence) append(dst []byte) []byte {
	dst = append(dst, kindSequence)
	start := len(dst)
	dst = append(append(dst, 0, 0, 0, 0), s.ID...)
	dst = append(append(dst, 0), s.Documents...)
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst
}

// All are the documents of a decoded sequence.
func (s Sequence) All() iter.Seq[bson.Raw] {
	return func(yield func(bson.Raw) bool) {
		b := body{code: OpMsg, rest: s.Documents}
		for len(b.rest) > 0 {
			if doc := b.document("document of a sequence"); b.err != nil || !yield(doc) {
				return
			}
		}
	}
}

// AppendCommand appends the whole command as one document: the body with the sequences as arrays at its end. It fails when the body has a
// field of a sequence's name, or when the command would be longer than MaxMessageSize.
func (m *Msg) AppendCommand(dst []byte) ([]byte, error) {
	start := len(dst)
	if len(m.Sequences) == 0 {
		return append(dst, m.Body...), nil
	}
	if err := m.distinct(); err != nil {
		return dst, err
	}
	dst = append(dst, m.Body[:len(m.Body)-1]...)
	for _, s := range m.Sequences {
		var array int
		dst, array = bsonraw.BeginArray(dst, s.ID)
		i := int64(0)
		for doc := range s.All() {
			dst = append(dst, byte(bson.TypeEmbeddedDocument))
			dst = append(strconv.AppendInt(dst, i, 10), 0)
			dst = append(dst, doc...)
			if i++; len(dst)-start > MaxMessageSize {
				return dst, malformed(OpMsg, "command with its document sequences is longer than %d bytes", MaxMessageSize)
			}
		}
		dst = bsonraw.End(dst, array)
	}
	return bsonraw.End(dst, start), nil
}

// distinct checks that no field of the joined command is there twice: readers would disagree on which one counts.
func (m *Msg) distinct() error {
	for i, s := range m.Sequences {
		for _, before := range m.Sequences[:i] {
			if string(before.ID) == string(s.ID) {
				return malformed(OpMsg, "two document sequences of one name")
			}
		}
	}
	it := bsonraw.Iterate(m.Body)
	for it.Next() {
		for _, s := range m.Sequences {
			if string(it.Element.Key) == string(s.ID) {
				return malformed(OpMsg, "a document sequence has the name of a field in the body")
			}
		}
	}
	if it.Err != nil {
		return malformed(OpMsg, "body is not valid BSON")
	}
	return nil
}
