package migrate

import (
	"encoding/binary"
	"math"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// edit is what is to be done to one document: some fields go from their exact old values to new ones, or nothing happens.
type edit struct {
	id     bson.RawValue
	set    []change
	guards []keyName // names of keys that must not have changed
}

type change struct {
	path     string
	old, new bson.RawValue
}

// editOf is the edit of a judged document; false when there is nothing to do.
func editOf(id bson.RawValue, all []judged) (edit, bool) {
	e := edit{id: id}
	for _, d := range all {
		if d.change == nil {
			continue
		}
		if e.set == nil {
			e.set = make([]change, 0, len(all))
		}
		e.set = append(e.set, change{d.path, d.value, *d.change})
		if d.keyName != nil && !e.guarded(d.keyName.path) {
			e.guards = append(e.guards, *d.keyName)
		}
	}
	return e, len(e.set) > 0
}

func (e edit) guarded(path string) bool {
	for _, g := range e.guards {
		if g.path == path {
			return true
		}
	}
	return false
}

// exact says whether filter matches no other values than the old ones. Otherwise the pre-image must be looked at.
func (e edit) exact() bool {
	for _, c := range e.set {
		if !exactlyComparable(c.old) {
			return false
		}
	}
	return true
}

// exactlyComparable says whether a server's $eq, together with $type and without a collation, is identity for values such as v.
func exactlyComparable(v bson.RawValue) bool {
	switch v.Type {
	case bson.TypeString, bson.TypeBinary, bson.TypeObjectID, bson.TypeBoolean, bson.TypeDateTime, bson.TypeTimestamp, bson.TypeInt32, bson.TypeInt64:
		return true
	case bson.TypeDouble: // 0 equals -0, and NaN has many forms
		f := math.Float64frombits(binary.LittleEndian.Uint64(v.Value))
		return f != 0 && f == f
	}
	return false // in documents and arrays 1 equals 1.0, decimal 1.0 equals 1.00, and servers differ on code and regular expressions
}

// maxStatement bounds the values of one edit. A server takes no larger statement: it refuses all that come with it, with the code tooLarge
// (BSONObjectTooLarge) and the first value in its words.
const (
	maxStatement = 16 << 20
	tooLarge     = 10334
)

// size is about how many bytes the statement has.
func (e edit) size() int {
	n := len(e.id.Value)
	for _, c := range e.set {
		n += len(c.path) + len(c.old.Value) + len(c.path) + len(c.new.Value)
	}
	return n
}

// growth is by how many bytes the document gets longer.
func (e edit) growth() (n int64) {
	for _, c := range e.set {
		n += int64(len(c.new.Value) - len(c.old.Value))
	}
	return n
}

// wronged is what the edit overwrote in before, the document as it was then, although it was not identical to the old value.
func (e edit) wronged(before bson.Raw) []change {
	var wrong []change
	for _, c := range e.set {
		if was := at(before, c.path); !was.Equal(c.old) {
			wrong = append(wrong, change{path: c.path, old: c.new, new: was})
		}
	}
	return wrong
}

// at is the value at a dotted path through documents; the zero value when there is none.
func at(doc bson.Raw, path string) bson.RawValue {
	name, rest, more := strings.Cut(path, ".")
	it := bsonraw.Iterate(doc)
	for it.Next() {
		if string(it.Element.Key) != name {
			continue
		}
		switch {
		case !more:
			return it.Element.RawValue()
		case it.Element.Type == bson.TypeEmbeddedDocument:
			return at(it.Element.Value, rest)
		}
		break
	}
	return bson.RawValue{}
}
