package faults

import (
	"context"
	"maps"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

const (
	deterministic = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"
	random        = "AEAD_AES_256_CBC_HMAC_SHA_512-Random"
)

func local() map[string]any { return map[string]any{"key": make([]byte, payload.KeySize)} }

// client returns explicit encryption, with an empty memory, under the local KMS and, if not nil, s.
func client(t *testing.T, s *service, mc *mongo.Client, opts fieldcrypt.ClientEncryptionOptions) *fieldcrypt.ClientEncryption {
	t.Helper()
	opts.KmsProviders = map[string]map[string]any{"local": local()}
	if s != nil {
		opts.KmsProviders[s.id], opts.KmsTypes = s.fields, []kms.Type{s.client(t)}
	}
	ce, err := fieldcrypt.NewClientEncryption(mc, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ce.Close(context.Background()) })
	return ce
}

// newKeys makes keys under s, or the local KMS.
func newKeys(t *testing.T, ce *fieldcrypt.ClientEncryption, s *service, n int) (ids []payload.KeyID) {
	t.Helper()
	for range n {
		provider, opts := "local", fieldcrypt.DataKeyOptions{KeyMaterial: []byte(material)}
		if s != nil {
			provider, opts.MasterKey = s.id, s.masterKey
		}
		id, err := ce.CreateDataKey(t.Context(), provider, opts)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, payload.KeyID(id.Data))
	}
	return ids
}

// sealed is what each key has encrypted.
type sealed map[payload.KeyID]bson.Binary

func seal(t *testing.T, ce *fieldcrypt.ClientEncryption, ids []payload.KeyID) sealed {
	t.Helper()
	all := sealed{}
	for _, id := range ids {
		keyID := id.Binary()
		value, err := ce.Encrypt(t.Context(), text(t, id.String()), fieldcrypt.EncryptOptions{KeyID: &keyID, Algorithm: random})
		if err != nil {
			t.Fatal(err)
		}
		all[id] = value
	}
	return all
}

// check decrypts everything, and that every key is stored under the provider, if one is named.
func (all sealed) check(t *testing.T, ce *fieldcrypt.ClientEncryption, provider string) {
	t.Helper()
	for id, value := range all {
		if got, err := ce.Decrypt(t.Context(), value); err != nil || got.StringValue() != id.String() {
			t.Errorf("lost: %v", err)
		}
		if key, err := ce.GetKey(t.Context(), id.Binary()); err != nil || provider != "" && key.Provider() != provider {
			t.Errorf("stored under %v, %v; want %s", key, err, provider)
		}
	}
}

// providers says under which KMS each key is stored.
func (all sealed) providers(t *testing.T, ce *fieldcrypt.ClientEncryption) (names []string) {
	t.Helper()
	for id := range maps.Keys(all) {
		key, err := ce.GetKey(t.Context(), id.Binary())
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, key.Provider())
	}
	slices.Sort(names)
	return names
}

func text(t *testing.T, s string) bson.RawValue {
	t.Helper()
	typ, data, err := bson.MarshalValue(s)
	if err != nil {
		t.Fatal(err)
	}
	return bson.RawValue{Type: typ, Value: data}
}
