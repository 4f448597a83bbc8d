package payload

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

// Markings that mongocryptd made, as published in the drivers' test data and recomputed from the specification's examples.
func TestMarkingVectors(t *testing.T) {
	as := KeyID([]byte("aaaaaaaaaaaaaaaa"))
	for _, tt := range []struct {
		name, base64 string
		want         Marking
	}{
		{"ki", "ADgAAAAQYQABAAAABWtpABAAAAAEYWFhYWFhYWFhYWFhYWFhYQJ2AAwAAAA0NTctNTUtNTQ2MgAA",
			Marking{Algorithm: Deterministic, KeyID: &as, Value: value(t, "457-55-5462")}},
		{"ki of zeros", "ADQAAAAQYQABAAAABWtpABAAAAAEAAAAAAAAAAAAAAAAAAAAAAJ2AAgAAABzdHJpbmcwAAA=",
			Marking{Algorithm: Deterministic, KeyID: new(KeyID), Value: value(t, "string0")}},
		{"ka, deterministic", "ADAAAAAQYQABAAAAAmthAAkAAABTaGFybGVuZQACdgAMAAAANDU3LTU1LTU0NjIAAA==",
			Marking{Algorithm: Deterministic, KeyAltName: "Sharlene", Value: value(t, "457-55-5462")}},
		{"ka, random", "ACsAAAAQYQACAAAAAmthAAgAAABhbHRuYW1lAAJ2AAgAAABzdHJpbmcwAAA=",
			Marking{Algorithm: Random, KeyAltName: "altname", Value: value(t, "string0")}},
	} {
		b := unbase64(t, tt.base64)
		got, err := ParseMarking(b)
		if err != nil {
			t.Errorf("%s: parse: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: parse (-want +got):\n%s", tt.name, diff)
		}
		prefix := []byte("prefix")
		if out, err := tt.want.Append(prefix); err != nil || !bytes.Equal(out, append(prefix, b...)) {
			t.Errorf("%s: append: got %x, %v\nwant %x", tt.name, out, err, b)
		}
	}
}

// markingBytes returns the marking that holds doc.
func markingBytes(t *testing.T, doc bson.D) []byte {
	t.Helper()
	raw, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte{0}, raw...)
}

func TestParseMarkingRefusals(t *testing.T) {
	ki := bson.Binary{Subtype: 4, Data: make([]byte, 16)}
	good := bson.D{{Key: "v", Value: "x"}, {Key: "ki", Value: ki}, {Key: "a", Value: int32(2)}}
	if _, err := ParseMarking(markingBytes(t, good)); err != nil {
		t.Fatalf("fields in another order: %v", err)
	}
	set := func(key string, v any) []byte {
		doc := bson.D{}
		for _, e := range good {
			if e.Key != key {
				doc = append(doc, e)
			}
		}
		if v != nil {
			doc = append(doc, bson.E{Key: key, Value: v})
		}
		return markingBytes(t, doc)
	}
	whole := markingBytes(t, good)
	for _, tt := range []struct {
		name string
		b    []byte
		want string
	}{
		{"empty", nil, "invalid marking, length < 6"},
		{"5 bytes", make([]byte, 5), "invalid marking, length < 6"},
		{"a ciphertext", append([]byte{1}, whole[1:]...), "invalid marking, first byte must be 0 or 3"},
		{"a Queryable Encryption placeholder", append([]byte{3}, whole[1:]...), "only 0, client-side field level encryption, is supported"},
		{"no document", make([]byte, 6), "not one BSON document"},
		{"truncated", whole[:len(whole)-1], "not one BSON document"},
		{"bytes after the document", append(whole[:len(whole):len(whole)], 0), "not one BSON document"},
		{"element without its end", []byte{0, 8, 0, 0, 0, 2, 'a', 0, 0}, "malformed BSON document"},
		{"no fields", markingBytes(t, bson.D{}), "no 'v' specified"},
		{"published sample without v", unbase64(t, "ACUAAAAQYQABAAAABWtpABAAAAAEYWFhYWFhYWFhYWFhYWFhYQA="), "no 'v' specified"},
		{"no a", set("a", nil), "no 'a' specified"},
		{"a is int64", set("a", int64(1)), "invalid marking, 'a' must be an int32"},
		{"a is 0", set("a", int32(0)), "invalid algorithm value: 0"},
		{"a is 3", set("a", int32(3)), "invalid algorithm value: 3"},
		{"a is 257", set("a", int32(257)), "invalid algorithm value: 257"},
		{"no key", set("ki", nil), "neither 'ki' nor 'ka' specified"},
		{"both keys", set("ka", "name"), "both 'ki' and 'ka' specified"},
		{"ki of another subtype", set("ki", bson.Binary{Subtype: 3, Data: make([]byte, 16)}), "key id must be a UUID"},
		{"ki of 15 bytes", set("ki", bson.Binary{Subtype: 4, Data: make([]byte, 15)}), "key id must be a UUID"},
		{"ki is a string", set("ki", "x"), "key id must be a UUID"},
		{"ka is no string", set("ka", int32(1)), "key alt name must be a UTF8"},
		{"ka is a symbol", set("ka", bson.Symbol("name")), "key alt name must be a UTF8"},
		{"ka is not UTF-8", set("ka", "\xff"), "key alt name must be a UTF8"},
		{"ka is empty", set("ka", ""), "key alt name must not be empty"},
		{"unknown field", set("iv", int32(1)), "unrecognized field 'iv'"},
		{"unknown field that would break a log line", set("x\ny'", int32(1)), `unrecognized field 'x\ny''`},
		{"unknown field, long", set(strings.Repeat("x", 100), int32(1)), "unrecognized field '" + strings.Repeat("x", 64) + "…'"},
		{"duplicate field", markingBytes(t, append(good, bson.E{Key: "v", Value: "y"})), "duplicate field 'v'"},
	} {
		m, err := ParseMarking(tt.b)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got error %v, want %q", tt.name, err, tt.want)
		}
		if diff := cmp.Diff(Marking{}, m); diff != "" {
			t.Errorf("%s: a marking beside the error", tt.name)
		}
	}
}

func TestAppendMarkingRefusals(t *testing.T) {
	v := value(t, "x")
	for _, tt := range []struct {
		m    Marking
		want string
	}{
		{Marking{}, "invalid algorithm value: 0"},
		{Marking{Algorithm: 3, KeyAltName: "n", Value: v}, "invalid algorithm value: 3"},
		{Marking{Algorithm: Random, Value: v}, "neither 'ki' nor 'ka' specified"},
		{Marking{Algorithm: Random, KeyID: new(KeyID), KeyAltName: "n", Value: v}, "both 'ki' and 'ka' specified"},
		{Marking{Algorithm: Random, KeyAltName: "\xff", Value: v}, "key alt name must be a UTF8"},
		{Marking{Algorithm: Random, KeyAltName: "n"}, "'v' is not one BSON value"},
		{Marking{Algorithm: Random, KeyAltName: "n", Value: bson.RawValue{Type: bson.TypeInt32, Value: make([]byte, 5)}}, "'v' is not one BSON value"},
	} {
		out, err := tt.m.Append([]byte("held"))
		if err == nil || !strings.Contains(err.Error(), tt.want) || string(out) != "held" {
			t.Errorf("%v: got %d bytes, error %v, want %q", tt.m, len(out)-4, err, tt.want)
		}
	}
}

// A marking may carry any BSON value; whether it may be encrypted is decided elsewhere.
func TestMarkingRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Marking{Algorithm: rapid.SampledFrom([]Algorithm{Deterministic, Random}).Draw(t, "a"), Value: value(t, drawAny(t, 2))}
		if rapid.Bool().Draw(t, "by id") {
			id := drawKeyID(t)
			want.KeyID = &id
		} else {
			want.KeyAltName = rapid.StringN(1, -1, 20).Draw(t, "ka")
		}
		prefix := drawBuffer(t)
		out, err := want.Append(prefix)
		if err != nil || !bytes.HasPrefix(out, prefix) {
			t.Fatal(err)
		}
		got, err := ParseMarking(out[len(prefix):])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}
