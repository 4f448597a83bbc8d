package keyvault_test

import (
	"bytes"
	_ "embed"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

//go:embed testdata/spec-keys.json
var specKeysJSON []byte

// specKeys are data keys that official drivers wrote.
func specKeys(t testing.TB) []bson.Raw {
	t.Helper()
	var file struct{ Keys []bson.Raw }
	if err := bson.UnmarshalExtJSON(specKeysJSON, false, &file); err != nil {
		t.Fatal(err)
	}
	return file.Keys
}

const canary = "CANARY-SECRET"

var (
	someID   = payload.KeyID{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x47, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x00}
	someTime = time.Date(2026, 3, 4, 5, 6, 7, 89_000_000, time.UTC)
)

func goodFields() bson.D {
	return bson.D{
		{Key: "_id", Value: someID.Binary()},
		{Key: "keyAltNames", Value: bson.A{"b", "a"}},
		{Key: "keyMaterial", Value: bson.Binary{Data: []byte(canary)}},
		{Key: "creationDate", Value: bson.NewDateTimeFromTime(someTime)},
		{Key: "updateDate", Value: bson.NewDateTimeFromTime(someTime.Add(time.Hour))},
		{Key: "status", Value: int32(1)},
		{Key: "masterKey", Value: bson.D{{Key: "provider", Value: "aws:x"}, {Key: "key", Value: "arn"}}},
	}
}

// with returns the good document with a field set, added or (value omit) left out.
func with(name string, value any) bson.D {
	var out bson.D
	replaced := false
	for _, e := range goodFields() {
		if e.Key == name {
			e.Value, replaced = value, true
		}
		if e.Value != omit {
			out = append(out, e)
		}
	}
	if !replaced {
		out = append(out, bson.E{Key: name, Value: value})
	}
	return out
}

var omit = new(int)

func marshal(t testing.TB, v any) bson.Raw {
	t.Helper()
	raw, err := bson.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestParseDataKey(t *testing.T) {
	got, err := keyvault.ParseDataKey(marshal(t, goodFields()))
	if err != nil {
		t.Fatal(err)
	}
	want := &keyvault.DataKey{
		ID: someID, KeyAltNames: []string{"b", "a"}, KeyMaterial: []byte(canary), CreationDate: someTime,
		UpdateDate: someTime.Add(time.Hour), Status: 1,
		MasterKey: marshal(t, bson.D{{Key: "provider", Value: "aws:x"}, {Key: "key", Value: "arn"}}),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.Provider() != "aws:x" {
		t.Errorf("provider %q", got.Provider())
	}
}

func TestParseDataKeyAccepts(t *testing.T) {
	for name, doc := range map[string]bson.D{
		"no alt names":       with("keyAltNames", omit),
		"empty alt names":    with("keyAltNames", bson.A{}),
		"null alt names":     with("keyAltNames", nil),
		"version 0":          with("version", int32(0)),
		"long version 0":     with("version", int64(0)),
		"status of any type": with("status", "enabled"),
		"status document":    with("status", bson.D{}),
	} {
		if _, err := keyvault.ParseDataKey(marshal(t, doc)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseDataKeyRefuses(t *testing.T) {
	const withID = "data key 11223344-5566-4788-99aa-bbccddeeff00: "
	const withoutID = "data key document: "
	for _, tt := range []struct {
		doc  bson.D
		want string
	}{
		{with("_id", omit), withoutID + "invalid key, no '_id'"},
		{with("_id", canary), withoutID + "invalid key, '_id' is not a UUID"},
		{with("_id", bson.Binary{Subtype: 3, Data: someID[:]}), withoutID + "invalid key, '_id' is not a UUID"},
		{with("_id", bson.Binary{Subtype: 4, Data: someID[:15]}), withoutID + "invalid key, '_id' is not a UUID"},
		{with("keyAltNames", canary), withID + "invalid key, 'keyAltNames' is not an array: got string"},
		{with("keyAltNames", bson.A{"a", 1}), withID + "unexpected non-UTF8 keyAltName"},
		{with("keyAltNames", bson.A{"a", "b", "a"}), withID + "unexpected duplicate keyAltNames"},
		{with("keyMaterial", omit), withID + "invalid key, no 'keyMaterial'"},
		{with("keyMaterial", canary), withID + "invalid key, 'keyMaterial' is not binary of subtype 0: got string"},
		{with("keyMaterial", bson.Binary{Subtype: 6, Data: []byte(canary)}), withID + "invalid key, 'keyMaterial' is not binary of subtype 0: got binary of subtype 6"},
		{with("creationDate", omit), withID + "invalid key, no 'creationDate'"},
		{with("creationDate", int64(5)), withID + "invalid key, 'creationDate' is not a date: got 64-bit integer"},
		{with("updateDate", omit), withID + "invalid key, no 'updateDate'"},
		{with("updateDate", bson.Timestamp{T: 5}), withID + "invalid key, 'updateDate' is not a date: got timestamp"},
		{with("status", omit), withID + "invalid key, no 'status'"},
		{with("masterKey", omit), withID + "invalid key, no 'masterKey'"},
		{with("masterKey", canary), withID + "invalid key, 'masterKey' is not a document: got string"},
		{with("masterKey", bson.A{canary}), withID + "invalid key, 'masterKey' is not a document: got array"},
		{with("masterKey", bson.D{}), withID + "invalid key, 'masterKey' has no 'provider' string"},
		{with("masterKey", bson.D{{Key: "provider", Value: 1}}), withID + "invalid key, 'masterKey' has no 'provider' string"},
		{with("masterKey", bson.D{{Key: "provider", Value: "local"}, {Key: "provider", Value: "aws"}}), withID + "invalid key, duplicate field 'masterKey.provider'"},
		{with("version", int32(1)), withID + "unsupported key document version, only supports version=0"},
		{with("version", 0.0), withID + "unsupported key document version, only supports version=0"},
		{with("version", "0"), withID + "unsupported key document version, only supports version=0"},
		{with("extra", canary), withID + "unrecognized field 'extra'"},
		{with("ex\n'tra", canary), withID + `unrecognized field 'ex\n'tra'`},
		{append(goodFields(), bson.E{Key: "status", Value: 0}), withID + "invalid key, duplicate field 'status'"},
		{append(goodFields(), bson.E{Key: "_id", Value: someID.Binary()}), withID + "invalid key, duplicate field '_id'"},
		{append(bson.D{{Key: strings.Repeat("x", 1000), Value: 1}}, goodFields()...), withID + "unrecognized field '" + strings.Repeat("x", 64) + "…'"},
	} {
		got, err := keyvault.ParseDataKey(marshal(t, tt.doc))
		if got != nil || err == nil || err.Error() != tt.want {
			t.Errorf("got %v\nwant %s", err, tt.want)
		}
	}
}

func TestParseDataKeyMalformed(t *testing.T) {
	doc := marshal(t, goodFields())
	for n := range doc {
		if _, err := keyvault.ParseDataKey(doc[:n]); err == nil {
			t.Errorf("accepted the first %d bytes", n)
		}
	}
	notUTF8 := bytes.Replace(doc, []byte("\x02\x00\x00\x00b\x00"), []byte("\x02\x00\x00\x00\xff\x00"), 1)
	if _, err := keyvault.ParseDataKey(notUTF8); err == nil || !strings.Contains(err.Error(), "unexpected non-UTF8 keyAltName") {
		t.Errorf("alt name that is not UTF-8: %v", err)
	}
	var deep any = bson.D{}
	for range 1000 {
		deep = bson.D{{Key: "a", Value: deep}}
	}
	if _, err := keyvault.ParseDataKey(marshal(t, with("status", deep))); err == nil {
		t.Error("accepted 1000 levels")
	}
}

func TestParseDataKeyCopies(t *testing.T) {
	doc := marshal(t, goodFields())
	got, err := keyvault.ParseDataKey(doc)
	if err != nil {
		t.Fatal(err)
	}
	clear(doc)
	if string(got.KeyMaterial) != canary || got.Provider() != "aws:x" {
		t.Error("the data key shares memory with the document")
	}
}

// What official drivers wrote is read, and written back with the same content in the drivers' order.
func TestSpecKeys(t *testing.T) {
	for _, doc := range specKeys(t) {
		key, err := keyvault.ParseDataKey(doc)
		if err != nil {
			t.Error(err)
			continue
		}
		out, err := key.MarshalBSON()
		if err != nil {
			t.Error(err)
			continue
		}
		elems, _ := bson.Raw(out).Elements()
		var order []string
		for _, e := range elems {
			order = append(order, e.Key())
			if v, err := doc.LookupErr(e.Key()); err != nil || !v.Equal(e.Value()) {
				t.Errorf("%s: field %s differs", key.ID, e.Key())
			}
		}
		want := []string{"_id", "keyAltNames", "keyMaterial", "creationDate", "updateDate", "status", "masterKey"}
		if diff := cmp.Diff(want, order); diff != "" {
			t.Errorf("%s: order (-want +got):\n%s", key.ID, diff)
		}
	}
}

func drawDataKey(t *rapid.T) *keyvault.DataKey {
	millis := rapid.Map(rapid.Int64Range(-1<<50, 1<<50), func(ms int64) time.Time { return time.UnixMilli(ms).UTC() })
	masterKey, err := bson.Marshal(bson.D{
		{Key: "provider", Value: rapid.StringMatching(`(aws|local)(:[a-z]{1,3})?`).Draw(t, "provider")},
		{Key: "key", Value: rapid.String().Draw(t, "key")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &keyvault.DataKey{
		ID:           payload.KeyID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")),
		KeyAltNames:  rapid.SliceOfNDistinct(rapid.String(), 0, 4, rapid.ID[string]).Draw(t, "keyAltNames"),
		KeyMaterial:  rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "keyMaterial"),
		CreationDate: millis.Draw(t, "creationDate"),
		UpdateDate:   millis.Draw(t, "updateDate"),
		Status:       rapid.Int32().Draw(t, "status"),
		MasterKey:    masterKey,
	}
}

// The driver's encoder and decoder and our parser agree.
func TestDataKeyRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := drawDataKey(t)
		if len(key.KeyAltNames) == 0 {
			key.KeyAltNames = nil
		}
		doc, err := bson.Marshal(key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bson.Raw(doc).LookupErr("keyAltNames"); (err == nil) != (len(key.KeyAltNames) > 0) {
			t.Fatal("keyAltNames must be there only when there are any: the unique index counts an empty list")
		}
		parsed, err := keyvault.ParseDataKey(doc)
		if err != nil {
			t.Fatal(err)
		}
		var decoded keyvault.DataKey
		if err := bson.Unmarshal(doc, &decoded); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]*keyvault.DataKey{key, key}, []*keyvault.DataKey{parsed, &decoded}); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

func TestMarshalRefuses(t *testing.T) {
	for name, change := range map[string]func(*keyvault.DataKey){
		"no master key":        func(k *keyvault.DataKey) { k.MasterKey = nil },
		"no provider":          func(k *keyvault.DataKey) { k.MasterKey = bson.Raw{5, 0, 0, 0, 0} },
		"malformed master key": func(k *keyvault.DataKey) { k.MasterKey = bson.Raw(canary) },
		"no key material":      func(k *keyvault.DataKey) { k.KeyMaterial = nil },
		"same alt name twice":  func(k *keyvault.DataKey) { k.KeyAltNames = []string{"a", "a"} },
		"alt name not UTF-8":   func(k *keyvault.DataKey) { k.KeyAltNames = []string{"\xff"} },
	} {
		key, err := keyvault.ParseDataKey(marshal(t, goodFields()))
		if err != nil {
			t.Fatal(err)
		}
		change(key)
		if _, err := key.MarshalBSON(); err == nil || strings.Contains(err.Error(), canary) || !strings.Contains(err.Error(), someID.String()) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzParseDataKey(f *testing.F) {
	f.Add([]byte(marshal(f, goodFields())))
	for _, doc := range specKeys(f) {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		key, err := keyvault.ParseDataKey(doc)
		if err != nil || len(key.KeyMaterial) == 0 {
			return
		}
		out, err := key.MarshalBSON()
		if err != nil {
			t.Fatalf("read but cannot be written: %v", err)
		}
		again, err := keyvault.ParseDataKey(out)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(key, again); diff != "" {
			t.Fatalf("(-first +second):\n%s", diff)
		}
	})
}
