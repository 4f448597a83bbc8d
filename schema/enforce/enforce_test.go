package enforce_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.uber.org/goleak"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/internal/mockmongo"
	"github.com/fieldcrypt/fieldcrypt/schema"
	"github.com/fieldcrypt/fieldcrypt/schema/enforce"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var enc = strings.NewReplacer(
	"@det", `"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic", "keyId": [{"$uuid": "2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e"}]`,
	"@random", `"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random", "keyId": [{"$uuid": "2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e"}]`,
)

func document(t *testing.T, text string) bson.Raw {
	t.Helper()
	var doc bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(enc.Replace(text)), false, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

const employees = `{"bsonType": "object", "properties": {
	"ssn": {"encrypt": {"bsonType": "string", @det}},
	"salary": {"encrypt": {"bsonType": ["int", "long"], @random}},
	"home": {"bsonType": "object", "properties": {"street": {"encrypt": {@random}}}}},
	"patternProperties": {"^tmp_": {"encrypt": {"bsonType": "date", @random}}}}`

func start(t *testing.T, opts mockmongo.Options) (*mockmongo.Server, *mongo.Client) {
	t.Helper()
	s, err := mockmongo.Run(opts)
	if err != nil {
		t.Fatal(err)
	}
	client, err := mongo.Connect(options.Client().ApplyURI(s.URI()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.Disconnect(context.Background())
		s.Close()
	})
	return s, client
}

func plan(t *testing.T, client *mongo.Client, opts enforce.Options) *enforce.Plan {
	t.Helper()
	p, err := enforce.MakePlan(t.Context(), client, "hr.employees", document(t, employees), opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestApply(t *testing.T) {
	ctx := t.Context()
	s, client := start(t, mockmongo.Options{Enforce: true})
	_, err := enforce.MakePlan(ctx, client, "hr.employees", document(t, employees), enforce.Options{})
	if !errors.Is(err, enforce.ErrNoCollection) {
		t.Errorf("got %v", err)
	}
	s.Put("hr.employees", bson.D{{Key: "validator", Value: document(t, `{"age": {"$gt": 1}, "$jsonSchema": {"required": ["name"]}}`)}, {Key: "validationAction", Value: "warn"}})
	p := plan(t, client, enforce.Options{Level: "moderate"})
	if !p.Changes() || p.After.Level != "moderate" || p.After.Action != "warn" || s.Collections()["hr.employees"] != 0 || slices.Contains(s.Commands(), "collMod") {
		t.Errorf("got %+v", p)
	}
	if err := p.Apply(ctx, client); err != nil {
		t.Fatal(err)
	}
	if err := p.Apply(ctx, client); !errors.Is(err, enforce.ErrChanged) {
		t.Errorf("a second time: %v", err)
	}
	now, err := enforce.Read(ctx, client, "hr.employees")
	if err != nil || now.Level != "moderate" || now.Action != "warn" || now.Strict() || now.Validator.Lookup("age", "$gt").Int32() != 1 {
		t.Errorf("got %+v %v", now, err)
	}
	p = plan(t, client, enforce.Options{})
	if p.Changes() {
		t.Errorf("nothing to do, but %+v", p)
	}
	if err := p.Apply(ctx, client); err != nil {
		t.Error(err)
	}
	if differences, err := schema.Compare(document(t, employees), now.Schema()); err != nil || len(differences) > 0 {
		t.Errorf("got %v %v", differences, err)
	}
}

func TestApplyCreates(t *testing.T) {
	s, client := start(t, mockmongo.Options{})
	p := plan(t, client, enforce.Options{Create: true})
	if p.Before.Exists || !p.Changes() {
		t.Errorf("got %+v", p)
	}
	if err := p.Apply(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(s.Commands(), "create") || len(s.Collections()) != 1 {
		t.Errorf("got %v", s.Commands())
	}
}

// What a server does that does not know encrypt, or takes validators and forgets them; and what never is sent.
func TestApplyFails(t *testing.T) {
	ctx := t.Context()
	_, client := start(t, mockmongo.Options{NoEncrypt: true})
	if err := plan(t, client, enforce.Options{Create: true}).Apply(ctx, client); !errors.Is(err, enforce.ErrNoEncrypt) {
		t.Errorf("got %v", err)
	}
	if err := plan(t, client, enforce.Options{Create: true, Approximate: true}).Apply(ctx, client); err != nil {
		t.Error(err)
	}
	_, client = start(t, mockmongo.Options{Forget: true})
	if err := plan(t, client, enforce.Options{Create: true}).Apply(ctx, client); !errors.Is(err, enforce.ErrNotKept) {
		t.Errorf("got %v", err)
	}
	_, client = start(t, mockmongo.Options{Intercept: func(cmd bson.Raw) bson.D {
		if first, _ := cmd.IndexErr(0); first.Key() != "create" {
			return nil
		}
		return bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: int32(238)}, {Key: "codeName", Value: "NotImplemented"}, {Key: "errmsg", Value: "validator is not implemented"}}
	}})
	if err := plan(t, client, enforce.Options{Create: true}).Apply(ctx, client); !errors.Is(err, enforce.ErrNoValidators) {
		t.Errorf("got %v", err)
	}
	s, client := start(t, mockmongo.Options{})
	s.Put("hr.view", bson.D{{Key: "viewOn", Value: "x"}})
	if _, err := enforce.MakePlan(ctx, client, "hr.view", document(t, employees), enforce.Options{}); err == nil || !strings.Contains(err.Error(), "is a view") {
		t.Errorf("got %v", err)
	}
	for _, validator := range []string{`{"ssn": {"$gt": "457"}}`, `{"$and": [{"$jsonSchema": ` + employees + `}]}`, `{"$or": [{"ssn": "457"}, {"x": 1}]}`,
		`{"$jsonSchema": {"properties": {"home": {"enum": [{"street": "457"}]}}}}`} {
		s.Put("hr.employees", bson.D{{Key: "validator", Value: document(t, validator)}})
		_, err := enforce.MakePlan(ctx, client, "hr.employees", document(t, employees), enforce.Options{})
		if refused := (*analyze.RefusedError)(nil); !errors.As(err, &refused) || strings.Contains(err.Error(), "457") {
			t.Errorf("%s: got %v", validator, err)
		}
	}
	for _, ns := range []string{"", "hr", "hr.", ".x"} {
		if _, err := enforce.Read(ctx, client, ns); err == nil {
			t.Errorf("%q: no error", ns)
		}
	}
}

func TestDrift(t *testing.T) {
	s, client := start(t, mockmongo.Options{})
	validator := func(text string) bson.D { return bson.D{{Key: "validator", Value: document(t, text)}} }
	one := `{"bsonType": "object", "properties": {"ssn": {"encrypt": {"bsonType": "string", @det}}}}`
	s.Put("a.same", validator(`{"$jsonSchema": `+one+`}`))
	s.Put("a.none", nil)
	s.Put("a.drift", validator(`{"$jsonSchema": {"bsonType": "object", "properties": {"ssn": {"encrypt": {@random}}}}}`))
	s.Put("a.bad", validator(`{"$jsonSchema": {"encrypt": {}}}`))
	s.Put("a.lax", append(validator(`{"$jsonSchema": `+one+`}`), bson.E{Key: "validationLevel", Value: "off"}))
	s.Put("a.view", bson.D{{Key: "viewOn", Value: "x"}})
	s.Put("a.unlisted", validator(`{"$jsonSchema": `+one+`}`))
	s.Put("a.plain", validator(`{"$jsonSchema": {"required": ["x"]}}`))
	s.Put("a.unlistedbad", validator(`{"$jsonSchema": {"encrypt": {}}}`))
	s.Put("a.buried", validator(`{"$and": [{"$jsonSchema": `+one+`}]}`))
	s.Put("a.unlistedburied", validator(`{"$and": [{"$jsonSchema": `+one+`}]}`))
	s.Put("b.elsewhere", validator(`{"$jsonSchema": `+one+`}`))
	local := map[string]bson.Raw{}
	for _, name := range []string{"same", "none", "drift", "bad", "lax", "view", "gone", "buried"} {
		local["a."+name] = document(t, one)
	}
	r, err := enforce.Drift(t.Context(), client, local)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range r.Findings {
		got = append(got, strings.TrimSpace(f.Namespace+" "+string(f.Kind)+" "+f.Path))
	}
	want := []string{"a.bad unreadable", "a.buried unreadable", "a.drift conflicting-algorithm ssn", "a.drift weaker ssn", "a.gone no-collection", "a.lax lax", "a.none no-schema", "a.view unreadable",
		"a.unlisted unlisted", "a.unlistedbad unreadable", "a.unlistedburied unreadable"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if r.Collections != 12 {
		t.Errorf("looked at %d collections", r.Collections)
	}
	if _, err := enforce.Drift(t.Context(), client, map[string]bson.Raw{"x": nil}); err == nil {
		t.Error("no error for a namespace that is none")
	}
}
