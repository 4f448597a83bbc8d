package keyvault_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// storeWith returns a store with keys of the given alt names; the first has id 1.
func storeWith(t testing.TB, altNames ...[]string) *keyvault.MemoryStore {
	t.Helper()
	store := keyvault.NewMemoryStore()
	for i, names := range altNames {
		if err := store.Insert(t.Context(), dataKey(t, numbered(i+1), "aws", names...)); err != nil {
			t.Fatal(err)
		}
	}
	return store
}

func numbered(n int) payload.KeyID { return payload.KeyID{14: byte(n >> 8), 15: byte(n)} }

func numbers(keys []*keyvault.DataKey) (ns []int) {
	for _, k := range keys {
		ns = append(ns, int(k.ID[15]))
	}
	return ns
}

// dataKey returns a key wrapped by provider, with 97 bytes of key material that tell it apart.
func dataKey(t testing.TB, id payload.KeyID, provider string, altNames ...string) *keyvault.DataKey {
	t.Helper()
	return &keyvault.DataKey{
		ID: id, KeyAltNames: altNames, KeyMaterial: append(id[:], canary...), CreationDate: someTime, UpdateDate: someTime,
		MasterKey: marshal(t, bson.D{{Key: "provider", Value: provider}}),
	}
}

func TestMemoryStoreFind(t *testing.T) {
	store := storeWith(t, []string{"a", "b"}, nil, []string{"c"})
	if err := store.Insert(t.Context(), dataKey(t, numbered(4), "local")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		filter any
		want   []int
		err    string
	}{
		{filter: bson.D{}, want: []int{1, 2, 3, 4}},
		{filter: bson.M{"_id": numbered(2).Binary()}, want: []int{2}},
		{filter: bson.M{"_id": "text"}},
		{filter: bson.M{"_id": bson.M{"$in": bson.A{numbered(3).Binary(), numbered(1).Binary(), numbered(9).Binary()}}}, want: []int{1, 3}},
		{filter: bson.M{"keyAltNames": "b"}, want: []int{1}},
		{filter: bson.M{"keyAltNames": bson.M{"$in": bson.A{"a", "b", "c"}}}, want: []int{1, 3}},
		{filter: bson.M{"keyAltNames": bson.M{"$in": bson.A{}}}},
		{filter: bson.M{"masterKey.provider": "aws"}, want: []int{1, 2, 3}},
		{filter: bson.M{"masterKey.provider": "aws", "keyAltNames": "c"}, want: []int{3}},
		{filter: nil, err: "nil filter"},
		{filter: 5, err: "not a document"},
		{filter: bson.M{"status": canary}, err: `cannot filter by "status"`},
		{filter: bson.M{"$or": bson.A{bson.M{"_id": canary}}}, err: `cannot compare with a value of type array`},
		{filter: bson.M{"keyAltNames": nil}, err: "cannot compare with a value of type null"},
		{filter: bson.M{"keyAltNames": bson.M{"$exists": true}}, err: "only equality and {$in: [values]}"},
		{filter: bson.M{"keyAltNames": bson.M{"$in": canary}}, err: "only equality and {$in: [values]}"},
		{filter: bson.M{"keyAltNames": bson.Regex{Pattern: canary}}, err: "cannot compare with a value of type regex"},
	} {
		got, err := store.Find(t.Context(), tt.filter)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), canary) {
				t.Errorf("%v: got error %v, want %q", tt.filter, err, tt.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v: %v", tt.filter, err)
		} else if diff := cmp.Diff(tt.want, numbers(got)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.filter, diff)
		}
	}
}

func TestMemoryStoreFetch(t *testing.T) {
	store := storeWith(t, []string{"a", "b"}, nil, []string{"c"})
	got, err := store.Fetch(t.Context(), []payload.KeyID{numbered(2), numbered(9)}, []string{"b", "z"})
	if diff := cmp.Diff([]int{2, 1}, numbers(got)); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

func TestMemoryStoreDuplicates(t *testing.T) {
	store := storeWith(t, []string{"a"}, []string{"b"})
	_, addErr := store.AddKeyAltName(t.Context(), numbered(2), "a")
	for name, err := range map[string]error{
		"id":             store.Insert(t.Context(), dataKey(t, numbered(1), "aws")),
		"alt name":       store.Insert(t.Context(), dataKey(t, numbered(3), "aws", "c", "b")),
		"added alt name": addErr,
	} {
		var vault *keyvault.Error
		if !mongo.IsDuplicateKeyError(err) || !errors.As(err, &vault) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestMemoryStoreAltNames(t *testing.T) {
	store := storeWith(t, []string{"a"})
	for _, step := range []struct {
		change func(context.Context, payload.KeyID, string) (*keyvault.DataKey, error)
		name   string
		before []string
	}{
		{store.AddKeyAltName, "b", []string{"a"}},
		{store.AddKeyAltName, "b", []string{"a", "b"}},
		{store.RemoveKeyAltName, "a", []string{"a", "b"}},
		{store.RemoveKeyAltName, "z", []string{"b"}},
		{store.RemoveKeyAltName, "b", []string{"b"}},
		{store.AddKeyAltName, "a", nil},
	} {
		before, err := step.change(t.Context(), numbered(1), step.name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.before, before.KeyAltNames, cmpEmpty); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
		if !before.UpdateDate.Equal(someTime) {
			t.Error("updateDate is for rewrapping only")
		}
		if _, err := step.change(t.Context(), numbered(9), step.name); !errors.Is(err, keyvault.ErrNotFound) {
			t.Errorf("no such key: got %v", err)
		}
	}
}

var cmpEmpty = cmp.Transformer("empty", func(s []string) []string { return append([]string{}, s...) })

func TestMemoryStoreRewrapAndDelete(t *testing.T) {
	store := storeWith(t, nil, nil)
	r := rewrapped(t)
	r.ID = numbered(1)
	gone := rewrapped(t)
	result, err := store.Rewrap(t.Context(), []keyvault.Rewrapped{r, gone})
	if err != nil || result.MatchedCount != 1 || result.ModifiedCount != 1 {
		t.Fatalf("got %+v, %v", result, err)
	}
	keys, err := store.Find(t.Context(), bson.M{"masterKey.provider": "local"})
	if err != nil || len(keys) != 1 || keys[0].KeyMaterial[0] != 2 || !keys[0].UpdateDate.After(someTime) {
		t.Errorf("got %v, %v", keys, err)
	}
	keys[0].KeyMaterial[0] = 0 // a copy
	if _, err := store.Rewrap(t.Context(), []keyvault.Rewrapped{{ID: numbered(1)}}); err == nil {
		t.Error("stored no key material")
	}
	for want := range int64(2) {
		if n, err := store.Delete(t.Context(), numbered(1)); n != 1-want || err != nil {
			t.Errorf("deleted %d, %v", n, err)
		}
	}
}

func TestMemoryStoreCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	store := storeWith(t, []string{"a"})
	for name, run := range map[string]func() error{
		"Fetch":            func() error { _, err := store.Fetch(ctx, nil, []string{"a"}); return err },
		"Find":             func() error { _, err := store.Find(ctx, bson.D{}); return err },
		"Insert":           func() error { return store.Insert(ctx, dataKey(t, numbered(2), "aws")) },
		"Delete":           func() error { _, err := store.Delete(ctx, numbered(1)); return err },
		"AddKeyAltName":    func() error { _, err := store.AddKeyAltName(ctx, numbered(1), "b"); return err },
		"RemoveKeyAltName": func() error { _, err := store.RemoveKeyAltName(ctx, numbered(1), "a"); return err },
		"Rewrap":           func() error { _, err := store.Rewrap(ctx, nil); return err },
	} {
		if err := run(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if keys, _ := store.Find(t.Context(), bson.D{}); len(keys) != 1 || len(keys[0].KeyAltNames) != 1 {
		t.Error("something was changed")
	}
}
