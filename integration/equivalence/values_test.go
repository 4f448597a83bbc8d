package equivalence

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

// Canaries are the values of encrypted fields: recognisable where their type allows it, and a few of each type, so that
// equalities find something.
const (
	canaryText = "canary"
	canaryInt  = int32(0x5ec2e700)
	canaryLong = int64(0x5ec2e7005ec2e700)
	canaryDate = bson.DateTime(1_600_000_123_000)
)

// canary is value number i of a BSON type that can be encrypted, bool aside unlike every value of a plain field.
func canary(bsonType string, i int) any {
	text := fmt.Sprintf("%s-%s-%d", canaryText, bsonType, i)
	switch bsonType {
	case "string":
		return []string{text, text + "é漢字", text + " and so long that it fills more than one block of a cipher"}[i%3]
	case "int":
		return canaryInt + int32(i)
	case "long":
		return canaryLong + int64(i)
	case "double":
		return float64(canaryLong>>8) + float64(i)
	case "bool":
		return i%2 == 0
	case "date":
		return canaryDate + bson.DateTime(i)
	case "timestamp":
		return bson.Timestamp{T: uint32(canaryInt), I: uint32(i) + 1}
	case "objectId":
		return bson.ObjectID([]byte(fmt.Sprintf("%s%06d", canaryText, i)))
	case "binData":
		return bson.Binary{Subtype: byte(i % 2 * 128), Data: []byte(text)}
	case "regex":
		return bson.Regex{Pattern: text, Options: "i"}
	case "object":
		return bson.D{{Key: "t", Value: text}, {Key: "d", Value: bson.D{{Key: "i", Value: canaryInt}}}}
	case "array":
		return bson.A{text, bson.D{{Key: "i", Value: canaryLong}}}
	}
	panic("no canary of type " + bsonType)
}

// isCanary says whether a value that is no container is one, or holds one.
func isCanary(v any) bool {
	within := func(n, from int64) bool { return n >= from && n < from+1000 }
	switch v := v.(type) {
	case int32:
		return within(int64(v), int64(canaryInt))
	case int64:
		return within(v, canaryLong) || within(v, int64(canaryInt))
	case float64:
		return within(int64(v), canaryLong>>8) || within(int64(v), int64(canaryInt))
	case bson.DateTime:
		return within(int64(v), int64(canaryDate))
	case bson.Timestamp:
		return v.T == uint32(canaryInt)
	}
	return false
}

// hasCanary searches a command for the canaries that cannot be there by accident.
func hasCanary(cmd []byte) bool {
	long := binary.LittleEndian.AppendUint64(nil, uint64(canaryLong))
	return bytes.Contains(cmd, []byte(canaryText)) || bytes.Contains(cmd, long[2:])
}

// value draws a value that documents may have at p.
func (p place) value(t *rapid.T) any {
	if p.enc == nil {
		return pick(t, p.plain...)
	}
	bsonType := p.enc.bsonType
	if bsonType == "" {
		bsonType = pick(t, randomTypes[1:]...)
	}
	return canary(bsonType, number(t, 3, "canary"))
}

// literal draws what a filter compares p with: mostly a value of p.
func (w *workload) literal(p place) any {
	switch {
	case p.name == "_id":
		return w.knownID()
	case p.name == "n":
		return w.known()
	case number(w.T, 30, "null") == 29:
		return nil
	case p.enc != nil && chance(w.T, 20):
		return w.otherType(p.enc)
	}
	return p.value(w.T)
}

// otherType draws a value of any type; for numbers preferably one that equals a value of the field all the same.
func (w *workload) otherType(e *encryption) any {
	if i := number(w.T, 3, "canary"); e.bsonType == "int" && chance(w.T, 2) {
		return pick(w.T, any(int64(canaryInt)+int64(i)), any(float64(canaryInt)+float64(i)))
	}
	return canary(pick(w.T, randomTypes[1:]...), 1)
}

// id makes the _id number i of the collection.
func (w *workload) id(i int32) any {
	for _, p := range w.places {
		if p.path == "_id" && p.enc != nil {
			if p.enc.bsonType == "string" { // of which there are three texts only
				return fmt.Sprintf("%s-id-%d", canaryText, i)
			}
			return canary(p.enc.bsonType, int(i))
		}
	}
	return i
}

// newID is the _id of a new document; now and then it is taken.
func (w *workload) newID() any {
	if w.serial > 0 && chance(w.T, 30) {
		return w.knownID()
	}
	return w.id(w.serial)
}

// known is the serial number of a document that there was, or of the next one.
func (w *workload) known() int32 { return int32(number(w.T, int(w.serial)+1, "known")) }

func (w *workload) knownID() any { return w.id(w.known()) }

// document draws a new document.
func (w *workload) document() bson.D {
	doc := bson.D{{Key: "_id", Value: w.newID()}, {Key: "n", Value: w.serial}}
	w.serial++
	return append(doc, w.rest(w.fields[2:])...)
}

// rest draws a document of some of the fields.
func (w *workload) rest(fields []field) bson.D {
	doc := bson.D{}
	for _, f := range fields {
		named := f.name == "keyName" || f.name == "alt" // the one needs the other
		if !named && chance(w.T, 4) {
			continue
		}
		doc = append(doc, bson.E{Key: f.name, Value: w.content(f)})
	}
	return doc
}

func (w *workload) content(f field) any {
	switch {
	case f.fields == nil && f.enc != nil && chance(w.T, 200):
		return pick(w.T, any(nil), w.otherType(f.enc))
	case f.fields == nil:
		return place{f.name, f}.value(w.T)
	case chance(w.T, 20):
		return pick(w.T, any(int32(5)), any("red"), any(bson.A{"red"}), any(nil))
	case chance(w.T, 5): // one that others may equal
		first := f.fields[0]
		if first.enc != nil && first.enc.bsonType != "" {
			return bson.D{{Key: first.name, Value: canary(first.enc.bsonType, 0)}}
		}
		return bson.D{}
	}
	return w.rest(f.fields)
}
