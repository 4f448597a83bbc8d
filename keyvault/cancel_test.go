package keyvault_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
)

func TestFirstCallerLeaves(t *testing.T) {
	for _, where := range []string{"store", "kms"} {
		synctest.Test(t, func(t *testing.T) {
			s := newSetup(t, keyvault.CacheOptions{}, nil, nil)
			g := newGate()
			if where == "store" {
				s.store.before = g.store
			} else {
				s.kms.before = g.kms
			}
			ctx, cancel := context.WithCancel(t.Context())
			first, second := s.start(ctx, byNumber(1, 2)), s.start(t.Context(), byNumber(2))
			cancel()
			if r := <-first; !errors.Is(r.err, context.Canceled) { // at once: the gate is still shut
				t.Errorf("first: %v", r.err)
			}
			synctest.Wait()
			close(g.open)
			r := <-second
			if r.err != nil {
				t.Fatalf("second: %v", r.err)
			}
			checkKey(t, r.keys, 2)
			if s.store.count() != 1 {
				t.Errorf("%d fetches", s.store.count())
			}
			if want := map[string]int32{"store": 0, "kms": 1}[where]; g.cancelled.Load() != want { // key 1 has no waiter left
				t.Errorf("%s: %d calls cancelled", where, g.cancelled.Load())
			}
		})
	}
}

func TestLastCallerLeavesAndWorkStops(t *testing.T) {
	for _, where := range []string{"store", "kms"} {
		synctest.Test(t, func(t *testing.T) {
			s := newSetup(t, keyvault.CacheOptions{}, []string{"a"})
			g := newGate()
			if where == "store" {
				s.store.before = g.store
			} else {
				s.kms.before = g.kms
			}
			ctx1, cancel1 := context.WithCancel(t.Context())
			ctx2, cancel2 := context.WithTimeout(t.Context(), time.Second)
			defer cancel2()
			first, second := s.start(ctx1, keyvault.Request{IDs: byNumber(1).IDs, AltNames: []string{"a"}}), s.start(ctx2, byNumber(1))
			cancel1()
			<-first
			synctest.Wait()
			if g.cancelled.Load() != 0 {
				t.Error("cancelled while somebody waits")
			}
			if r := <-second; !errors.Is(r.err, context.DeadlineExceeded) {
				t.Errorf("second: %v", r.err)
			}
			synctest.Wait()
			if g.cancelled.Load() != 1 {
				t.Errorf("%d calls cancelled", g.cancelled.Load())
			}
			close(g.open)
			checkKey(t, s.mustLoad(t, byNumber(1)), 1) // starts anew
		})
	}
}

func TestAlreadyCancelled(t *testing.T) {
	s := newSetup(t, keyvault.CacheOptions{}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Load(ctx, byNumber(1)); !errors.Is(err, context.Canceled) || s.store.count() != 0 {
		t.Errorf("got %v, %d fetches", err, s.store.count())
	}
}

func TestCloseDuringFetch(t *testing.T) {
	for _, where := range []string{"store", "kms"} {
		synctest.Test(t, func(t *testing.T) {
			s := newSetup(t, keyvault.CacheOptions{}, nil)
			g := newGate()
			if where == "store" {
				s.store.before = g.store
			} else {
				s.kms.before = g.kms
			}
			c := s.start(t.Context(), byNumber(1))
			s.Close()
			if r := <-c; r.err == nil || !strings.Contains(r.err.Error(), "closed") {
				t.Errorf("got %v", r.err)
			}
			synctest.Wait()
			if g.cancelled.Load() != 1 {
				t.Error("the work goes on")
			}
		})
	}
}

// A store or KMS that ignores its context holds nobody up.
func TestDeafStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, keyvault.CacheOptions{}, nil)
		s.store.before = func(context.Context) ([]*keyvault.DataKey, error) { time.Sleep(time.Hour); return nil, nil }
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if r := <-s.start(ctx, byNumber(1)); !errors.Is(r.err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("got %v after %v", r.err, time.Since(began))
		}
		time.Sleep(time.Hour) // the bubble must end empty
	})
}
