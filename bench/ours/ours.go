// Package ours is the side of this module: its public API, as a program uses it.
package ours

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/version"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/bench/measure"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// Side is fieldcrypt. Buffered, it writes every result to one buffer, as the floor does, by those of its functions that append to what they are given.
type Side struct{ Buffered bool }

var _ measure.Side = Side{}

// Name implements measure.Side.
func (s Side) Name() string {
	if s.Buffered {
		return "fieldcrypt, into one buffer"
	}
	return "fieldcrypt, Go driver " + version.Driver
}

// Open implements measure.Side.
func (s Side) Open(t measure.Task) (func(int) ([]byte, error), func(), error) {
	switch t.Operation {
	case measure.EncryptValue, measure.DecryptValue:
		return s.explicit(t)
	case measure.EncryptCommand, measure.DecryptReply:
		return s.automatic(t)
	case measure.FirstReply:
		return first(t)
	case measure.Insert, measure.Find:
		return endToEnd(t)
	}
	return nil, nil, fmt.Errorf("fieldcrypt does not %s", t.Operation)
}

func (s Side) explicit(t measure.Task) (func(int) ([]byte, error), func(), error) {
	ctx := context.Background()
	store, err := newVault(t)
	if err != nil {
		return nil, nil, err
	}
	ce, err := fieldcrypt.NewClientEncryption(nil, fieldcrypt.ClientEncryptionOptions{
		KeyVault: store, KmsProviders: providers(t), KeyExpiration: forEver(), KeyCacheSize: len(t.DataKeys),
	})
	if err != nil {
		return nil, nil, err
	}
	opts := fieldcrypt.EncryptOptions{KeyID: &bson.Binary{Subtype: bson.TypeBinaryUUID, Data: t.KeyID}, Algorithm: t.Algorithm}
	encrypt := func(i int) ([]byte, error) {
		b, err := ce.Encrypt(ctx, bson.RawValue{Type: bson.Type(t.Type), Value: t.Inputs[i%len(t.Inputs)]}, opts)
		return b.Data, err
	}
	decrypt := func(i int) ([]byte, error) {
		v, err := ce.Decrypt(ctx, bson.Binary{Subtype: bson.TypeBinaryEncrypted, Data: t.Inputs[i%len(t.Inputs)]})
		return v.Value, err
	}
	if s.Buffered {
		encrypt = buffered(func(dst []byte, i int) ([]byte, error) {
			return ce.AppendEncrypt(ctx, dst, bson.RawValue{Type: bson.Type(t.Type), Value: t.Inputs[i%len(t.Inputs)]}, opts)
		})
		decrypt = buffered(func(dst []byte, i int) ([]byte, error) {
			out, _, err := ce.AppendDecrypt(ctx, dst, bson.Binary{Subtype: bson.TypeBinaryEncrypted, Data: t.Inputs[i%len(t.Inputs)]})
			return out, err
		})
	}
	free := func() { _ = ce.Close(ctx) }
	if t.Operation == measure.EncryptValue {
		return encrypt, free, nil
	}
	return decrypt, free, measure.Fill(t, decrypt)
}

func (s Side) automatic(t measure.Task) (func(int) ([]byte, error), func(), error) {
	ctx := context.Background()
	store, err := newVault(t)
	if err != nil {
		return nil, nil, err
	}
	e, err := engine(t, store)
	if err != nil {
		return nil, nil, err
	}
	encrypt := func(i int) ([]byte, error) { return e.Encrypt(ctx, t.Database, t.Inputs[i%len(t.Inputs)]) }
	decrypt := func(i int) ([]byte, error) { return e.Decrypt(ctx, t.Inputs[i%len(t.Inputs)]) }
	if s.Buffered {
		encrypt = buffered(func(dst []byte, i int) ([]byte, error) {
			return e.AppendEncrypt(ctx, dst, t.Database, t.Inputs[i%len(t.Inputs)])
		})
		decrypt = buffered(func(dst []byte, i int) ([]byte, error) { return e.AppendDecrypt(ctx, dst, t.Inputs[i%len(t.Inputs)]) })
	}
	if t.Operation == measure.EncryptCommand {
		return encrypt, e.Close, nil
	}
	return decrypt, e.Close, nil
}

// buffered gives do the same buffer each time. It is for one caller.
func buffered(do func(dst []byte, i int) ([]byte, error)) func(int) ([]byte, error) {
	var buffer []byte
	return func(i int) ([]byte, error) {
		out, err := do(buffer[:0], i)
		if err == nil {
			buffer = out
		}
		return out, err
	}
}

func first(t measure.Task) (func(int) ([]byte, error), func(), error) {
	store, err := newVault(t)
	if err != nil {
		return nil, nil, err
	}
	return func(i int) ([]byte, error) {
		e, err := engine(t, store)
		if err != nil {
			return nil, err
		}
		defer e.Close()
		return e.Decrypt(context.Background(), t.Inputs[i%len(t.Inputs)])
	}, func() {}, nil
}

func engine(t measure.Task, store keyvault.Store) (*fieldcrypt.AutoEncryption, error) {
	var schemas map[string]any
	if len(t.SchemaMap) > 0 {
		if err := bson.Unmarshal(t.SchemaMap, &schemas); err != nil {
			return nil, err
		}
	}
	return fieldcrypt.NewAutoEncryption(fieldcrypt.AutoEncryptionOptions{
		KmsProviders: providers(t), SchemaMap: schemas, KeyExpiration: forEver(), KeyCacheSize: len(t.DataKeys),
	}, store, nil)
}

// forEver is how long keys are kept: what is measured is not whether they expire.
func forEver() *time.Duration { return new(time.Duration) }

func providers(t measure.Task) map[string]map[string]any {
	return map[string]map[string]any{"local": {"key": t.MasterKey}}
}

// vault answers from memory with what a server would: documents, which have to be read.
type vault struct {
	keyvault.Store
	docs map[payload.KeyID]bson.Raw
}

func newVault(t measure.Task) (*vault, error) {
	v := &vault{Store: keyvault.NewMemoryStore(), docs: make(map[payload.KeyID]bson.Raw, len(t.DataKeys))}
	for _, doc := range t.DataKeys {
		key, err := keyvault.ParseDataKey(doc)
		if err != nil {
			return nil, err
		}
		v.docs[key.ID] = doc
	}
	return v, nil
}

// Fetch implements keyvault.Store.
func (v *vault) Fetch(_ context.Context, ids []payload.KeyID, _ []string) ([]*keyvault.DataKey, error) {
	keys := make([]*keyvault.DataKey, 0, len(ids))
	for _, id := range ids {
		key, err := keyvault.ParseDataKey(v.docs[id])
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}
