package keyvault_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

func serveStale() keyvault.CacheOptions { return keyvault.CacheOptions{Stale: 30 * time.Second} }

// A popular key expires: with or without Stale one fetch and one call to the KMS are made, however many want it.
func TestNoStampede(t *testing.T) {
	for _, stale := range []time.Duration{0, 30 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			s := newSetup(t, keyvault.CacheOptions{Stale: stale}, []string{"a"}, nil)
			s.mustLoad(t, keyvault.Request{IDs: byNumber(1, 2).IDs, AltNames: []string{"a"}})
			time.Sleep(61 * time.Second)
			g := newGate()
			s.store.before = g.store
			var served, waiting sync.WaitGroup
			for range 1000 {
				load := func() {
					if keys, err := s.Load(t.Context(), keyvault.Request{IDs: byNumber(1, 2).IDs, AltNames: []string{"a"}}); err != nil {
						t.Error(err)
					} else {
						checkKey(t, keys, 1)
					}
				}
				if stale > 0 {
					served.Go(func() {
						load()
						if _, ok := s.Lookup(numbered(1)); !ok {
							t.Error("not in memory")
						}
					})
				} else {
					waiting.Go(load)
				}
			}
			served.Wait() // while the gate is shut
			synctest.Wait()
			close(g.open)
			waiting.Wait()
			synctest.Wait()
			s.checkFetches(t, []string{"01", "02", "a"}, []string{"01", "02", "a"})
			for material, n := range s.kms.calls {
				if n != 2 {
					t.Errorf("key %d was unwrapped %d times", material[15], n)
				}
			}
			time.Sleep(58 * time.Second) // the refreshed keys are new
			s.mustLoad(t, keyvault.Request{IDs: byNumber(1, 2).IDs, AltNames: []string{"a"}})
			if s.store.count() != 2 {
				t.Errorf("%d fetches", s.store.count())
			}
		})
	}
}

func TestStaleEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, serveStale(), nil)
		s.mustLoad(t, byNumber(1))
		down := errors.New("down")
		s.store.before = func(context.Context) ([]*keyvault.DataKey, error) { return nil, down }
		time.Sleep(89 * time.Second)
		for range 100 { // a failed refresh is not tried again at once
			s.mustLoad(t, byNumber(1))
			synctest.Wait()
		}
		if n := s.store.count(); n != 2 {
			t.Errorf("%d fetches", n)
		}
		time.Sleep(time.Second)
		if _, ok := s.Lookup(numbered(1)); ok {
			t.Error("used after its end")
		}
		if _, err := s.Load(t.Context(), byNumber(1)); !errors.Is(err, down) {
			t.Errorf("got %v", err)
		}
	})
}

// A refresh that hangs is given up with the key, and does not hold up a Load with a deadline of its own.
func TestStaleRefreshHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, serveStale(), nil)
		s.mustLoad(t, byNumber(1))
		time.Sleep(60 * time.Second)
		g := newGate()
		s.store.before = g.store
		s.mustLoad(t, byNumber(1))
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if g.cancelled.Load() != 1 {
			t.Errorf("%d cancelled", g.cancelled.Load())
		}
	})
}

// What a refresh finds deleted or denied goes at once.
func TestStaleKeyGoes(t *testing.T) {
	for name, change := range map[string]func(*setup){
		"deleted": func(s *setup) { _, _ = s.store.Delete(context.Background(), numbered(1)) },
		"denied": func(s *setup) {
			s.kms.before = func(context.Context, []byte) ([]byte, error) { return nil, kms.ErrDenied }
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSetup(t, serveStale(), []string{"a"})
			s.mustLoad(t, byName("a"))
			time.Sleep(60 * time.Second)
			change(s)
			if _, ok := s.Lookup(numbered(1)); !ok {
				t.Errorf("%s: not served while it is refreshed", name)
			}
			synctest.Wait()
			_, there := s.Lookup(numbered(1))
			_, _, named := s.LookupAltName("a")
			if there || named {
				t.Errorf("%s: still there", name)
			}
		})
	}
}

func TestCloseEndsARefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, serveStale(), nil)
		s.mustLoad(t, byNumber(1))
		time.Sleep(60 * time.Second)
		g := newGate()
		s.store.before = g.store
		s.Lookup(numbered(1))
		synctest.Wait()
		s.Close()
		synctest.Wait()
		if g.cancelled.Load() != 1 {
			t.Error("the refresh goes on")
		}
	})
}

// Expired keys leave memory though nobody uses the cache any more.
func TestExpiredKeysLeaveMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, keyvault.CacheOptions{Size: 5000}, make([][]string, 2500)...)
		var ns []int
		for n := range 2500 {
			ns = append(ns, n+1)
		}
		var keys []weak.Pointer[payload.Key]
		s.mustLoad(t, byNumber(ns[0]))
		time.Sleep(10 * time.Second)
		s.mustLoad(t, byNumber(ns...))
		for _, n := range ns {
			key, ok := s.Lookup(numbered(n))
			if !ok {
				t.Fatal("not in memory")
			}
			keys = append(keys, weak.Make(key))
		}
		inMemory := func() (n int) {
			synctest.Wait()
			runtime.GC()
			runtime.GC()
			for _, key := range keys {
				if key.Value() != nil {
					n++
				}
			}
			return n
		}
		for _, step := range []struct {
			wait time.Duration
			want int
		}{{0, 2500}, {52 * time.Second, 2499}, {10 * time.Second, 0}} {
			time.Sleep(step.wait)
			if n := inMemory(); n != step.want {
				t.Errorf("%d keys in memory, want %d", n, step.want)
			}
		}
		s.mustLoad(t, byNumber(1)) // and again
		key, _ := s.Lookup(numbered(1))
		again := weak.Make(key)
		time.Sleep(62 * time.Second)
		synctest.Wait()
		runtime.GC()
		runtime.GC()
		if again.Value() != nil {
			t.Error("a later key stays in memory")
		}
	})
}
