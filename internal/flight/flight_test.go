package flight

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFlight(t *testing.T) {
	f, lock := Group[string, int]{}, new(sync.Mutex)
	var calls atomic.Int32
	release, began := make(chan struct{}), make(chan struct{})
	work := func(ctx context.Context) (int, error) {
		if calls.Add(1) == 1 {
			close(began)
		}
		select {
		case <-release:
			return 7, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	type result struct {
		n   int
		err error
	}
	join := func(ctx context.Context) chan result {
		out := make(chan result, 1)
		go func() {
			n, err := f.Do(ctx, lock, "k", work)
			out <- result{n, err}
		}()
		return out
	}
	impatient, leave := context.WithCancel(t.Context())
	first := join(impatient)
	<-began
	second := join(t.Context())
	for waiting := 0; waiting < 2; {
		lock.Lock()
		waiting = f["k"].waiters
		lock.Unlock()
	}
	leave()
	if r := <-first; !errors.Is(r.err, context.Canceled) {
		t.Errorf("the one who left got %+v", r)
	}
	close(release)
	if r := <-second; r.n != 7 || r.err != nil {
		t.Errorf("the one who stayed got %+v: the call must outlive its first caller", r)
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("called %d times, want once", n)
	}
}

func TestFlightEndsWithItsLastCaller(t *testing.T) {
	f, lock := Group[string, int]{}, new(sync.Mutex)
	ended := make(chan error)
	ctx, leave := context.WithCancel(t.Context())
	_, err := f.Do(ctx, lock, "k", func(ctx context.Context) (int, error) {
		leave()
		<-ctx.Done()
		go func() { ended <- ctx.Err() }()
		return 0, ctx.Err()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the call ended with %v", err)
	}
	if n, err := f.Do(t.Context(), lock, "k", func(context.Context) (int, error) { return 3, nil }); n != 3 || err != nil {
		t.Errorf("a new call after the last caller left: got %d, %v", n, err)
	}
}
