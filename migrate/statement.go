package migrate

import (
	"encoding/binary"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// What an edit asks of the server is made here, in BSON: there are two documents for each that is migrated, and marshalling them would take longer than
// encrypting what is in them.

// filter demands the old values. An equality also matches an element of an array, and a path goes through arrays, so that no array may stand where
// there was none.
func (e edit) filter() bson.Raw {
	dst, start := bsonraw.Begin(make([]byte, 0, 256))
	dst = appendID(dst, e.id)
	var above []string
	for _, c := range e.set {
		dst, above = appendAbove(dst, above, c.path)
		dst = appendCondition(dst, c.path, func(dst []byte) []byte {
			dst = bsonraw.AppendValue(dst, "$eq", c.old)
			dst = appendString(dst, "$type", payload.TypeAlias(c.old.Type))
			if c.old.Type != bson.TypeArray {
				dst = noArray(dst)
			}
			return dst
		})
	}
	for _, g := range e.guards {
		if !indexed(g.path) {
			dst, above = appendAbove(dst, above, g.path)
		}
		dst = appendCondition(dst, g.path, func(dst []byte) []byte {
			return noArray(appendString(appendString(dst, "$eq", g.name), "$type", "string"))
		})
	}
	return bsonraw.End(dst, start)
}

// indexed says whether a path may lead to an element of an array, as a JSON pointer does on purpose.
func indexed(path string) bool {
	return slices.ContainsFunc(strings.Split(path, "."), func(name string) bool { return strings.Trim(name, "0123456789") == "" })
}

// appendAbove demands that no array stands above path. The paths that this has been said of are in done.
func appendAbove(dst []byte, done []string, path string) ([]byte, []string) {
	for i := range len(path) {
		if path[i] == '.' && !slices.Contains(done, path[:i]) {
			done = append(done, path[:i])
			dst = appendCondition(dst, path[:i], noArray)
		}
	}
	return dst, done
}

// update sets the new values.
func (e edit) update() bson.Raw {
	dst, start := bsonraw.Begin(make([]byte, 0, 256))
	dst = appendCondition(dst, "$set", func(dst []byte) []byte {
		for _, c := range e.set {
			dst = bsonraw.AppendValue(dst, c.path, c.new)
		}
		return dst
	})
	return bsonraw.End(dst, start)
}

// appendID asks for an _id in the form that servers find fastest; documents need $eq, lest they be read as operators.
func appendID(dst []byte, id bson.RawValue) []byte {
	if id.Type != bson.TypeEmbeddedDocument && id.Type != bson.TypeRegex {
		return bsonraw.AppendValue(dst, "_id", id)
	}
	return appendCondition(dst, "_id", func(dst []byte) []byte { return bsonraw.AppendValue(dst, "$eq", id) })
}

// appendCondition appends an element whose value is the document of what content appends.
func appendCondition(dst []byte, key string, content func([]byte) []byte) []byte {
	dst, start := bsonraw.BeginDocument(dst, key)
	return bsonraw.End(content(dst), start)
}

// noArray is the condition {$not: {$type: "array"}}.
func noArray(dst []byte) []byte {
	return appendCondition(dst, "$not", func(dst []byte) []byte { return appendString(dst, "$type", "array") })
}

func appendString(dst []byte, key, s string) []byte {
	dst = bsonraw.AppendKey(dst, bson.TypeString, key)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s)+1))
	return append(append(dst, s...), 0)
}
