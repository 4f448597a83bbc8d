package keyvault_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

func (s *setup) mustLoad(t testing.TB, req keyvault.Request) *keyvault.Keys {
	t.Helper()
	keys, err := s.Load(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func (s *setup) checkFetches(t testing.TB, want ...[]string) {
	t.Helper()
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if diff := cmp.Diff(want, s.store.fetches); diff != "" {
		t.Errorf("fetches (-want +got):\n%s", diff)
	}
}

func TestLoad(t *testing.T) {
	s := newSetup(t, keyvault.CacheOptions{}, []string{"a", "b"}, []string{"c"}, nil)
	keys := s.mustLoad(t, keyvault.Request{IDs: []payload.KeyID{numbered(1), numbered(3), numbered(1)}, AltNames: []string{"b", "c", "c"}})
	checkKey(t, keys, 1)
	checkKey(t, keys, 3)
	for name, n := range map[string]int{"b": 1, "c": 2} {
		id, key, err := keys.KeyByAltName(name)
		if err != nil || id != numbered(n) || !isKey(t, key, dataKey(t, id, "aws").KeyMaterial) {
			t.Errorf("%s: got %s, %v", name, id, err)
		}
	}
	// All that is known now comes from memory, by id or by a name that was asked for.
	s.mustLoad(t, keyvault.Request{IDs: []payload.KeyID{numbered(2)}, AltNames: []string{"b", "c"}})
	s.mustLoad(t, keyvault.Request{})
	s.checkFetches(t, []string{"01", "03", "b", "c"})
	if _, ok := s.Lookup(numbered(2)); !ok {
		t.Error("key 2 is not in memory")
	}
	if _, _, ok := s.LookupAltName("a"); ok {
		t.Error("a is known, though nobody has asked whether another key has it too")
	}
	for material, n := range s.kms.calls {
		if n != 1 {
			t.Errorf("key %d was unwrapped %d times", material[15], n)
		}
	}
	// Only what lacks is fetched.
	s.mustLoad(t, byNumber(1, 9, 3))
	s.checkFetches(t, []string{"01", "03", "b", "c"}, []string{"09"})
}

func duration(d time.Duration) *time.Duration { return &d }

func TestExpiration(t *testing.T) {
	for _, tt := range []struct {
		expiration *time.Duration
		wait       time.Duration
		there      bool
	}{
		{nil, 60*time.Second - 1, true},
		{nil, 60 * time.Second, false},
		{duration(time.Millisecond), time.Millisecond - 1, true},
		{duration(time.Millisecond), time.Millisecond, false},
		{duration(0), 1000 * time.Hour, true},
		{duration(-1), 0, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSetup(t, keyvault.CacheOptions{Expiration: tt.expiration}, []string{"a"})
			old := s.mustLoad(t, byName("a"))
			time.Sleep(tt.wait)
			_, _, named := s.LookupAltName("a")
			_, there := s.Lookup(numbered(1))
			if there != tt.there || named != tt.there {
				t.Errorf("%v after %v: got %t, by name %t", tt.expiration, tt.wait, there, named)
			}
			if id, _, err := old.KeyByAltName("a"); id != numbered(1) || err != nil { // whatever happens to the cache
				t.Error(err)
			}
			checkKey(t, s.mustLoad(t, byNumber(1)), 1)
			if want := map[bool]int{true: 1, false: 2}[tt.there]; s.store.count() != want {
				t.Errorf("%v after %v: %d fetches", tt.expiration, tt.wait, s.store.count())
			}
		})
	}
}

// The lifetime begins when the document is asked for, however long the KMS takes: it is a promise about how stale a key can be.
func TestExpirationCountsFromTheFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, keyvault.CacheOptions{}, nil)
		s.kms.before = func(context.Context, []byte) ([]byte, error) { time.Sleep(50 * time.Second); return nil, nil }
		checkKey(t, s.mustLoad(t, byNumber(1)), 1)
		time.Sleep(10*time.Second - 1)
		if _, ok := s.Lookup(numbered(1)); !ok {
			t.Error("gone too early")
		}
		time.Sleep(time.Nanosecond)
		if _, ok := s.Lookup(numbered(1)); ok {
			t.Error("older than the lifetime")
		}
	})
}

func TestSizeIsBounded(t *testing.T) {
	s := newSetup(t, keyvault.CacheOptions{Size: 2}, nil, []string{"b"}, nil)
	s.mustLoad(t, byNumber(1))
	s.mustLoad(t, byNumber(2))
	s.Lookup(numbered(1)) // used last
	s.mustLoad(t, byNumber(3))
	for n, want := range map[int]bool{1: true, 2: false, 3: true} {
		if _, ok := s.Lookup(numbered(n)); ok != want {
			t.Errorf("key %d: in memory %t", n, ok)
		}
	}
	if _, _, ok := s.LookupAltName("b"); ok {
		t.Error("the alt name outlived its key")
	}
	// A request may be larger than the cache.
	keys := s.mustLoad(t, byNumber(1, 2, 3))
	for n := 1; n <= 3; n++ {
		checkKey(t, keys, n)
	}
}

// A name that is seen at another key is asked for again.
func TestAltNameMoves(t *testing.T) {
	s := newSetup(t, keyvault.CacheOptions{}, []string{"a"}, nil)
	ctx := t.Context()
	s.mustLoad(t, byName("a"))
	if _, err := s.store.RemoveKeyAltName(ctx, numbered(1), "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.AddKeyAltName(ctx, numbered(2), "a"); err != nil {
		t.Fatal(err)
	}
	s.mustLoad(t, byNumber(2))
	if id, _, ok := s.LookupAltName("a"); ok {
		t.Errorf("a is %s still", id)
	}
	if id, _, err := s.mustLoad(t, byName("a")).KeyByAltName("a"); id != numbered(2) || err != nil {
		t.Errorf("a is %s, %v", id, err)
	}
	s.Forget(numbered(2))
	if id, _, ok := s.LookupAltName("a"); ok {
		t.Errorf("a is %s again", id)
	}
	if _, ok := s.Lookup(numbered(1)); !ok {
		t.Error("key 1 was forgotten too")
	}
	s.Forget(numbered(1))
	s.mustLoad(t, byNumber(1))
	if _, _, ok := s.LookupAltName("a"); ok {
		t.Error("key 1 has the name again")
	}
}

// A key that is fetched again has the names of the new document only.
func TestRefreshDropsOldNames(t *testing.T) {
	s := newSetup(t, keyvault.CacheOptions{}, []string{"a"})
	s.mustLoad(t, byName("a"))
	if _, err := s.store.RemoveKeyAltName(t.Context(), numbered(1), "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.AddKeyAltName(t.Context(), numbered(1), "b"); err != nil {
		t.Fatal(err)
	}
	s.mustLoad(t, byName("b"))
	if _, _, ok := s.LookupAltName("a"); ok {
		t.Error("the key is still known by its old name")
	}
}

func TestClose(t *testing.T) {
	s := newSetup(t, keyvault.CacheOptions{Expiration: duration(0)}, nil)
	keys := s.mustLoad(t, byNumber(1))
	s.Close()
	s.Close()
	if _, ok := s.Lookup(numbered(1)); ok {
		t.Error("still in memory")
	}
	if _, err := s.Load(t.Context(), byNumber(1)); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("got %v", err)
	}
	checkKey(t, keys, 1)
}
