package migrate

import (
	"encoding/binary"
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// bracket is a group of BSON types that servers compare with each other. An inequality such as $gt finds values of its operand's bracket only, so
// that _ids of several types must be gone through bracket by bracket.
type bracket string

// brackets are the types that _ids usually have, by the alias that $type takes. Everything else, such as null or minKey, is in others, which is read
// as a whole: servers that refuse the alias of a type do not store it either.
var brackets = []bracket{"number", "string", "object", "binData", "objectId", "bool", "date", "timestamp"}

const others bracket = "others"

func (b bracket) condition() bson.D {
	if b != others {
		return bson.D{{Key: "$type", Value: string(b)}}
	}
	all := bson.A{}
	for _, named := range brackets {
		all = append(all, string(named))
	}
	return bson.D{{Key: "$not", Value: bson.D{{Key: "$type", Value: all}}}}
}

// span is a range of _ids of one bracket.
type span struct {
	bracket bracket
	after   bson.RawValue // exclusive; the zero value: from the bracket's start
	upTo    bson.RawValue // inclusive; the zero value: to its end
}

// filter finds the documents of the span whose _id is greater than resumed, if that is given.
func (s span) filter(resumed bson.RawValue) bson.D {
	lower := s.after
	if !resumed.IsZero() {
		lower = resumed
	}
	var id bson.D
	if s.bracket == others || lower.IsZero() || isNaN(lower) { // NaN is the first number, but nothing is greater than it
		id = s.bracket.condition()
	} else {
		id = bson.D{{Key: "$gt", Value: lower}}
	}
	switch {
	case s.upTo.IsZero():
	case id[0].Key == "$type" && s.bracket == "number":
		id = append(id, bson.E{Key: "$not", Value: bson.D{{Key: "$gt", Value: s.upTo}}}) // NaN is not less than anything
	default:
		id = append(id, bson.E{Key: "$lte", Value: s.upTo})
	}
	return bson.D{{Key: "_id", Value: id}}
}

func isNaN(v bson.RawValue) bool {
	switch v.Type {
	case bson.TypeDouble:
		return math.IsNaN(math.Float64frombits(binary.LittleEndian.Uint64(v.Value)))
	case bson.TypeDecimal128:
		return v.Decimal128().IsNaN()
	}
	return false
}

// whole is the collection as one span for each bracket.
func whole() []span {
	var all []span
	for _, b := range append(brackets[:len(brackets):len(brackets)], others) {
		all = append(all, span{bracket: b})
	}
	return all
}

// divided cuts the bracket of the bounds, which ascend, at each of them.
func divided(b bracket, bounds []bson.RawValue) []span {
	all := []span{{bracket: b}}
	for _, bound := range bounds {
		last := len(all) - 1
		all[last].upTo = bound
		all = append(all, span{bracket: b, after: bound})
	}
	return all
}
