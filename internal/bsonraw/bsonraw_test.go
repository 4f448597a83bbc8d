package bsonraw_test

import (
	"bytes"
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// everyType holds a value of each BSON type.
func everyType(t testing.TB) bson.Raw {
	t.Helper()
	doc, err := bson.Marshal(bson.D{
		{Key: "double", Value: 1.5}, {Key: "string", Value: "s"}, {Key: "object", Value: bson.D{{Key: "a", Value: int32(1)}}},
		{Key: "array", Value: bson.A{"x", bson.D{}}}, {Key: "bin", Value: bson.Binary{Subtype: 6, Data: []byte{1, 2}}},
		{Key: "bin2", Value: bson.Binary{Subtype: 2, Data: []byte{1, 2}}}, {Key: "undefined", Value: bson.Undefined{}},
		{Key: "oid", Value: bson.ObjectID{1}}, {Key: "bool", Value: true}, {Key: "date", Value: bson.DateTime(5)}, {Key: "null", Value: nil},
		{Key: "regex", Value: bson.Regex{Pattern: "p", Options: "i"}}, {Key: "dbptr", Value: bson.DBPointer{DB: "db"}},
		{Key: "js", Value: bson.JavaScript("x")}, {Key: "symbol", Value: bson.Symbol("y")},
		{Key: "jsws", Value: bson.CodeWithScope{Code: "z", Scope: bson.D{{Key: "s", Value: "t"}}}}, {Key: "int", Value: int32(7)},
		{Key: "ts", Value: bson.Timestamp{T: 1}}, {Key: "long", Value: int64(8)}, {Key: "dec", Value: bson.NewDecimal128(1, 2)},
		{Key: "min", Value: bson.MinKey{}}, {Key: "max", Value: bson.MaxKey{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func keep(dst, _ []byte) ([]byte, bsonraw.Replacement, error) {
	return append(dst, "thrown away"...), bsonraw.Replacement{Keep: true}, nil
}

func TestIterateAgreesWithDriver(t *testing.T) {
	doc := everyType(t)
	want, err := doc.Elements()
	if err != nil {
		t.Fatal(err)
	}
	it := bsonraw.Iterate(doc)
	for i := 0; it.Next(); i++ {
		if got := it.Element; string(got.Key) != want[i].Key() || !got.RawValue().Equal(want[i].Value()) {
			t.Errorf("element %d: got %s %s, want %s", i, got.Key, got.Type, want[i].Key())
		}
		if i == len(want)-1 && it.Next() {
			t.Error("more elements than the driver finds")
		}
	}
	if it.Err != nil {
		t.Fatal(it.Err)
	}
	if err := bsonraw.Validate(doc); err != nil {
		t.Error(err)
	}
}

func TestTruncationAndLengthsAreRefused(t *testing.T) {
	doc := everyType(t)
	for n := range doc {
		if bsonraw.Validate(doc[:n]) == nil {
			t.Errorf("accepted the first %d bytes", n)
		}
	}
	if bsonraw.Validate(append(bytes.Clone(doc), 0)) == nil {
		t.Error("accepted a byte too many")
	}
	// A length that is off by a little or a lot, anywhere, must not panic.
	for i := range doc {
		for _, b := range []byte{0, 1, 0x7f, 0x80, 0xff} {
			bad := bytes.Clone(doc)
			bad[i] = b
			_ = bsonraw.Validate(bad)
			_ = bsonraw.Scan(bad, func([]byte) error { return nil })
			_, _ = bsonraw.Rewrite(nil, bad, keep)
		}
	}
}

func TestDepthIsBounded(t *testing.T) {
	doc := []byte{5, 0, 0, 0, 0}
	for range bsonraw.MaxDepth {
		out, start := bsonraw.Begin(nil)
		out = bsonraw.AppendValue(out, "a", bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc})
		doc = bsonraw.End(out, start)
	}
	if err := bsonraw.Validate(doc); !errors.Is(err, bsonraw.ErrTooDeep) {
		t.Errorf("validate: got %v", err)
	}
	if err := bsonraw.Scan(doc, func([]byte) error { return nil }); !errors.Is(err, bsonraw.ErrTooDeep) {
		t.Errorf("scan: got %v", err)
	}
	if _, err := bsonraw.Rewrite(nil, doc, keep); !errors.Is(err, bsonraw.ErrTooDeep) {
		t.Errorf("rewrite: got %v", err)
	}
}

func TestRewriteReplaces(t *testing.T) {
	in, _ := bson.Marshal(bson.D{
		{Key: "a", Value: bson.A{bson.Binary{Subtype: 6, Data: []byte{1}}, bson.Binary{Subtype: 0, Data: []byte{1}}}},
		{Key: "b", Value: bson.D{{Key: "c", Value: bson.Binary{Subtype: 6, Data: []byte{2, 3}}}}},
		{Key: "e", Value: bson.Binary{Subtype: 6}},
	})
	want, _ := bson.Marshal(bson.D{
		{Key: "a", Value: bson.A{int32(1), bson.Binary{Subtype: 0, Data: []byte{1}}}},
		{Key: "b", Value: bson.D{{Key: "c", Value: int32(2)}}},
		{Key: "e", Value: bson.Binary{Subtype: 6}},
	})
	var order []byte
	got, err := bsonraw.Rewrite([]byte("head"), in, func(dst, payload []byte) ([]byte, bsonraw.Replacement, error) {
		if len(payload) == 0 {
			return append(dst, "junk"...), bsonraw.Replacement{Keep: true}, nil
		}
		order = append(order, payload[0])
		return append(dst, byte(len(payload)), 0, 0, 0), bsonraw.Replacement{Type: bson.TypeInt32}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, append([]byte("head"), want...)) {
		t.Errorf("got %s\nwant %s", bson.Raw(got[4:]), bson.Raw(want))
	}
	if !bytes.Equal(order, []byte{1, 2}) {
		t.Errorf("order of calls: %v", order)
	}
	stop := errors.New("stop")
	if err := bsonraw.Scan(in, func([]byte) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("scan does not hand on the error: %v", err)
	}
}

// Whatever the driver can marshal comes through a rewrite that keeps everything byte for byte.
func TestRewriteKeepsTheRest(t *testing.T) {
	value := rapid.Deferred(func() *rapid.Generator[any] {
		return rapid.OneOf(
			rapid.Map(rapid.Int32(), func(v int32) any { return v }),
			rapid.Map(rapid.String(), func(v string) any { return v }),
			rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 9), func(v []byte) any { return bson.Binary{Subtype: 6, Data: v} }),
			rapid.Map(rapid.SliceOfN(rapid.Int64(), 0, 3), func(v []int64) any { return v }),
			rapid.Map(rapid.SliceOfN(rapid.Float64(), 0, 3), func(v []float64) any { return bson.D{{Key: "d", Value: v}} }),
		)
	})
	rapid.Check(t, func(t *rapid.T) {
		var doc bson.D
		for _, v := range rapid.SliceOfN(value, 0, 8).Draw(t, "values") {
			doc = append(doc, bson.E{Key: "k", Value: v})
		}
		raw, err := bson.Marshal(doc)
		if err != nil {
			t.Skip(err)
		}
		got, err := bsonraw.Rewrite(nil, raw, keep)
		if err != nil || !bytes.Equal(got, raw) {
			t.Fatalf("%v: got %s, want %s", err, bson.Raw(got), bson.Raw(raw))
		}
	})
}

func FuzzValidate(f *testing.F) {
	f.Add([]byte(everyType(f)))
	f.Add([]byte{5, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		valid := bsonraw.Validate(b) == nil
		if valid && bson.Raw(b).Validate() != nil {
			t.Errorf("accepted what the driver refuses: %x", b)
		}
		out, err := bsonraw.Rewrite(nil, b, keep)
		if err == nil && !bytes.Equal(out, b) {
			t.Errorf("rewrite changed %x to %x", b, out)
		}
	})
}

func BenchmarkScan(b *testing.B) {
	doc := everyType(b)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if err := bsonraw.Scan(doc, func([]byte) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
