package keyvault_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// These tests run in bubbles of testing/synctest: synctest.Wait returns when every goroutine waits, and a goroutine left over or
// a lock held across a wait fails the test.

type result struct {
	keys *keyvault.Keys
	err  error
}

// start begins a Load and returns where its result will be.
func (s *setup) start(ctx context.Context, req keyvault.Request) <-chan result {
	c := make(chan result, 1)
	go func() {
		keys, err := s.Load(ctx, req)
		c <- result{keys, err}
	}()
	synctest.Wait()
	return c
}

// gate blocks the store's or the KMS's calls until it is opened or their context ends.
type gate struct {
	open      chan struct{}
	waiting   atomic.Int32
	most      atomic.Int32
	cancelled atomic.Int32
}

func newGate() *gate { return &gate{open: make(chan struct{})} }

func (g *gate) pass(ctx context.Context) error {
	n := g.waiting.Add(1)
	defer g.waiting.Add(-1)
	for old := g.most.Load(); n > old && !g.most.CompareAndSwap(old, n); old = g.most.Load() {
	}
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		g.cancelled.Add(1)
		return ctx.Err()
	}
}

func (g *gate) store(ctx context.Context) ([]*keyvault.DataKey, error) { return nil, g.pass(ctx) }
func (g *gate) kms(ctx context.Context, _ []byte) ([]byte, error)      { return nil, g.pass(ctx) }

func TestConcurrentLoadsShareTheWork(t *testing.T) {
	for _, where := range []string{"store", "kms"} {
		synctest.Test(t, func(t *testing.T) {
			s := newSetup(t, keyvault.CacheOptions{}, nil, nil, nil)
			g := newGate()
			if where == "store" {
				s.store.before = g.store
			} else {
				s.kms.before = g.kms
			}
			var results []<-chan result
			for _, req := range []keyvault.Request{byNumber(1, 2), byNumber(2, 3), byNumber(3, 1), byNumber(2, 1, 3)} {
				for range 10 {
					results = append(results, s.start(t.Context(), req))
				}
			}
			if _, ok := s.Lookup(numbered(1)); ok {
				t.Error("in memory already")
			}
			close(g.open)
			for _, c := range results {
				r := <-c
				if r.err != nil {
					t.Fatal(r.err)
				}
				checkKey(t, s.mustLoad(t, byNumber(1)), 1)
			}
			s.checkFetches(t, []string{"01", "02"}, []string{"03"})
			for material, n := range s.kms.calls {
				if n != 1 {
					t.Errorf("key %d was unwrapped %d times", material[15], n)
				}
			}
		})
	}
}

// By id and by name the same key has two fetches, for nobody knows that it is the same, but is unwrapped once.
func TestSameKeyByIDAndNameIsUnwrappedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, keyvault.CacheOptions{}, []string{"a"})
		g := newGate()
		s.kms.before = g.kms
		one, two := s.start(t.Context(), byNumber(1)), s.start(t.Context(), byName("a"))
		close(g.open)
		r1, r2 := <-one, <-two
		if r1.err != nil || r2.err != nil {
			t.Fatal(r1.err, r2.err)
		}
		checkKey(t, r1.keys, 1)
		if id, _, err := r2.keys.KeyByAltName("a"); id != numbered(1) || err != nil {
			t.Errorf("got %s, %v", id, err)
		}
		if n := g.most.Load(); n != 1 {
			t.Errorf("unwrapped %d times at once", n)
		}
	})
}

func TestUnwrapInParallelButBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, keyvault.CacheOptions{}, make([][]string, 40)...)
		g := newGate()
		s.kms.before = g.kms
		var ns []int
		for n := range 40 {
			ns = append(ns, n+1)
		}
		c := s.start(t.Context(), byNumber(ns...))
		if n := g.waiting.Load(); n != 16 {
			t.Errorf("%d at once", n)
		}
		close(g.open)
		r := <-c
		if r.err != nil {
			t.Fatal(r.err)
		}
		for _, n := range ns {
			checkKey(t, r.keys, n)
		}
		if g.most.Load() != 16 {
			t.Errorf("%d at once", g.most.Load())
		}
	})
}

// A slow or failing KMS of one key is no matter for those who wait for another key of the same fetch.
func TestKeysOfOneFetchAreIndependent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, keyvault.CacheOptions{}, nil, nil)
		g := newGate()
		s.store.before = g.store
		s.kms.before = func(ctx context.Context, material []byte) ([]byte, error) {
			if material[15] == 1 {
				time.Sleep(time.Second)
				return nil, errors.New("unreachable")
			}
			return nil, nil
		}
		both, second := s.start(t.Context(), byNumber(1, 2)), s.start(t.Context(), byNumber(2))
		began := time.Now()
		close(g.open)
		if r := <-second; r.err != nil || time.Since(began) != 0 {
			t.Errorf("second: %v after %v", r.err, time.Since(began))
		}
		if r := <-both; r.err == nil || !strings.Contains(r.err.Error(), "unreachable") {
			t.Errorf("both: %v", r.err)
		}
		if _, ok := s.Lookup(numbered(2)); !ok {
			t.Error("key 2 was not remembered")
		}
	})
}

// A document that only another caller asked for must not fail those who share the fetch with it.
func TestFailureOfASharedFetchIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, keyvault.CacheOptions{}, nil, nil)
		g := newGate()
		s.store.before = func(ctx context.Context) ([]*keyvault.DataKey, error) {
			if s.store.count() > 1 {
				return nil, nil
			}
			return nil, errors.Join(g.pass(ctx), errors.New("data key 01: malformed"))
		}
		both, second := s.start(t.Context(), byNumber(1, 2)), s.start(t.Context(), byNumber(2))
		close(g.open)
		if r := <-both; r.err == nil || !strings.Contains(r.err.Error(), "malformed") {
			t.Errorf("both: %v", r.err)
		}
		r := <-second
		if r.err != nil {
			t.Fatal(r.err)
		}
		checkKey(t, r.keys, 2)
		s.checkFetches(t, []string{"01", "02"}, []string{"02"})
	})
}

// What was being fetched when a key was forgotten may be the old state: it reaches those who waited already, but is not remembered, and those
// who come later do not get it.
func TestForgetDuringFetch(t *testing.T) {
	for _, req := range []keyvault.Request{byNumber(1), byName("a")} {
		synctest.Test(t, func(t *testing.T) {
			s := newSetup(t, keyvault.CacheOptions{}, []string{"a"}, nil)
			g := newGate()
			s.kms.before = g.kms
			before, other := s.start(t.Context(), req), s.start(t.Context(), byNumber(2))
			if _, err := s.store.Delete(t.Context(), numbered(1)); err != nil {
				t.Fatal(err)
			}
			s.Forget(numbered(1))
			after := s.start(t.Context(), req)
			otherAfter := s.start(t.Context(), byNumber(2))
			close(g.open)
			if r := <-before; r.err != nil {
				t.Error(r.err)
			}
			r := <-after
			if r.err != nil {
				t.Fatal(r.err)
			}
			_, idErr := r.keys.Key(numbered(1))
			_, _, nameErr := r.keys.KeyByAltName("a")
			if !errors.Is(idErr, keyvault.ErrNotFound) && !errors.Is(nameErr, keyvault.ErrNotFound) {
				t.Errorf("got %v, %v", idErr, nameErr)
			}
			if _, ok := s.Lookup(numbered(1)); ok {
				t.Error("the deleted key is remembered")
			}
			for _, c := range []<-chan result{other, otherAfter} {
				if r := <-c; r.err != nil {
					t.Error(r.err)
				}
			}
			if s.store.count() != 3 {
				t.Errorf("%d fetches", s.store.count())
			}
		})
	}
}

// The newest document wins, even if an older fetch lands later.
func TestOvertakenFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, keyvault.CacheOptions{}, []string{"a"}, nil)
		g := newGate()
		s.kms.before = func(ctx context.Context, material []byte) ([]byte, error) {
			if material[15] == 1 {
				return nil, g.pass(ctx)
			}
			return nil, nil
		}
		slow := s.start(t.Context(), byNumber(1)) // has read that key 1 is called a
		time.Sleep(time.Second)
		if _, err := s.store.RemoveKeyAltName(t.Context(), numbered(1), "a"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.store.AddKeyAltName(t.Context(), numbered(2), "a"); err != nil {
			t.Fatal(err)
		}
		s.mustLoad(t, byName("a"))
		close(g.open)
		<-slow
		if id, _, ok := s.LookupAltName("a"); !ok || id != numbered(2) {
			t.Errorf("a is %s", id)
		}
	})
}

func TestOvertakenFetchOfTheSameKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, keyvault.CacheOptions{}, []string{"a"})
		g := newGate()
		s.kms.before = func(ctx context.Context, material []byte) ([]byte, error) {
			if len(material) > 1 {
				return nil, g.pass(ctx)
			}
			return nil, nil
		}
		slow := s.start(t.Context(), byName("a"))
		time.Sleep(time.Second)
		newer := keyvault.Rewrapped{ID: numbered(1), KeyMaterial: []byte{1}, MasterKey: awsMasterKey}
		if _, err := s.store.Rewrap(t.Context(), []keyvault.Rewrapped{newer}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.store.RemoveKeyAltName(t.Context(), numbered(1), "a"); err != nil {
			t.Fatal(err)
		}
		s.mustLoad(t, byNumber(1))
		close(g.open)
		<-slow
		if _, _, ok := s.LookupAltName("a"); ok {
			t.Error("the old document replaced the new one")
		}
		if key, ok := s.Lookup(numbered(1)); !ok || !isKey(t, key, newer.KeyMaterial) {
			t.Error("the old key replaced the new one")
		}
	})
}

// Everything at once, for the race detector.
func TestStress(t *testing.T) {
	names := make([][]string, 20)
	for i := range names {
		names[i] = []string{fmt.Sprint("name", i+1)}
	}
	s := newSetup(t, keyvault.CacheOptions{Expiration: duration(200 * time.Microsecond), Size: 10}, names...)
	s.kms.before = func(ctx context.Context, material []byte) ([]byte, error) { return nil, ctx.Err() }
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 1))
			for range 200 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(400))*time.Microsecond)
				n, m := random.IntN(20)+1, random.IntN(20)+1
				req := keyvault.Request{IDs: []payload.KeyID{numbered(n)}, AltNames: []string{fmt.Sprint("name", m)}}
				if keys, err := s.Load(ctx, req); err == nil {
					checkKey(t, keys, n)
					if id, _, err := keys.KeyByAltName(req.AltNames[0]); err != nil || id != numbered(m) {
						t.Errorf("%s: got %s, %v", req.AltNames[0], id, err)
					}
				} else if !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				cancel()
				if random.IntN(10) == 0 {
					s.Forget(numbered(n))
				}
			}
		})
	}
	wg.Wait()
}
