package keyvault_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"testing/synctest"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// looseStore is a key vault without a unique index.
type looseStore struct {
	keyvault.Store
	keys []*keyvault.DataKey
}

func (s *looseStore) Fetch(_ context.Context, ids []payload.KeyID, names []string) (found []*keyvault.DataKey, _ error) {
	for _, k := range s.keys {
		if slices.Contains(ids, k.ID) || slices.ContainsFunc(k.KeyAltNames, func(n string) bool { return slices.Contains(names, n) }) {
			found = append(found, k)
		}
	}
	return found, nil
}

// A name that two keys have is an error, in whatever order they become known.
func TestAmbiguousAltName(t *testing.T) {
	for name, tt := range map[string]struct {
		first, late int // keys that are there from the beginning, and a key that gets the name later
		loads       []keyvault.Request
	}{
		"by name":                    {2, 0, nil},
		"one by id before":           {2, 0, []keyvault.Request{byNumber(1)}},
		"both by id before":          {2, 0, []keyvault.Request{byNumber(2), byNumber(1)}},
		"by name, then another's id": {1, 2, []keyvault.Request{byName("shared")}},
	} {
		s := newSetup(t, keyvault.CacheOptions{})
		loose := &looseStore{}
		s.store.Store = loose
		for n := range tt.first {
			loose.keys = append(loose.keys, dataKey(t, numbered(n+1), "aws", "shared"))
		}
		for _, req := range tt.loads {
			s.mustLoad(t, req)
		}
		if tt.late > 0 {
			loose.keys = append(loose.keys, dataKey(t, numbered(tt.late), "aws", "shared"))
			checkKey(t, s.mustLoad(t, byNumber(tt.late)), tt.late)
		}
		if id, _, ok := s.LookupAltName("shared"); ok {
			t.Errorf("%s: took key %s", name, id)
		}
		_, err := s.Load(t.Context(), byName("shared"))
		if err == nil || !strings.Contains(err.Error(), "duplicate keyAltNames") {
			t.Errorf("%s: got %v", name, err)
		}
		checkKey(t, s.mustLoad(t, byNumber(1)), 1) // the keys themselves are fine
	}
}

// brokenStore has a document that is not a data key.
type brokenStore struct {
	keyvault.Store
	broken keyvault.UnreadableError
}

func (s *brokenStore) Fetch(ctx context.Context, ids []payload.KeyID, names []string) ([]*keyvault.DataKey, error) {
	found, err := s.Store.Fetch(ctx, ids, names)
	if err == nil && (slices.Contains(ids, numbered(9)) || slices.Contains(names, "broken")) {
		err = &s.broken
	}
	return found, err
}

// A document that is not a data key is no reason to withhold others, but may be the one that a name means.
func TestBrokenDocument(t *testing.T) {
	s := newSetup(t, keyvault.CacheOptions{}, []string{"a"}, nil)
	doc := marshal(t, with("_id", numbered(9).Binary()))
	_, err := keyvault.ParseDataKey(marshal(t, with("extra", 1)))
	s.store.Store = &brokenStore{s.store.Store, keyvault.UnreadableError{Documents: []keyvault.Unreadable{keyvault.NewUnreadable(doc, err)}}}
	for _, tt := range []struct {
		req  keyvault.Request
		want string
	}{
		{keyvault.Request{IDs: byNumber(1, 2).IDs, AltNames: []string{"a"}}, ""},
		{byNumber(1, 9), "unrecognized field 'extra'"},
		{keyvault.Request{IDs: byNumber(8).IDs, AltNames: []string{"broken"}}, "unrecognized field 'extra'"},
	} {
		_, err := s.Load(t.Context(), tt.req)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: got %v, want %q", tt.req, err, tt.want)
		}
	}
	// Whoever waits for the others of the same fetch gets them.
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, keyvault.CacheOptions{}, nil)
		s.store.Store = &brokenStore{s.store.Store, keyvault.UnreadableError{Documents: []keyvault.Unreadable{keyvault.NewUnreadable(doc, err)}}}
		g := newGate()
		s.store.before = g.store
		both, one := s.start(t.Context(), byNumber(1, 9)), s.start(t.Context(), byNumber(1))
		close(g.open)
		if r := <-both; r.err == nil {
			t.Error("got a broken key")
		}
		if r := <-one; r.err != nil {
			t.Error(r.err)
		}
		s.checkFetches(t, []string{"01", "09"})
	})
}

// A KMS that hangs takes the places of its own keys only.
func TestUnwrapLimitIsPerProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, fast := &fakeKMS{name: "aws"}, &fakeKMS{name: "gcp"}
		g := newGate()
		slow.before = g.kms
		store := keyvault.NewMemoryStore()
		for n, provider := range []string{"aws", "aws", "aws", "gcp"} {
			if err := store.Insert(t.Context(), dataKey(t, numbered(n+1), provider)); err != nil {
				t.Fatal(err)
			}
		}
		cache := keyvault.NewCache(store, openKMS(t, slow, fast), keyvault.CacheOptions{UnwrapLimit: 2})
		defer cache.Close()
		s := &setup{Cache: cache}
		one, two, three, four := s.start(t.Context(), byNumber(1)), s.start(t.Context(), byNumber(2)), s.start(t.Context(), byNumber(3)), s.start(t.Context(), byNumber(4))
		if r := <-four; r.err != nil {
			t.Error(r.err)
		}
		if n := g.waiting.Load(); n != 2 {
			t.Errorf("%d calls at once", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Load(ctx, byNumber(3)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		close(g.open)
		for _, c := range []<-chan result{one, two, three} {
			if r := <-c; r.err != nil {
				t.Error(r.err)
			}
		}
		if n := g.most.Load(); n != 2 {
			t.Errorf("%d calls at once", n)
		}
	})
}
