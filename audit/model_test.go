package audit

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// kind is something that can stand at an encrypted field, and what an audit must say of it.
type kind struct {
	name     string
	value    any // nil: the field is absent
	values   int64
	empty    int64
	clean    int64
	cipher   int64
	problems []Problem
}

// kinds are what can stand at a field with this algorithm, key and a type that fits.
func kinds(t testing.TB, alg payload.Algorithm, key payload.KeyID, fits, misfit any) []kind {
	other, otherKey := payload.Random, bob
	if alg == payload.Random {
		other = payload.Deterministic
	}
	if key == bob {
		otherKey = alice
	}
	tampered := encrypt(t, alg, key, fits)
	tampered.Data[len(tampered.Data)-1] ^= 1
	all := []kind{
		{name: "absent"},
		{name: "null", value: bson.Null{}, values: 1, empty: 1},
		{name: "clean", value: encrypt(t, alg, key, fits), values: 1, clean: 1, cipher: 1},
		{name: "string", value: canary, values: 1, problems: []Problem{Plaintext}},
		{name: "number", value: 7, values: 1, problems: []Problem{Plaintext}},
		{name: "document", value: bson.D{{Key: "zip", Value: canary}}, values: 1, problems: []Problem{Plaintext}},
		{name: "array", value: bson.A{canary, canary}, values: 1, problems: []Problem{Plaintext}},
		{name: "binary", value: bson.Binary{Data: []byte{1}}, values: 1, problems: []Problem{Plaintext}},
		{name: "marking", value: marking(t), values: 1, problems: []Problem{StoredMarking}},
		{name: "queryable", value: bson.Binary{Subtype: 6, Data: append([]byte{7}, make([]byte, 60)...)}, values: 1, problems: []Problem{Queryable}},
		{name: "nothing", value: bson.Binary{Subtype: 6, Data: []byte{}}, values: 1, problems: []Problem{Malformed}},
		{name: "short", value: bson.Binary{Subtype: 6, Data: []byte{1, 2, 3}}, values: 1, problems: []Problem{Malformed}},
		{name: "other key", value: encrypt(t, alg, otherKey, fits), values: 1, cipher: 1, problems: []Problem{WrongKey}},
		{name: "tampered", value: tampered, values: 1, cipher: 1, problems: []Problem{NotAuthentic}},
		{name: "elements", value: bson.A{encrypt(t, alg, key, fits), canary}, values: 2, clean: 1, cipher: 1, problems: []Problem{Plaintext}},
	}
	if misfit != nil {
		all = append(all, kind{name: "other type", value: encrypt(t, alg, key, misfit), values: 1, cipher: 1, problems: []Problem{WrongType}})
	}
	if _, text := fits.(string); text {
		all = append(all, kind{name: "other algorithm", value: encrypt(t, other, key, fits), values: 1, cipher: 1, problems: []Problem{WrongAlgorithm}})
	}
	return all
}

// expected is what an audit must say of a field.
type expected struct {
	Documents, Values, Empty, Clean, Encrypted int64
	Problems                                   map[Problem]int64
}

func (e *expected) add(k kind) {
	if k.value != nil {
		e.Documents++
	}
	e.Values += k.values
	e.Empty += k.empty
	e.Clean += k.clean
	e.Encrypted += k.cipher
	for _, p := range k.problems {
		e.Problems[p]++
	}
}

// Whatever stands where, the counts are those of what was put there.
func TestScannerCounts(t *testing.T) {
	found, store := parseSchema(t, testSchema), vault(t)
	lost := func(alg payload.Algorithm, problems ...Problem) kind {
		return kind{name: "lost", value: encrypt(t, alg, gone, canary), values: 1, cipher: 1, problems: append(problems, UnknownKey)}
	}
	choices := map[string][]kind{
		"ssn":      append(kinds(t, payload.Deterministic, alice, canary, int32(1)), lost(payload.Deterministic, WrongKey)),
		"any":      append(kinds(t, payload.Random, bob, canary, nil), lost(payload.Random, WrongKey)),
		"home.zip": append(kinds(t, payload.Random, alice, canary, int64(1)), lost(payload.Random, WrongKey)),
	}
	rapid.Check(t, func(r *rapid.T) {
		want := map[string]*expected{}
		for path := range choices {
			want[path] = &expected{Problems: map[Problem]int64{}}
		}
		var docs []any
		for i := range rapid.IntRange(0, 12).Draw(r, "documents") {
			doc := bson.D{{Key: "_id", Value: int32(i)}}
			draw := func(path, name string) bson.D {
				k := rapid.SampledFrom(choices[path]).Draw(r, path)
				want[path].add(k)
				if k.value == nil {
					return nil
				}
				return bson.D{{Key: name, Value: k.value}}
			}
			doc = append(doc, bson.E{Key: "owner", Value: "alice"})
			doc = append(doc, draw("ssn", "ssn")...)
			doc = append(doc, draw("any", "any")...)
			if home := draw("home.zip", "zip"); rapid.Bool().Draw(r, "in an array") {
				doc = append(doc, bson.E{Key: "home", Value: bson.A{home, 5, bson.D{}}})
			} else {
				doc = append(doc, bson.E{Key: "home", Value: home})
			}
			docs = append(docs, doc)
		}
		result, _ := scan(t, Options{KeyVault: store, Decrypter: &opener{t: t}, Prove: 1 << 30}, found, docs...)
		if result.Documents != int64(len(docs)) || result.Unreadable != 0 {
			r.Fatalf("read %d of %d documents, %d unreadable", result.Documents, len(docs), result.Unreadable)
		}
		for path, w := range want {
			f := result.at(path)
			got := expected{Documents: f.Documents, Values: f.Values, Empty: f.Empty, Clean: f.Clean, Encrypted: f.Encrypted, Problems: f.problems()}
			if diff := cmp.Diff(*w, got); diff != "" {
				r.Errorf("%s: %s", path, diff)
			}
		}
	})
}
