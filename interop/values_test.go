package interop

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// sample is a value of one BSON type, and which algorithms take it.
type sample struct {
	name                  string
	value                 bson.RawValue
	deterministic, random bool
}

func samples(t *testing.T) []sample {
	t.Helper()
	oid, err := bson.ObjectIDFromHex("0123456789abcdef01234567")
	if err != nil {
		t.Fatal(err)
	}
	decimal, err := bson.ParseDecimal128("-12.340")
	if err != nil {
		t.Fatal(err)
	}
	all := []struct {
		name                  string
		value                 any
		deterministic, random bool
	}{
		{"string", "457-55-5462", true, true},
		{"empty string", "", true, true},
		{"string of one block", "12345678901", true, true}, // 16 bytes with its length and NUL
		{"string beyond ASCII", "Zoë 日本\x00x", true, true},
		{"int", int32(-5), true, true},
		{"long", int64(5), true, true},
		{"objectId", oid, true, true},
		{"date", bson.NewDateTimeFromTime(time.Date(1969, 12, 31, 23, 59, 59, 1e6, time.UTC)), true, true},
		{"timestamp", bson.Timestamp{T: 1, I: 2}, true, true},
		{"regex", bson.Regex{Pattern: "^a.b", Options: "im"}, true, true},
		{"javascript", bson.JavaScript("function() {}"), true, true},
		{"symbol", bson.Symbol("sym"), true, true},
		{"dbPointer", bson.DBPointer{DB: "db.c", Pointer: oid}, true, true},
		{"binary", bson.Binary{Data: []byte{1, 2, 3}}, true, true},
		{"empty binary", bson.Binary{Data: []byte{}}, true, true},
		{"old binary", bson.Binary{Subtype: 2, Data: []byte{1, 2, 3}}, true, true},
		{"uuid", bson.Binary{Subtype: 4, Data: make([]byte, 16)}, true, true},
		{"user-defined binary", bson.Binary{Subtype: 0x80, Data: []byte{1}}, true, true},
		{"double", 1.5, false, true},
		{"decimal", decimal, false, true},
		{"bool", true, false, true},
		{"object", bson.D{{Key: "a", Value: int32(1)}, {Key: "b", Value: bson.A{"x", nil}}}, false, true},
		{"array", bson.A{int32(1), "x"}, false, true},
		{"javascriptWithScope", bson.CodeWithScope{Code: "f", Scope: bson.D{{Key: "x", Value: int32(1)}}}, false, true},
		{"null", nil, false, false},
		{"undefined", bson.Undefined{}, false, false},
		{"minKey", bson.MinKey{}, false, false},
		{"maxKey", bson.MaxKey{}, false, false},
		{"encrypted binary", bson.Binary{Subtype: 6, Data: make([]byte, 66)}, false, false},
	}
	var out []sample
	for _, s := range all {
		out = append(out, sample{s.name, document(t, bson.D{{Key: "v", Value: s.value}}).Lookup("v"), s.deterministic, s.random})
	}
	return out
}
