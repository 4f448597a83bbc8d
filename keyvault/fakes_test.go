package keyvault_test

import (
	"bytes"
	"context"
	"crypto/sha512"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// fakeKMS is a KMS type and its provider. What it "unwraps" is a hash of the key material.
type fakeKMS struct {
	name   string
	before func(ctx context.Context, keyMaterial []byte) ([]byte, error) // nil result and error: unwrap as usual

	mu       sync.Mutex
	calls    map[string]int // by key material
	returned [][]byte
}

func (f *fakeKMS) Name() string                                { return f.name }
func (f *fakeKMS) Open(kms.ID, bson.Raw) (kms.Provider, error) { return f, nil }

func (f *fakeKMS) WrapKey(context.Context, bson.Raw, []byte) (kms.Wrapped, error) {
	panic("not used")
}

func (f *fakeKMS) UnwrapKey(ctx context.Context, _ bson.Raw, keyMaterial []byte) (out []byte, err error) {
	f.mu.Lock()
	if f.calls == nil {
		f.calls = map[string]int{}
	}
	f.calls[string(keyMaterial)]++
	f.mu.Unlock()
	if f.before != nil {
		out, err = f.before(ctx, keyMaterial)
	}
	if out == nil && err == nil {
		out = plaintext(keyMaterial)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.returned = append(f.returned, out)
	return out, err
}

func plaintext(keyMaterial []byte) []byte {
	sum := sha512.Sum512(keyMaterial)
	return append(sum[:], sum[:32]...)
}

// isKey says whether key is the one that keyMaterial wraps.
func isKey(t interface{ Fatal(...any) }, key *payload.Key, keyMaterial []byte) bool {
	want, err := payload.NewKey(plaintext(keyMaterial))
	if err != nil {
		t.Fatal(err)
	}
	value := bson.RawValue{Type: bson.TypeInt32, Value: []byte{1, 0, 0, 0}}
	a, errA := want.AppendEncrypt(nil, payload.Deterministic, payload.KeyID{}, value)
	b, errB := key.AppendEncrypt(nil, payload.Deterministic, payload.KeyID{}, value)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	return bytes.Equal(a, b)
}

// fakeStore counts what is fetched and can answer in its own way.
type fakeStore struct {
	keyvault.Store
	before func(ctx context.Context) ([]*keyvault.DataKey, error) // nil result and error: fetch as usual

	mu      sync.Mutex
	fetches [][]string // what each asked for
}

func (f *fakeStore) Fetch(ctx context.Context, ids []payload.KeyID, altNames []string) ([]*keyvault.DataKey, error) {
	var asked []string
	for _, id := range ids {
		asked = append(asked, id.String()[34:])
	}
	f.mu.Lock()
	f.fetches = append(f.fetches, append(asked, altNames...))
	f.mu.Unlock()
	if f.before != nil {
		if docs, err := f.before(ctx); docs != nil || err != nil {
			return docs, err
		}
	}
	return f.Store.Fetch(ctx, ids, altNames)
}

func (f *fakeStore) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.fetches)
}

// setup is a cache over a fake store and a fake KMS, with keys 1 … of the given alt names.
type setup struct {
	*keyvault.Cache
	store *fakeStore
	kms   *fakeKMS
}

func newSetup(t testing.TB, opts keyvault.CacheOptions, altNames ...[]string) *setup {
	t.Helper()
	s := &setup{store: &fakeStore{Store: storeWith(t, altNames...)}, kms: &fakeKMS{name: "aws"}}
	s.Cache = keyvault.NewCache(s.store, openKMS(t, s.kms), opts)
	t.Cleanup(s.Close)
	return s
}

func openKMS(t testing.TB, types ...*fakeKMS) *kms.Providers {
	t.Helper()
	config := map[string]map[string]any{}
	var all []kms.Type
	for _, typ := range types {
		config[typ.name] = map[string]any{"a": 1}
		all = append(all, typ)
	}
	providers, err := kms.Open(config, all...)
	if err != nil {
		t.Fatal(err)
	}
	return providers
}

// byNumber asks for keys by id.
func byNumber(ns ...int) (req keyvault.Request) {
	for _, n := range ns {
		req.IDs = append(req.IDs, numbered(n))
	}
	return req
}

func byName(names ...string) keyvault.Request { return keyvault.Request{AltNames: names} }

// checkKey fails unless the key for number n is there and right.
func checkKey(t testing.TB, keys *keyvault.Keys, n int) {
	t.Helper()
	key, err := keys.Key(numbered(n))
	if err != nil || !isKey(t, key, dataKey(t, numbered(n), "aws").KeyMaterial) {
		t.Errorf("key %d is not there, or another one: %v", n, err)
	}
}

// awsMasterKey is {provider: "aws"}.
var awsMasterKey = bson.Raw("\x17\x00\x00\x00\x02provider\x00\x04\x00\x00\x00aws\x00\x00")
