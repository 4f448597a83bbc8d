package fieldcrypt_test

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/goleak"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	det    = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"
	random = "AEAD_AES_256_CBC_HMAC_SHA_512-Random"
)

// providers configures local master keys and a KMS of a test.
func providers(fake ...string) map[string]map[string]any {
	config := map[string]map[string]any{
		"local":        {"key": master(1)},
		"local:tenant": {"key": master(2)},
	}
	for _, id := range fake {
		config[id] = map[string]any{"a": 1}
	}
	return config
}

func master(seed byte) []byte {
	key := make([]byte, 96)
	for i := range key {
		key[i] = seed + byte(i)
	}
	return key
}

// vault is a key vault that counts what it is asked for and can be unreachable.
type vault struct {
	*keyvault.MemoryStore
	mu      sync.Mutex
	fetches [][]string // what each fetch asked for, sorted
	err     error
}

func newVault() *vault { return &vault{MemoryStore: keyvault.NewMemoryStore()} }

func (v *vault) Fetch(ctx context.Context, ids []payload.KeyID, altNames []string) ([]*keyvault.DataKey, error) {
	asked := slices.Clone(altNames)
	for _, id := range ids {
		asked = append(asked, id.String())
	}
	slices.Sort(asked)
	v.mu.Lock()
	v.fetches = append(v.fetches, asked)
	err := v.err
	v.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return v.MemoryStore.Fetch(ctx, ids, altNames)
}

func (v *vault) asked() [][]string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.fetches)
}

// fakeKMS "wraps" by storing keys as they are, and unwraps unless err is set.
type fakeKMS struct {
	mu  sync.Mutex
	err error
}

func (f *fakeKMS) Name() string                                { return "aws" }
func (f *fakeKMS) Open(kms.ID, bson.Raw) (kms.Provider, error) { return f, nil }

func (f *fakeKMS) WrapKey(_ context.Context, masterKey bson.Raw, dataKey []byte) (kms.Wrapped, error) {
	return kms.Wrapped{KeyMaterial: slices.Clone(dataKey), MasterKey: masterKey}, f.fail(nil)
}

func (f *fakeKMS) UnwrapKey(_ context.Context, _ bson.Raw, material []byte) ([]byte, error) {
	return slices.Clone(material), f.fail(nil)
}

// fail returns the present error and, if given one, sets the next.
func (f *fakeKMS) fail(next error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.err
	if next != nil {
		f.err = next
	}
	return err
}

// collections is a server that knows the options of some collections.
type collections struct {
	infos map[string][]bson.D // by namespace
	mu    sync.Mutex
	asked []string // database and filter of each call
	err   error
}

func (c *collections) ListCollections(_ context.Context, db string, filter bson.Raw) ([]bson.Raw, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, db+" "+filter.String())
	var found []bson.Raw
	for _, ns := range slices.Sorted(maps.Keys(c.infos)) {
		for _, info := range c.infos[ns] {
			b, err := bson.Marshal(info)
			if err != nil {
				return nil, err
			}
			found = append(found, b)
		}
	}
	return found, c.err
}

func (c *collections) calls() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.asked)
}

func explicit(t testing.TB, store keyvault.Store, types ...kms.Type) *fieldcrypt.ClientEncryption {
	t.Helper()
	ids := []string{"aws"}
	ce, err := fieldcrypt.NewClientEncryption(nil, fieldcrypt.ClientEncryptionOptions{
		KeyVault: store, KmsProviders: providers(ids[:len(types)]...), KmsTypes: types,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ce.Close(context.Background()) })
	return ce
}

func automatic(t testing.TB, opts fieldcrypt.AutoEncryptionOptions, store keyvault.Store, c fieldcrypt.Collections) *fieldcrypt.AutoEncryption {
	t.Helper()
	if opts.KmsProviders == nil {
		ids := []string{"aws"}
		opts.KmsProviders = providers(ids[:len(opts.KmsTypes)]...)
	}
	e, err := fieldcrypt.NewAutoEncryption(opts, store, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// newKey makes a data key with the local master key, or that of another provider.
func newKey(t testing.TB, ce *fieldcrypt.ClientEncryption, provider string, altNames ...string) bson.Binary {
	t.Helper()
	id, err := ce.CreateDataKey(context.Background(), provider, fieldcrypt.DataKeyOptions{KeyAltNames: altNames})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// insertKey puts a data key of known id and material into the store.
func insertKey(t testing.TB, store keyvault.Store, id payload.KeyID, material []byte) {
	t.Helper()
	ctx := context.Background()
	made, err := explicit(t, store).CreateDataKey(ctx, "local", fieldcrypt.DataKeyOptions{KeyMaterial: material})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := store.Find(ctx, bson.D{{Key: "_id", Value: made}})
	if err != nil || len(keys) != 1 {
		t.Fatalf("got %d keys, %v", len(keys), err)
	}
	if _, err := store.Delete(ctx, keys[0].ID); err != nil {
		t.Fatal(err)
	}
	keys[0].ID = id
	if err := store.Insert(ctx, keys[0]); err != nil {
		t.Fatal(err)
	}
}

// encryptField is a schema's encrypt.
func encryptField(bsonType, algorithm string, keyID any) bson.D {
	e := bson.D{{Key: "algorithm", Value: algorithm}, {Key: "keyId", Value: keyID}}
	if bsonType != "" {
		e = append(e, bson.E{Key: "bsonType", Value: bsonType})
	}
	return bson.D{{Key: "encrypt", Value: e}}
}

func object(properties bson.D) bson.D {
	return bson.D{{Key: "bsonType", Value: "object"}, {Key: "properties", Value: properties}}
}

func raw(t testing.TB, doc any) bson.Raw {
	t.Helper()
	b, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func value(t testing.TB, v any) bson.RawValue {
	t.Helper()
	if v == nil {
		return bson.RawValue{Type: bson.TypeNull}
	}
	typ, data, err := bson.MarshalValue(v)
	if err != nil {
		t.Fatal(err)
	}
	return bson.RawValue{Type: typ, Value: data}
}

func unbase64(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// payloadAt is the content of the subtype 6 binary at a path; nil when it is something else.
func payloadAt(doc bson.Raw, path ...string) []byte {
	subtype, data, ok := doc.Lookup(path...).BinaryOK()
	if !ok || subtype != payload.Subtype {
		return nil
	}
	return data
}
