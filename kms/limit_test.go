package kms_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/kms"
)

// gate is a KMS whose calls end one for each value in open.
type gate struct {
	fake
	entered chan string
	open    chan struct{}
}

func (g *gate) Open(kms.ID, bson.Raw) (kms.Provider, error) { return g, g.err }

func (g *gate) WrapKey(context.Context, bson.Raw, []byte) (kms.Wrapped, error) {
	g.entered <- "wrap"
	<-g.open
	return kms.Wrapped{KeyMaterial: []byte{1}}, nil
}

func (g *gate) UnwrapKey(context.Context, bson.Raw, []byte) ([]byte, error) {
	g.entered <- "unwrap"
	<-g.open
	return []byte{2}, nil
}

func openLimited(t *testing.T, g *gate, n int) kms.Provider {
	t.Helper()
	p, err := kms.Limit(g, n).Open(kms.ID{Type: "aws", Name: "prod"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const calls, limit = 10, 3
		g := &gate{entered: make(chan string, calls+1), open: make(chan struct{})}
		p, other := openLimited(t, g, limit), openLimited(t, g, limit)
		for i := range calls {
			go func() {
				var got []byte
				var err error
				if i%2 == 0 {
					var w kms.Wrapped
					w, err = p.WrapKey(t.Context(), nil, nil)
					got = w.KeyMaterial
				} else {
					got, err = p.UnwrapKey(t.Context(), nil, nil)
				}
				if err != nil || len(got) != 1 || int(got[0]) != 1+i%2 {
					t.Errorf("call %d: got %v, %v", i, got, err)
				}
			}()
		}
		for ended := range calls {
			synctest.Wait()
			if n, want := len(g.entered), min(ended+limit, calls); n != want {
				t.Errorf("after %d calls ended, %d had begun; want %d", ended, n, want)
			}
			g.open <- struct{}{}
		}
		go func() { _, _ = other.WrapKey(t.Context(), nil, nil) }() // another provider's calls are its own
		g.open <- struct{}{}
	})
}

func TestLimitWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{entered: make(chan string, 9), open: make(chan struct{})}
		p := openLimited(t, g, 1)
		go func() { _, _ = p.WrapKey(t.Context(), nil, nil) }()
		synctest.Wait()
		for range 3 { // who gives up frees nothing
			ctx, cancel := context.WithCancel(t.Context())
			go func() { synctest.Wait(); cancel() }()
			_, err := p.UnwrapKey(ctx, nil, nil)
			var e *kms.Error
			if !errors.As(err, &e) || !errors.Is(err, context.Canceled) || e.Temporary() ||
				err.Error() != "KMS provider `aws:prod`: UnwrapKey: waiting for one of the 1 calls in flight to end: context canceled" {
				t.Errorf("cancelled: got %v", err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), kmsWait)
		defer cancel()
		var e *kms.Error
		if _, err := p.WrapKey(ctx, nil, nil); !errors.As(err, &e) || !errors.Is(err, context.DeadlineExceeded) || !e.Temporary() {
			t.Errorf("deadline: got %v", err)
		}
		if n := len(g.entered); n != 1 {
			t.Errorf("%d calls in flight", n)
		}
		g.open <- struct{}{}
		go func() { g.open <- struct{}{} }()
		if _, err := p.WrapKey(t.Context(), nil, nil); err != nil {
			t.Errorf("the next: %v", err)
		}
	})
}

const kmsWait = 1e9 // of the bubble's clock

func TestLimitType(t *testing.T) {
	g := &gate{fake: fake{name: "aws"}}
	for _, n := range []int{-1, 0} {
		if got := kms.Limit(g, n); got != kms.Type(g) {
			t.Errorf("%d: got a %T", n, got)
		}
	}
	if name := kms.Limit(g, 1).Name(); name != "aws" {
		t.Errorf("got the name %q", name)
	}
	g.err = errors.New("no region")
	if p, err := kms.Limit(g, 1).Open(kms.ID{Type: "aws"}, nil); p != nil || err != g.err {
		t.Errorf("got %v, %v", p, err)
	}
}
