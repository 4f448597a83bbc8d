// Package flight is for work that several callers want at the same time and that shall be done once. Unlike
// golang.org/x/sync/singleflight it lets each caller leave when its own context ends, and cancels work that nobody waits for any more.
package flight

import (
	"context"
	"sync"
)

// Flight is work in progress that several callers wait for. Its context ends when the last of them has left, or when it is done, so that no
// caller's cancellation fails another one's and no work goes on for nobody. It has no values of any caller's context: a session or a
// mark of the driver's about the caller's deadline must not rule over what the others wait for.
type Flight[V any] struct {
	ctx     context.Context
	cancel  context.CancelFunc
	waiters int
	done    chan struct{}
	value   V
	err     error
	old     bool
}

// Context is what the work runs in.
func (f *Flight[V]) Context() context.Context { return f.ctx }

// Done is closed when the work is done.
func (f *Flight[V]) Done() <-chan struct{} { return f.done }

// Detached says that the outcome is old news: the flight was detached. It wants the owner's lock held.
func (f *Flight[V]) Detached() bool { return f.old }

// Result is the outcome, once Done is closed.
func (f *Flight[V]) Result() (V, error) { return f.value, f.err }

// Group is the work in progress by what it is for. All methods but Do want the owner's lock held.
type Group[K comparable, V any] map[K]*Flight[V]

// Join adds a waiter to the flight for k. If there was none, first is true: the caller must see to it that it is landed.
func (g Group[K, V]) Join(k K) (f *Flight[V], first bool) {
	f, ok := g[k]
	if !ok {
		f = &Flight[V]{done: make(chan struct{})}
		f.ctx, f.cancel = context.WithCancel(context.Background())
		g[k] = f
	}
	f.waiters++
	return f, !ok
}

// Leave takes a waiter away. Work that nobody waits for is cancelled, and those who come later start it anew.
func (g Group[K, V]) Leave(k K, f *Flight[V]) {
	if f.waiters--; f.waiters == 0 {
		f.cancel()
		g.remove(k, f)
	}
}

// Detach makes those who come later start the work anew; those who wait go on waiting.
func (g Group[K, V]) Detach(k K, f *Flight[V]) {
	f.old = true
	g.remove(k, f)
}

func (g Group[K, V]) remove(k K, f *Flight[V]) {
	if g[k] == f {
		delete(g, k)
	}
}

// Land hands the result to the waiters.
func (g Group[K, V]) Land(k K, f *Flight[V], value V, err error) {
	g.remove(k, f)
	f.value, f.err = value, err
	f.cancel()
	close(f.done)
}

// Do returns the result of work for k, which is done once for all who ask while it goes on, or ctx's error when ctx ends first. lock
// guards the group; Do takes it, and does not hold it while waiting or working.
func (g Group[K, V]) Do(ctx context.Context, lock sync.Locker, k K, work func(context.Context) (V, error)) (V, error) {
	lock.Lock()
	f, first := g.Join(k)
	lock.Unlock()
	if first {
		go func() {
			value, err := work(f.ctx)
			lock.Lock()
			defer lock.Unlock()
			g.Land(k, f, value, err)
		}()
	}
	defer func() {
		lock.Lock()
		defer lock.Unlock()
		g.Leave(k, f)
	}()
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		var none V
		return none, ctx.Err()
	}
}
