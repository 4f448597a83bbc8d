package aggmodel

import (
	"bytes"
	"cmp"
	"math"
	"math/big"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// The classes of types in BSON comparison order (manual: "Comparison/Sort Order"). Numbers of all types are one class.
const (
	classUnknown = iota
	classMinKey
	classMissing
	classNull
	classNumber
	classString
	classDocument
	classArray
	classBinary
	classObjectID
	classBool
	classDate
	classTimestamp
	classRegex
	classMaxKey
)

func class(v any) int {
	switch v.(type) {
	case bson.MinKey:
		return classMinKey
	case missing, bson.Undefined:
		return classMissing
	case nil:
		return classNull
	case int32, int64, float64:
		return classNumber
	case string:
		return classString
	case bson.D:
		return classDocument
	case bson.A:
		return classArray
	case bson.Binary:
		return classBinary
	case bson.ObjectID:
		return classObjectID
	case bool:
		return classBool
	case bson.DateTime:
		return classDate
	case bson.Timestamp:
		return classTimestamp
	case bson.Regex:
		return classRegex
	case bson.MaxKey:
		return classMaxKey
	}
	return classUnknown
}

// compare orders any two values, as BSON comparison order does.
func compare(a, b any) int {
	if c := cmp.Compare(class(a), class(b)); c != 0 {
		return c
	}
	switch a := a.(type) {
	case int32, int64, float64:
		return compareNumbers(a, b)
	case string:
		return cmp.Compare(a, b.(string))
	case bson.D:
		return compareDocuments(a, b.(bson.D))
	case bson.A:
		return compareArrays(a, b.(bson.A))
	case bson.Binary:
		b := b.(bson.Binary)
		return cmp.Or(cmp.Compare(len(a.Data), len(b.Data)), cmp.Compare(a.Subtype, b.Subtype), bytes.Compare(a.Data, b.Data))
	case bson.ObjectID:
		b := b.(bson.ObjectID)
		return bytes.Compare(a[:], b[:])
	case bool:
		return compareBools(a, b.(bool))
	case bson.DateTime:
		return cmp.Compare(a, b.(bson.DateTime))
	case bson.Timestamp:
		return a.Compare(b.(bson.Timestamp))
	case bson.Regex:
		b := b.(bson.Regex)
		return cmp.Or(cmp.Compare(a.Pattern, b.Pattern), cmp.Compare(a.Options, b.Options))
	}
	return 0
}

func equal(a, b any) bool { return compare(a, b) == 0 }

// compareDocuments goes field by field: the class of the value, the name, the value; then the longer document is greater.
func compareDocuments(a, b bson.D) int {
	for i := range min(len(a), len(b)) {
		c := cmp.Or(
			cmp.Compare(class(a[i].Value), class(b[i].Value)),
			cmp.Compare(a[i].Key, b[i].Key),
			compare(a[i].Value, b[i].Value))
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func compareArrays(a, b bson.A) int {
	for i := range min(len(a), len(b)) {
		if c := compare(a[i], b[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// compareNumbers is exact across types; NaN is less than every other number and equal to itself.
func compareNumbers(a, b any) int {
	if isNaN(a) || isNaN(b) {
		return compareBools(!isNaN(a), !isNaN(b))
	}
	return exact(a).Cmp(exact(b))
}

func isNaN(v any) bool {
	f, ok := v.(float64)
	return ok && math.IsNaN(f)
}

func exact(v any) *big.Float {
	switch v := v.(type) {
	case int32:
		return new(big.Float).SetInt64(int64(v))
	case int64:
		return new(big.Float).SetInt64(v)
	}
	return big.NewFloat(v.(float64))
}

// contains says whether an equal value is among values.
func contains(values []any, v any) bool {
	for _, x := range values {
		if equal(x, v) {
			return true
		}
	}
	return false
}

// distinct is values without those that are equal to an earlier one.
func distinct(values []any) bson.A {
	found := bson.A{}
	for _, v := range values {
		if !contains(found, v) {
			found = append(found, v)
		}
	}
	return found
}
