package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt/audit/sensitive"
	"github.com/fieldcrypt/fieldcrypt/internal/mockmongo"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// The key that a document names is looked up by its name.
func TestKeyPointer(t *testing.T) {
	doc := func(owner any, key payload.KeyID) bson.D {
		return bson.D{{Key: "owner", Value: owner}, {Key: "home", Value: bson.D{{Key: "zip", Value: encrypt(t, payload.Random, key, canary)}}}}
	}
	for _, test := range []struct {
		doc  bson.D
		want map[Problem]int64
	}{
		{doc("alice", alice), map[Problem]int64{}},
		{doc("bob", alice), map[Problem]int64{WrongKey: 1}},
		{doc("nobody", alice), map[Problem]int64{NoKeyName: 1}},
		{doc("nobody", gone), map[Problem]int64{UnknownKey: 1}},
		{doc(5, alice), map[Problem]int64{NoKeyName: 1}},
		{doc("", alice), map[Problem]int64{NoKeyName: 1}},
		{doc("alice", alice)[1:], map[Problem]int64{NoKeyName: 1}},
	} {
		result, _ := scan(t, Options{KeyVault: vault(t)}, parseSchema(t, testSchema), test.doc)
		if diff := cmp.Diff(test.want, result.at("home.zip").problems()); diff != "" {
			t.Error(diff)
		}
	}
}

// Ciphertexts elsewhere are told, with their keys, but nothing is held against them.
func TestOthers(t *testing.T) {
	docs := []any{
		bson.D{{Key: "note", Value: encrypt(t, payload.Random, alice, canary)}},
		bson.D{{Key: "list", Value: bson.A{encrypt(t, payload.Random, gone, canary), encrypt(t, payload.Deterministic, bob, canary)}}},
		bson.D{{Key: "list", Value: marking(t)}},
	}
	result, _ := scan(t, Options{KeyVault: vault(t)}, nil, docs...)
	note, elements := result.at("note"), result.at("list")
	if diff := cmp.Diff(map[Problem]int64{NotInSchema: 1}, note.problems()); diff != "" || note.Schema != nil || note.Documents != 1 {
		t.Error(note.Documents, diff)
	}
	if diff := cmp.Diff(map[Problem]int64{NotInSchema: 2, UnknownKey: 1, StoredMarking: 1}, elements.problems()); diff != "" || elements.Documents != 2 {
		t.Error(elements.Documents, diff)
	}
	if len(elements.Keys) != 2 || elements.Types[bson.TypeString] != 2 || elements.Algorithms[payload.Random] != 1 {
		t.Errorf("got %+v", elements)
	}
}

func TestQueryableCollection(t *testing.T) {
	opts, _ := Options{}.withDefaults()
	result := &Collection{Queryable: true}
	s := newScanner(opts, newKeyring(nil), nil, result)
	raw, _ := bson.Marshal(bson.D{{Key: "a", Value: bson.Binary{Subtype: 6, Data: append([]byte{7}, make([]byte, 60)...)}}})
	if err := s.add(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	if f := result.at("a"); f.Clean != 1 || len(f.Problems) != 0 {
		t.Errorf("got %+v", f)
	}
	raw, _ = bson.Marshal(bson.D{{Key: "b", Value: bson.Binary{Subtype: 6, Data: append([]byte{3}, canary...)}}})
	if err := s.add(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	if f := result.at("b"); f.Clean != 0 || f.problems()[StoredMarking] != 1 {
		t.Errorf("a placeholder: got %+v", f)
	}
	result = &Collection{Queryable: true}
	s = newScanner(opts, newKeyring(nil), parseSchema(t, testSchema), result)
	raw, _ = bson.Marshal(bson.D{{Key: "any", Value: bson.Binary{Subtype: 6, Data: append([]byte{7}, make([]byte, 60)...)}}})
	if err := s.add(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	if f := result.at("any"); f.Clean != 0 || f.problems()[Queryable] != 1 {
		t.Errorf("in the schema: got %+v", f)
	}
}

// A document that could not be read is no document without problems.
func TestUnreadable(t *testing.T) {
	opts, _ := Options{}.withDefaults()
	r := &Report{Collections: []*Collection{{}}}
	s := newScanner(opts, newKeyring(nil), parseSchema(t, testSchema), r.Collections[0])
	if err := s.add(t.Context(), bson.Raw{9, 0, 0, 0, 2, 'a', 0, 9, 0}); err != nil {
		t.Fatal(err)
	}
	if r.OK(false) {
		t.Error("all is well")
	}
}

// What does not exist is no collection without problems.
func TestNothingToAudit(t *testing.T) {
	s, err := mockmongo.Run(mockmongo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Put("hr.employees", nil)
	s.Put("hr.view", bson.D{{Key: "viewOn", Value: "employees"}})
	client, err := mongo.Connect(options.Client().ApplyURI(s.URI()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Disconnect(context.Background())
	mapped := map[string]*schema.Schema{"hr.employes": parseSchema(t, testSchema)}
	for ns, exists := range map[string]bool{"hr": true, "hr.employees": true, "hr.employes": false, "rh": false, "hr.view": false} {
		all, err := targets(t.Context(), client, Options{Namespaces: []string{"hr.employees", ns}, Schemas: mapped})
		if exists != (err == nil) || exists && len(all) == 0 {
			t.Errorf("%s: %v %v", ns, all, err)
		}
	}
	all, err := targets(t.Context(), client, Options{Namespaces: []string{"hr"}, Schemas: mapped})
	if err != nil || len(all) != 2 || !all[1].result.Missing {
		t.Fatal(all, err)
	}
	if r := (&Report{Collections: []*Collection{all[1].result}}); !r.OK(false) || r.OK(true) {
		t.Error("a collection of the schema map that does not exist")
	}
}

// Keys of the vault that nobody uses, keys that are used and gone, keys that schemas name and are not there.
func TestKeys(t *testing.T) {
	var docs []any
	for range 3 {
		docs = append(docs, bson.D{{Key: "ssn", Value: encrypt(t, payload.Deterministic, alice, canary)}, {Key: "any", Value: encrypt(t, payload.Random, gone, canary)}})
	}
	_, ring := scan(t, Options{KeyVault: vault(t)}, parseSchema(t, testSchema), docs...)
	r := &Report{}
	if err := ring.report(t.Context(), r, []SchemaKey{{alice, "d.c", "ssn"}, {gone, "d.c", "x"}}, 100); err != nil {
		t.Fatal(err)
	}
	k := r.Keys
	if k.InVault != 3 || k.Used != 1 || k.UnusedAll != 2 || k.UnknownAll != 1 || len(k.Unused) != 2 || k.Listed[0].ID != alice || k.Listed[0].Values != 3 ||
		k.Listed[0].AltNames[0] != "alice" || k.Unknown[0] != (KeyCount{gone, 3}) {
		t.Errorf("got %+v", k)
	}
	if diff := cmp.Diff([]SchemaKey{{gone, "d.c", "x"}}, k.Missing); diff != "" {
		t.Error(diff)
	}
}

// What cannot be decrypted for want of permission is a finding; the reason is told once.
func TestCannotDecrypt(t *testing.T) {
	denied := fmt.Errorf("unwrapping: %w", kms.ErrDenied)
	result, _ := scan(t, Options{KeyVault: vault(t), Decrypter: &opener{t: t, err: denied}}, parseSchema(t, testSchema),
		bson.D{{Key: "ssn", Value: encrypt(t, payload.Deterministic, alice, canary)}})
	if diff := cmp.Diff(map[Problem]int64{CannotDecrypt: 1}, result.at("ssn").problems()); diff != "" || !errors.Is(result.unproven, kms.ErrDenied) {
		t.Error(diff, result.unproven)
	}
}

// Of many values about as many are decrypted as are asked for.
func TestProveSome(t *testing.T) {
	var docs []any
	value := encrypt(t, payload.Deterministic, alice, canary)
	for range 2000 {
		docs = append(docs, bson.D{{Key: "ssn", Value: value}})
	}
	o := &opener{t: t}
	result, _ := scan(t, Options{KeyVault: vault(t), Decrypter: o, Prove: 10}, parseSchema(t, testSchema), docs...)
	if f := result.at("ssn"); f.Proven != int64(o.asked) || o.asked < 10 || o.asked > 200 || f.Clean != 2000 {
		t.Errorf("asked for %d, proven %d, clean %d", o.asked, f.Proven, f.Clean)
	}
}

func TestCancelledWhileProving(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	opts, _ := Options{Decrypter: &opener{t: t, err: context.Canceled}}.withDefaults()
	s := newScanner(opts, newKeyring(nil), parseSchema(t, testSchema), &Collection{})
	raw, _ := bson.Marshal(bson.D{{Key: "ssn", Value: encrypt(t, payload.Deterministic, alice, canary)}})
	if err := s.add(ctx, raw); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func suspects(t *testing.T, opts Options, docs ...any) map[string]string {
	t.Helper()
	result, _ := scan(t, opts, parseSchema(t, testSchema), docs...)
	got := map[string]string{}
	for _, s := range result.Suspects {
		got[s.Path] = s.Reason()
	}
	return got
}

func TestSuspects(t *testing.T) {
	var docs []any
	for i := range 20 {
		docs = append(docs, bson.D{
			{Key: "_id", Value: i},
			{Key: "contact", Value: fmt.Sprintf("u%d@example.org", i)},
			{Key: "order", Value: bson.D{{Key: "ref", Value: "4111111111111111"}, {Key: "pan", Value: int64(4111111111111111)}}},
			{Key: "rows", Value: bson.A{bson.D{{Key: "a", Value: "DE89370400440532013000"}}}},
			{Key: "birthday", Value: bson.DateTime(0)},
			{Key: "seldom", Value: map[bool]string{true: "u@example.org", false: "x"}[i < 3]},
			{Key: "rare", Value: map[bool]string{true: "u@example.org", false: ""}[i < 2]},
			{Key: "password", Value: true},
			{Key: "email", Value: ""},
			{Key: "n", Value: i},
			{Key: "ssn", Value: "457-55-5462"},
		})
	}
	got := suspects(t, Options{Accepted: []string{"db.coll.contact"}}, docs...)
	want := map[string]string{
		"contact": "values like: e-mail address", "order.ref": "values like: card number", "order.pan": "its name, and values like: card number",
		"rows.a": "values like: IBAN", "birthday": "its name", "rare": "values like: e-mail address",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	none, _ := sensitive.NewNames(nil)
	if got := suspects(t, Options{Detectors: []sensitive.Detector{}, Names: none}, docs...); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

// A name of a field, and an _id, may be a value.
func TestNamesThatAreValues(t *testing.T) {
	var docs []any
	for i := range 5 {
		mail := fmt.Sprintf("u%d@example.org", i)
		docs = append(docs, bson.D{{Key: "_id", Value: mail}, {Key: "visits", Value: bson.D{{Key: mail, Value: bson.D{{Key: "n", Value: "4111111111111111"}}}}}, {Key: "ssn", Value: canary}})
	}
	result, _ := scan(t, Options{}, parseSchema(t, testSchema), docs...)
	r := &Report{Collections: []*Collection{result}}
	text, err := bson.MarshalExtJSON(r.Document(), false, false)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "@example.org") {
		t.Errorf("shows an address: %s", text)
	}
	got := map[string]string{}
	for _, s := range result.Suspects {
		got[s.Path] = s.Reason()
	}
	want := map[string]string{"_id": "values like: e-mail address", "visits.(e-mail address)": "field names like: e-mail address", "visits.(e-mail address).n": "values like: card number"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if shown := result.at("ssn").Problems[0].Documents[0]; shown.Value.Type != 0 || shown.String() != "an _id that looks like: e-mail address" {
		t.Errorf("got %v", shown)
	}
}

// Memory does not grow with the number of different names, and encrypted fields are told even then.
func TestManyPaths(t *testing.T) {
	found := parseSchema(t, `{"bsonType": "object", "patternProperties": {"^secret_": {"encrypt": {"bsonType": "string", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic",
		"keyId": [{"$uuid": "aa010000-0000-0000-0000-000000000000"}]}}}}`)
	opts, _ := Options{MaxPaths: 50}.withDefaults()
	result := &Collection{}
	s := newScanner(opts, newKeyring(nil), found, result)
	for i := range 500 {
		raw, _ := bson.Marshal(bson.D{{Key: fmt.Sprintf("secret_%d", i), Value: canary}, {Key: fmt.Sprintf("x%d", i), Value: "u@example.org"}, {Key: fmt.Sprintf("y%d", i), Value: bson.D{{Key: "z", Value: marking(t)}}}})
		if err := s.add(t.Context(), raw); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(s.all) > 60 || len(result.Fields) != 1 || result.Fields[0].problems()[Plaintext] != 500 {
		t.Errorf("%d places, fields %+v", len(s.all), result.Fields)
	}
	markings := int64(0)
	for _, f := range result.Others {
		markings += f.problems()[StoredMarking]
	}
	if last := result.Suspects[0]; markings != 500 || last.Path != "(further fields)" || last.Detector != "e-mail address" || result.Untold < 400 {
		t.Errorf("%d markings, %+v, %d", markings, last, result.Untold)
	}
}

// Bytes that are no document are counted, and the scan goes on.
func TestHostileDocuments(t *testing.T) {
	deep := bson.D{}
	for range 300 {
		deep = bson.D{{Key: "a", Value: deep}}
	}
	nested, _ := bson.Marshal(deep)
	opts, _ := Options{}.withDefaults()
	result := &Collection{}
	s := newScanner(opts, newKeyring(nil), nil, result)
	for _, doc := range []bson.Raw{nil, {1}, {5, 0, 0, 0, 1}, {255, 255, 255, 127, 0}, nested, {12, 0, 0, 0, 2, 'a', 0, 9, 0, 0, 0, 0}} {
		if err := s.add(t.Context(), doc); err != nil {
			t.Fatal(err)
		}
	}
	if result.Documents != 6 || result.Unreadable != 6 {
		t.Errorf("%d of %d unreadable", result.Unreadable, result.Documents)
	}
}

func FuzzScanner(f *testing.F) {
	found := parseSchema(f, testSchema)
	for _, doc := range []any{bson.D{}, bson.D{{Key: "ssn", Value: canary}}, bson.D{{Key: "home", Value: bson.A{bson.D{{Key: "zip", Value: marking(f)}}}}}} {
		raw, _ := bson.Marshal(doc)
		f.Add([]byte(raw))
	}
	opts, _ := Options{}.withDefaults()
	f.Fuzz(func(t *testing.T, doc []byte) {
		result := &Collection{}
		s := newScanner(opts, newKeyring(nil), found, result)
		if err := s.add(t.Context(), doc); err != nil {
			t.Fatal(err)
		}
		if err := s.finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := bson.MarshalExtJSON((&Report{Collections: []*Collection{result}}).Document(), false, false); err != nil {
			t.Fatal(err)
		}
	})
}

// Every problem is explained, and OK knows notes from failures.
func TestProblems(t *testing.T) {
	for _, p := range Problems() {
		if p.Meaning == "" || p.Advice == "" || p.Note != p.Problem.note() {
			t.Errorf("%+v", p)
		}
	}
	r := &Report{Complete: true, Collections: []*Collection{{Others: []*Field{{Problems: []*Occurrences{{Problem: NotInSchema, Values: 1}}}}}}}
	if !r.OK(false) || r.OK(true) {
		t.Error("a note is no failure, but one to the strict")
	}
	r.Collections[0].Fields = []*Field{{Problems: []*Occurrences{{Problem: Plaintext, Values: 1}}}}
	if r.OK(false) {
		t.Error("plaintext is a failure")
	}
}

// An _id and a name that are values themselves stay out of the report, also where sensitive fields are not looked for.
func TestHiddenNames(t *testing.T) {
	for _, id := range []string{"jane@example.org", "user:jane@example.org", "emp_457-55-5462", "card/4111111111111111"} {
		for _, detectors := range [][]sensitive.Detector{nil, {}} {
			doc := bson.D{{Key: "_id", Value: id}, {Key: "ssn", Value: canary}}
			for range 3 {
				doc = append(doc, bson.E{Key: "visits", Value: bson.D{{Key: "jane@example.org", Value: marking(t)}}})
			}
			result, _ := scan(t, Options{Detectors: detectors}, parseSchema(t, testSchema), doc)
			text, err := bson.MarshalExtJSON((&Report{Collections: []*Collection{result}}).Document(), false, false)
			if err != nil || strings.Contains(string(text), "jane") || strings.Contains(string(text), "457-55") || strings.Contains(string(text), "4111") {
				t.Errorf("%s: %s %v", id, text, err)
			}
			if looked := len(result.Suspects) > 0; looked && detectors != nil {
				t.Errorf("%+v", result.Suspects[0])
			}
		}
	}
}

// A field whose name has a dot in it is taken for the one that the name reads like, which the schema encrypts, and by its last part for a sensitive one.
func TestDottedNames(t *testing.T) {
	docs := []any{
		bson.D{{Key: "home.zip", Value: canary}},
		bson.D{{Key: "home.zip", Value: encrypt(t, payload.Random, alice, canary)}, {Key: "owner", Value: "alice"}},
		bson.D{{Key: "ssn.old", Value: canary}},
		bson.D{{Key: "contact.email", Value: "x"}, {Key: "home.street", Value: "x"}},
	}
	result, _ := scan(t, Options{KeyVault: vault(t)}, parseSchema(t, testSchema), docs...)
	if f := result.at("home.zip"); f.Values != 2 || f.Plaintext() != 1 || f.Clean != 1 {
		t.Errorf("home.zip: %+v", f)
	}
	if f := result.at("ssn"); f.Values != 1 || f.Plaintext() != 1 {
		t.Errorf("ssn: %+v", f)
	}
	if len(result.Suspects) != 1 || result.Suspects[0].Path != "contact.email" || !result.Suspects[0].ByName {
		t.Errorf("suspects: %+v", result.Suspects)
	}
}
