package fieldcrypt_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// meddler is a key vault in which somebody else does something between the reading and the writing of a rewrap, and whose write can fail in
// many ways.
type meddler struct {
	*keyvault.MemoryStore
	before func(keys []keyvault.Rewrapped) // somebody else's doing
	after  error                           // the answer gets lost, or is an error, after the write
	skip   bool                            // there is no write
}

func (m *meddler) Rewrap(ctx context.Context, keys []keyvault.Rewrapped) (*mongo.BulkWriteResult, error) {
	if m.before != nil {
		m.before(keys)
	}
	if m.skip {
		return nil, &keyvault.Error{Op: "rewrapping data keys", Err: m.after}
	}
	res, err := m.MemoryStore.Rewrap(ctx, keys)
	if m.after != nil {
		return nil, &keyvault.Error{Op: "rewrapping data keys", Err: m.after}
	}
	return res, err
}

// What others did meanwhile stands, and every key is accounted for.
func TestRewrapOutcomes(t *testing.T) {
	network := mongo.CommandError{Message: "connection reset", Labels: []string{"NetworkError"}}
	refused := mongo.BulkWriteException{WriteErrors: []mongo.BulkWriteError{{WriteError: mongo.WriteError{Code: 121, Message: "validation"}}}}
	for name, tc := range map[string]struct {
		before    func(t *testing.T, store keyvault.Store, keys []keyvault.Rewrapped)
		after     error
		skip      bool
		overwrite bool
		want      map[int]fieldcrypt.RewrapOutcome // by key; nil is no error
		provider  []string                         // afterwards
	}{
		"nothing happens": {provider: []string{"local:tenant", "local:tenant"}},
		"overtaken": {
			before: overtake, want: map[int]fieldcrypt.RewrapOutcome{0: fieldcrypt.RewrapOvertaken},
			provider: []string{"local", "local:tenant"},
		},
		"overwrite": {before: overtake, overwrite: true, provider: []string{"local:tenant", "local:tenant"}},
		"deleted": {
			before: func(t *testing.T, store keyvault.Store, keys []keyvault.Rewrapped) {
				if n, err := store.Delete(t.Context(), keys[0].ID); n != 1 || err != nil {
					t.Error(n, err)
				}
			},
			provider: []string{"", "local:tenant"},
		},
		"lost reply": {after: network, provider: []string{"local:tenant", "local:tenant"}},
		"lost command": {
			after: network, skip: true,
			want:     map[int]fieldcrypt.RewrapOutcome{0: fieldcrypt.RewrapUnknown, 1: fieldcrypt.RewrapUnknown},
			provider: []string{"local", "local"},
		},
		"refused": {
			after: refused, skip: true,
			want:     map[int]fieldcrypt.RewrapOutcome{0: fieldcrypt.RewrapNotWritten, 1: fieldcrypt.RewrapNotWritten},
			provider: []string{"local", "local"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := &meddler{MemoryStore: keyvault.NewMemoryStore(), after: tc.after, skip: tc.skip}
			ce := explicit(t, store)
			ids := []bson.Binary{newKey(t, ce, "local"), newKey(t, ce, "local")}
			if tc.before != nil {
				store.before = func(keys []keyvault.Rewrapped) { tc.before(t, store.MemoryStore, keys) }
			}
			opts := fieldcrypt.RewrapManyDataKeyOptions{Provider: "local:tenant", Overwrite: tc.overwrite}
			res, err := ce.RewrapManyDataKey(t.Context(), bson.D{}, opts)
			written := int64(0)
			for _, provider := range tc.provider {
				if provider == "local:tenant" {
					written++
				}
			}
			if got := matched(res); got != written {
				t.Errorf("the result counts %d keys, want %d", got, written)
			}
			var failed *fieldcrypt.RewrapError
			if errors.As(err, &failed) != (tc.want != nil) || err != nil && failed == nil {
				t.Fatalf("got %v", err)
			}
			if failed != nil {
				want := map[payload.KeyID]fieldcrypt.RewrapOutcome{}
				for i, outcome := range tc.want {
					want[payload.KeyID(ids[i].Data)] = outcome
				}
				if diff := cmp.Diff(want, failed.Keys); diff != "" {
					t.Errorf("outcomes (-want +got):\n%s", diff)
				}
			}
			for i, want := range tc.provider {
				key, err := ce.GetKey(t.Context(), ids[i])
				if want == "" {
					if !errors.Is(err, keyvault.ErrNotFound) {
						t.Errorf("key %d: got %v", i, err)
					}
					continue
				}
				if err != nil || key.Provider() != want {
					t.Errorf("key %d: %v, %v", i, key, err)
					continue
				}
				checkUsable(t, store, ids[i])
			}
			store.before, store.after, store.skip = nil, nil, false
			if _, err := ce.RewrapManyDataKey(t.Context(), bson.D{}, fieldcrypt.RewrapManyDataKeyOptions{Provider: "local"}); err != nil {
				t.Errorf("run again: %v", err)
			}
		})
	}
}

func matched(res *fieldcrypt.RewrapManyDataKeyResult) int64 {
	if res == nil || res.BulkWriteResult == nil {
		return 0
	}
	return res.MatchedCount
}

// overtake wraps the first key anew, under its present master key.
func overtake(t *testing.T, store keyvault.Store, keys []keyvault.Rewrapped) {
	ce := explicit(t, store)
	filter := bson.D{{Key: "_id", Value: keys[0].ID.Binary()}}
	if _, err := ce.RewrapManyDataKey(t.Context(), filter, fieldcrypt.RewrapManyDataKeyOptions{}); err != nil {
		t.Error(err)
	}
}

// checkUsable encrypts something with a client that has nothing in memory.
func checkUsable(t *testing.T, store keyvault.Store, id bson.Binary) {
	t.Helper()
	if _, err := explicit(t, store).Encrypt(t.Context(), value(t, "v"), fieldcrypt.EncryptOptions{KeyID: &id, Algorithm: random}); err != nil {
		t.Errorf("the key is not readable: %v", err)
	}
}
