package schema_test

import (
	"runtime"
	"strconv"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

const derivable = `{"bsonType": "object", "properties": {
	"ssn": {"encrypt": {"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic", "bsonType": "string", "keyId": [{"$uuid": "00000000-0000-0000-0000-000000000001"}]}},
	"phone": {"encrypt": {"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random", "keyId": [{"$uuid": "00000000-0000-0000-0000-000000000001"}]}},
	"address": {"bsonType": "object", "properties": {
		"zip": {"encrypt": {"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic", "bsonType": "string", "keyId": [{"$uuid": "00000000-0000-0000-0000-000000000001"}]}}}},
	"tmp": {"bsonType": "object", "patternProperties": {"^x": {"encrypt": {"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random", "keyId": [{"$uuid": "00000000-0000-0000-0000-000000000002"}]}}}}
}}`

func root(t *testing.T, doc string) *schema.Node {
	t.Helper()
	var raw bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(doc), false, &raw); err != nil {
		t.Fatal(err)
	}
	s, err := schema.Parse(raw, schema.Local)
	if err != nil {
		t.Fatal(err)
	}
	return s.Root()
}

func at(t *testing.T, n *schema.Node, path string) *schema.Node {
	t.Helper()
	m, err := n.Lookup(path)
	if err != nil {
		t.Fatal(err)
	}
	return m.Node
}

// What paths are after a derivation, as "path class".
func TestDerive(t *testing.T) {
	n := root(t, derivable)
	ssn, phone, address := at(t, n, "ssn"), at(t, n, "phone"), at(t, n, "address")
	with := func(n *schema.Node, fields ...schema.Field) *schema.Node {
		derived, err := n.With(fields...)
		if err != nil {
			t.Fatal(err)
		}
		return derived
	}
	without := func(paths ...string) *schema.Node {
		derived, err := n.Without(paths...)
		if err != nil {
			t.Fatal(err)
		}
		return derived
	}
	only := func(n *schema.Node, paths ...string) *schema.Node {
		derived, err := n.Only(paths...)
		if err != nil {
			t.Fatal(err)
		}
		return derived
	}
	type field = schema.Field
	lookedUp := with(n, field{"as", schema.ArrayOf(n)})
	for _, tt := range []struct {
		name string
		node *schema.Node
		want string
	}{
		{"itself", n, "ssn deterministic, phone random, address prefix, address.zip deterministic, address.zip.x below, tmp.x1 random, tmp.y plain, y plain"},
		{"set plain", with(n, field{"ssn", nil}), "ssn plain, ssn.x plain, phone random, address.zip deterministic"},
		{"set encrypted", with(n, field{"copy", ssn}), "copy deterministic, ssn deterministic, copy.x below"},
		{"set below a plain field", with(n, field{"a.b", phone}), "a prefix, a.b random, a.c plain"},
		{"set inside", with(n, field{"address.city", ssn}), "address.city deterministic, address.zip deterministic"},
		{"set a document", with(n, field{"home", address}), "home prefix, home.zip deterministic"},
		{"set where a pattern hits", with(n, field{"tmp.x1", nil}), "tmp.x1 plain, tmp.x2 random"},
		{"later wins", with(n, field{"a", ssn}, field{"a", phone}), "a random"},
		{"inside what was set", with(n, field{"a", address}, field{"a.b", ssn}), "a.zip deterministic, a.b deterministic"},
		{"in nothing", with(nil, field{"a", ssn}, field{"b", nil}), "a deterministic, b plain"},
		{"without", without("ssn", "address.zip"), "ssn plain, address plain, phone random"},
		{"without all", without("ssn", "phone", "address", "tmp"), "ssn plain, phone plain, address plain, tmp.x plain"},
		{"only", only(n, "ssn", "address.zip", "y"), "ssn deterministic, address.zip deterministic, phone plain, tmp.x plain"},
		{"only a pattern's", only(n, "tmp.x1"), "tmp.x1 random, tmp.x2 plain, ssn plain"},
		{"only plain ones", only(n, "y"), "y plain, ssn plain"},
		{"array", lookedUp, "as unknown, as.ssn unknown, as.y unknown, as.0.ssn unknown, ssn deterministic"},
		{"array unwound", with(lookedUp, field{"as", at(t, lookedUp, "as").Elements()}), "as prefix, as.ssn deterministic, as.y plain"},
		{"array, only some of it", with(nil, field{"as", at(t, only(lookedUp, "as.ssn"), "as").Elements()}), "as.ssn deterministic, as.phone plain"},
		{"array, set in it", with(nil, field{"as", at(t, with(lookedUp, field{"as.ssn", nil}), "as").Elements()}), "as.ssn plain, as.phone random"},
		{"array of plain ones", with(n, field{"as", schema.ArrayOf(nil)}), "as plain, as.x plain"},
		{"undecided", with(n, field{"u", schema.Undecided()}), "u unknown, u.x unknown, ssn deterministic"},
		{"set in undecided", with(n, field{"u", schema.Undecided()}, field{"u.x", nil}), "u unknown, u.x unknown"},
		{"either, alike", schema.Either(n, root(t, derivable)), "ssn deterministic, tmp.x1 random"},
		{"either, one plain", schema.Either(only(n, "ssn", "phone"), only(n, "ssn")), "ssn deterministic, phone unknown, y plain"},
		{"either, other plain", schema.Either(nil, only(n, "address.zip")), "address prefix, address.zip unknown, ssn plain"},
		{"either, different", schema.Either(ssn, phone), "x unknown"},
		{"either, patterns", schema.Either(n, only(n, "ssn")), "ssn deterministic, phone unknown, tmp unknown, tmp.y unknown"},
	} {
		var got []string
		for part := range strings.SplitSeq(tt.want, ", ") {
			path, _, _ := strings.Cut(part, " ")
			m, err := tt.node.Lookup(path)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, path+" "+m.Class.String())
		}
		if got := strings.Join(got, ", "); got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.name, got, tt.want)
		}
	}
	if derived := without("ssn", "phone", "address", "tmp"); derived != nil {
		t.Error("a document without encrypted fields is not plain")
	}
	if _, err := n.With(field{"ssn.x", nil}); err == nil {
		t.Error("set a field below an encrypted one")
	}
	if !schema.Alike(n, root(t, derivable)) || schema.Alike(n, without("tmp")) || schema.Alike(ssn, phone) || !schema.Alike(schema.ArrayOf(n), schema.ArrayOf(n)) || schema.Alike(schema.ArrayOf(n), n) {
		t.Error("Alike is wrong")
	}
}

func TestCache(t *testing.T) {
	var c schema.Cache
	doc, err := bson.Marshal(bson.D{{Key: "bsonType", Value: "object"}})
	if err != nil {
		t.Fatal(err)
	}
	first, err := c.Parse(doc, schema.Local)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.Parse(append(bson.Raw{}, doc...), schema.Local)
	if err != nil || again != first {
		t.Error("compiled the same document twice", err)
	}
	if other, err := c.Parse(doc, schema.Remote); err != nil || other == first {
		t.Error("took a local schema for a remote one", err)
	}
	for i := range 1000 {
		doc, err := bson.Marshal(bson.D{{Key: "title", Value: strings.Repeat("x", i)}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Parse(doc, schema.Local); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Parse(bson.Raw("nonsense"), schema.Local); err == nil {
		t.Error("parsed nonsense")
	}
}

// Who gives one large schema after the other gets no more memory than a few of them take.
func TestCacheMemory(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	nested := document(t, `{"encrypt": @enc}`)
	for range 90 {
		nested = marshalled(t, bson.D{{Key: "bsonType", Value: "object"}, {Key: "properties", Value: bson.D{{Key: "a", Value: nested}}}})
	}
	var fields bson.D
	for i := range 50 {
		fields = append(fields, bson.E{Key: strconv.Itoa(i), Value: nested})
	}
	deep := bson.D{{Key: "bsonType", Value: "object"}, {Key: "properties", Value: fields}}
	var c schema.Cache
	before := heap()
	for i := range 100 {
		if _, err := c.Parse(marshalled(t, append(deep, bson.E{Key: "title", Value: strconv.Itoa(i)})), schema.Local); err != nil {
			t.Fatal(err)
		}
	}
	kept := int64(heap()) - int64(before)
	runtime.KeepAlive(&c)
	if kept > 128<<20 {
		t.Errorf("keeps %d bytes of 100 schemas", kept)
	}
}

func marshalled(t *testing.T, doc bson.D) bson.Raw {
	t.Helper()
	raw, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestCovers(t *testing.T) {
	const key, other = `"keyId": [{"$uuid": "00000000-0000-0000-0000-000000000001"}]`, `"keyId": [{"$uuid": "00000000-0000-0000-0000-000000000002"}]`
	encrypt := func(key string) string {
		return `{"encrypt": {"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random", ` + key + `}}`
	}
	object := func(keywords string) string { return `{"bsonType": "object", ` + keywords + `}` }
	const plain = `{"bsonType": "string"}`
	a := object(`"properties": {"a": ` + encrypt(key) + `}`)
	for _, tt := range []struct {
		name, own, present string
		want               bool
	}{
		{"the same", a, a, true},
		{"more", object(`"properties": {"a": ` + encrypt(key) + `, "b": ` + encrypt(key) + `}`), a, true},
		{"less", a, object(`"properties": {"a": ` + encrypt(key) + `, "b": ` + encrypt(key) + `}`), false},
		{"nothing", object(`"title": "x"`), a, false},
		{"over nothing", a, object(`"title": "x"`), true},
		{"another key", object(`"properties": {"a": ` + encrypt(other) + `}`), a, false},
		{"below what was whole", object(`"properties": {"a": ` + object(`"properties": {"x": `+encrypt(key)+`}`) + `}`), a, false},
		{"the rest too", object(`"additionalProperties": ` + encrypt(key)), a, true},
		{"the rest, but one", object(`"additionalProperties": ` + encrypt(key) + `, "properties": {"a": ` + plain + `}`), object(`"additionalProperties": ` + encrypt(key)), false},
		{"the rest, but a pattern", object(`"additionalProperties": ` + encrypt(key) + `, "patternProperties": {"^x": ` + plain + `}`), object(`"additionalProperties": ` + encrypt(key)), false},
		{"a pattern", object(`"patternProperties": {"^x": ` + encrypt(key) + `}`), object(`"patternProperties": {"^x": ` + encrypt(key) + `}`), true},
		{"another pattern", object(`"patternProperties": {"^xy": ` + encrypt(key) + `}`), object(`"patternProperties": {"^x": ` + encrypt(key) + `}`), false},
		{"a pattern, but one", object(`"patternProperties": {"^x": ` + encrypt(key) + `}, "properties": {"x1": ` + plain + `}`), object(`"patternProperties": {"^x": ` + encrypt(key) + `}`), false},
	} {
		if got := root(t, tt.own).Covers(root(t, tt.present)); got != tt.want {
			t.Errorf("%s: got %v", tt.name, got)
		}
	}
}
