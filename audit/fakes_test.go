package audit

import (
	"bytes"
	"context"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// The data keys of the tests; gone is not in the vault.
var (
	alice = payload.KeyID{0xaa, 1}
	bob   = payload.KeyID{0xbb, 2}
	idle  = payload.KeyID{0xdd, 4}
	gone  = payload.KeyID{0xcc, 3}
)

// canary is in every plaintext that the tests encrypt or leave in clear, and must not be in any output.
const canary = "CANARY-4711"

const testSchema = `{"bsonType": "object", "properties": {
	"ssn": {"encrypt": {"bsonType": "string", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic", "keyId": [{"$uuid": "aa010000-0000-0000-0000-000000000000"}]}},
	"any": {"encrypt": {"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random", "keyId": [{"$uuid": "bb020000-0000-0000-0000-000000000000"}]}},
	"home": {"bsonType": "object", "properties": {
		"zip": {"encrypt": {"bsonType": ["string", "int"], "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random", "keyId": "/owner"}}}}}}`

func parseSchema(t testing.TB, text string) *schema.Schema {
	t.Helper()
	var doc bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(text), false, &doc); err != nil {
		t.Fatal(err)
	}
	s, err := schema.Parse(doc, schema.Local)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// vault has alice, bob and idle, whose names they have too.
func vault(t testing.TB) *keyvault.MemoryStore {
	t.Helper()
	store := keyvault.NewMemoryStore()
	for id, name := range map[payload.KeyID]string{alice: "alice", bob: "bob", idle: "idle"} {
		master, _ := bson.Marshal(bson.D{{Key: "provider", Value: "local"}})
		err := store.Insert(context.Background(), &keyvault.DataKey{
			ID: id, KeyAltNames: []string{name}, KeyMaterial: bytes.Repeat([]byte{1}, 160), CreationDate: time.UnixMilli(0), UpdateDate: time.UnixMilli(0), MasterKey: master,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return store
}

// material is the test's data key with this id.
func material(t testing.TB, id payload.KeyID) *payload.Key {
	t.Helper()
	key, err := payload.NewKey(bytes.Repeat(id[:2], payload.KeySize/2))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func encrypt(t testing.TB, alg payload.Algorithm, id payload.KeyID, value any) bson.Binary {
	t.Helper()
	vt, data, err := bson.MarshalValue(value)
	if err != nil {
		t.Fatal(err)
	}
	content, err := material(t, id).AppendEncrypt(nil, alg, id, bson.RawValue{Type: vt, Value: data})
	if err != nil {
		t.Fatal(err)
	}
	return bson.Binary{Subtype: payload.Subtype, Data: content}
}

func marking(t testing.TB) bson.Binary {
	t.Helper()
	vt, data, _ := bson.MarshalValue(canary)
	content, err := payload.Marking{Algorithm: payload.Random, KeyID: &alice, Value: bson.RawValue{Type: vt, Value: data}}.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return bson.Binary{Subtype: payload.Subtype, Data: content}
}

// opener is a Decrypter with the test's keys, those of the vault.
type opener struct {
	t     testing.TB
	asked int
	err   error
}

func (o *opener) Decrypt(_ context.Context, v bson.Binary) (bson.RawValue, error) {
	o.asked++
	if o.err != nil {
		return bson.RawValue{}, o.err
	}
	c, err := payload.ParseCiphertext(v.Data)
	if err != nil {
		return bson.RawValue{}, err
	}
	if c.KeyID == gone {
		return bson.RawValue{}, &keyvault.KeyError{ID: gone, Err: keyvault.ErrNotFound}
	}
	value, err := material(o.t, c.KeyID).AppendDecrypt(nil, c)
	return bson.RawValue{Type: c.Type, Value: value}, err
}

// scan looks at documents with the test's schema and vault.
func scan(t testing.TB, opts Options, found *schema.Schema, docs ...any) (*Collection, *keyring) {
	t.Helper()
	opts, err := opts.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	ring := newKeyring(opts.KeyVault)
	result := &Collection{Namespace: "db.coll", Source: FromMap, Complete: true}
	s := newScanner(opts, ring, found, result)
	for _, doc := range docs {
		raw, err := bson.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.add(context.Background(), raw); err != nil {
			t.Fatal(err)
		}
		clear(raw) // the scanner must have kept nothing of it
	}
	if err := s.finish(context.Background()); err != nil {
		t.Fatal(err)
	}
	return result, ring
}

func (c *Collection) at(path string) *Field {
	for _, f := range append(append([]*Field(nil), c.Fields...), c.Others...) {
		if f.Path == path {
			return f
		}
	}
	return nil
}

func (f *Field) problems() map[Problem]int64 {
	counts := map[Problem]int64{}
	for _, o := range f.Problems {
		counts[o.Problem] = o.Values
	}
	return counts
}
