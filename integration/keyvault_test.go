package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

func newKeyVault(t *testing.T) *keyvault.MongoStore {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(testserver.Start(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	store, err := keyvault.NewMongoStore(client, testserver.Database(t)+".__keyVault")
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func newDataKey(t *testing.T, n byte, altNames ...string) *keyvault.DataKey {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Millisecond)
	return &keyvault.DataKey{
		ID: payload.KeyID{15: n}, KeyAltNames: altNames, KeyMaterial: bytes.Repeat([]byte{n}, 160), CreationDate: now, UpdateDate: now,
		MasterKey: masterKeyDoc(t, "local"),
	}
}

func masterKeyDoc(t *testing.T, provider string) bson.Raw {
	t.Helper()
	doc, err := bson.Marshal(bson.D{{Key: "provider", Value: provider}})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// The same random operations give the same on a server as in memory.
func TestKeyVaultStoresAgree(t *testing.T) {
	for seed := range uint64(3) {
		server, memory := newKeyVault(t), keyvault.NewMemoryStore()
		if _, err := server.EnsureIndex(t.Context()); err != nil {
			t.Fatal(err)
		}
		random := rand.New(rand.NewPCG(seed, 0))
		for step := range 150 {
			describe, run := drawOperation(t, random, memory)
			want, wantErr := run(memory)
			got, gotErr := run(server)
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(time.Minute)); diff != "" {
				t.Fatalf("seed %d, step %d, %s (-memory +server):\n%s", seed, step, describe, diff)
			}
			if (wantErr == nil) != (gotErr == nil) || errors.Is(wantErr, keyvault.ErrNotFound) != errors.Is(gotErr, keyvault.ErrNotFound) ||
				mongo.IsDuplicateKeyError(wantErr) != mongo.IsDuplicateKeyError(gotErr) {
				t.Fatalf("seed %d, step %d, %s: in memory %v, on the server %v", seed, step, describe, wantErr, gotErr)
			}
		}
	}
}

// drawOperation draws an operation that every server must answer alike: it gives no name to two keys, for not every server notices.
func drawOperation(t *testing.T, random *rand.Rand, memory keyvault.Store) (string, func(keyvault.Store) (any, error)) {
	ctx := t.Context()
	n := byte(random.IntN(6) + 1)
	id, name := payload.KeyID{15: n}, string(rune('a'+random.IntN(6)))
	holders, err := memory.Fetch(ctx, nil, []string{name})
	if err != nil {
		t.Fatal(err)
	}
	free := len(holders) == 0 || holders[0].ID == id
	sorted := func(keys []*keyvault.DataKey, err error) (any, error) {
		slices.SortFunc(keys, func(a, b *keyvault.DataKey) int { return bytes.Compare(a.ID[:], b.ID[:]) })
		return keys, err
	}
	switch random.IntN(8) {
	case 0, 1:
		key := newDataKey(t, n)
		if len(holders) == 0 {
			key.KeyAltNames = []string{name}
		}
		return fmt.Sprintf("insert %d %s", n, key.KeyAltNames), func(s keyvault.Store) (any, error) { return nil, s.Insert(ctx, key) }
	case 2:
		return fmt.Sprintf("delete %d", n), func(s keyvault.Store) (any, error) { return s.Delete(ctx, id) }
	case 3:
		if free {
			return fmt.Sprintf("add %s to %d", name, n), func(s keyvault.Store) (any, error) { return s.AddKeyAltName(ctx, id, name) }
		}
		fallthrough
	case 4:
		return fmt.Sprintf("remove %s from %d", name, n), func(s keyvault.Store) (any, error) { return s.RemoveKeyAltName(ctx, id, name) }
	case 5:
		keys := []keyvault.Rewrapped{
			{ID: id, KeyMaterial: fmt.Append(nil, random.Uint64()), MasterKey: masterKeyDoc(t, "aws:"+name)},
			{ID: payload.KeyID{15: n%6 + 1}, KeyMaterial: fmt.Append(nil, random.Uint64()), MasterKey: masterKeyDoc(t, "local")},
		}
		return fmt.Sprintf("rewrap %d and next", n), func(s keyvault.Store) (any, error) {
			result, err := s.Rewrap(ctx, keys)
			return []int64{result.MatchedCount, result.ModifiedCount}, err
		}
	case 6:
		filter := bson.M{"keyAltNames": bson.M{"$in": bson.A{name, "a"}}, "masterKey.provider": "local"}
		return fmt.Sprint("find ", filter), func(s keyvault.Store) (any, error) { return sorted(s.Find(ctx, filter)) }
	default:
		return fmt.Sprintf("fetch %d %s", n, name), func(s keyvault.Store) (any, error) {
			return sorted(s.Fetch(ctx, []payload.KeyID{id, {15: 1}}, []string{name}))
		}
	}
}

// Rewrapping sets updateDate by the server's clock; changing alt names does not touch it.
func TestKeyVaultUpdateDate(t *testing.T) {
	store := newKeyVault(t)
	key := newDataKey(t, 1)
	key.UpdateDate = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := store.Insert(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	updateDate := func() time.Time {
		t.Helper()
		keys, err := store.Fetch(t.Context(), []payload.KeyID{key.ID}, nil)
		if err != nil || len(keys) != 1 {
			t.Fatalf("got %d keys, %v", len(keys), err)
		}
		return keys[0].UpdateDate
	}
	_, addErr := store.AddKeyAltName(t.Context(), key.ID, "a")
	_, removeErr := store.RemoveKeyAltName(t.Context(), key.ID, "a")
	if addErr != nil || removeErr != nil || !updateDate().Equal(key.UpdateDate) {
		t.Errorf("updateDate %v after changing alt names; %v, %v", updateDate(), addErr, removeErr)
	}
	if _, err := store.Rewrap(t.Context(), []keyvault.Rewrapped{{ID: key.ID, KeyMaterial: []byte{1}, MasterKey: key.MasterKey}}); err != nil {
		t.Fatal(err)
	}
	if age := time.Since(updateDate()); age.Abs() > time.Hour {
		t.Errorf("updateDate %v after rewrapping", updateDate())
	}
}

// The unique index refuses a second key with the same name and lets any number of keys have none.
func TestKeyVaultIndex(t *testing.T) {
	store := newKeyVault(t)
	var partial [2]bool
	for i := range partial { // creating it again is fine
		var err error
		if partial[i], err = store.EnsureIndex(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if partial[0] != partial[1] {
		t.Errorf("partial: %t, then %t", partial[0], partial[1])
	}
	for n := range byte(3) {
		if err := store.Insert(t.Context(), newDataKey(t, n+1)); err != nil {
			t.Fatalf("a key without names: %v", err)
		}
	}
	if err := store.Insert(t.Context(), newDataKey(t, 4, "a")); err != nil {
		t.Fatal(err)
	}
	if err := store.Insert(t.Context(), newDataKey(t, 5, "a")); !mongo.IsDuplicateKeyError(err) {
		t.Errorf("a second key named a: got %v", err)
	}
	if _, err := store.AddKeyAltName(t.Context(), payload.KeyID{15: 1}, "a"); err == nil {
		t.Error("added a name that another key has")
	}
	for _, name := range []string{"a", "z"} { // takes the last name, and the field with it: null would collide
		if _, err := store.RemoveKeyAltName(t.Context(), payload.KeyID{15: 4}, name); err != nil {
			t.Error(err)
		}
	}
	if err := store.Insert(t.Context(), newDataKey(t, 6, "a")); err != nil {
		t.Errorf("the name is free again: %v", err)
	}
}

// Removals at the same time do not undo each other, on servers that execute an update atomically.
func TestKeyVaultConcurrentRemovals(t *testing.T) {
	store := newKeyVault(t)
	key := newDataKey(t, 1, "stays")
	for i := range 20 {
		key.KeyAltNames = append(key.KeyAltNames, fmt.Sprint("name", i))
	}
	if err := store.Insert(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, concurrentWriters(t))
	for _, name := range key.KeyAltNames[1:] {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			before, err := store.RemoveKeyAltName(t.Context(), key.ID, name)
			if err != nil || !slices.Contains(before.KeyAltNames, name) {
				t.Errorf("removing %s: %v, %v", name, before, err)
			}
		})
	}
	wg.Wait()
	keys, err := store.Fetch(t.Context(), nil, []string{"stays"})
	if err != nil || len(keys) != 1 || !slices.Equal(keys[0].KeyAltNames, []string{"stays"}) {
		t.Errorf("left: %v, %v", keys, err)
	}
}

// concurrentWriters is 1 on FerretDB 1.x, which loses most of the updates that it gets at the same time for one document, with
// $addToSet as with any other operator.
func concurrentWriters(t *testing.T) int {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(testserver.Start(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Disconnect(context.Background()) }()
	info, err := client.Database("admin").RunCommand(t.Context(), bson.D{{Key: "buildInfo", Value: 1}}).Raw()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := info.LookupErr("ferretdbFeatures"); err == nil {
		return 1
	}
	return 20
}
