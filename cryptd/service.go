package cryptd

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fieldcrypt/fieldcrypt/wire"
)

// service is one call of Serve.
type service struct {
	Server
	analyzer Analyzer
	codec    wire.Codec
	memory   budget
	buffers  sync.Pool // of *buffers

	running     sync.WaitGroup
	mu          sync.Mutex
	connections map[*connection]struct{}
	closing     bool

	started time.Time
	last    atomic.Int64 // when the last message came or was answered, in nanoseconds after started
	busy    atomic.Int64 // messages in work
}

func newService(s *Server) *service {
	v := &service{Server: s.withDefaults(), connections: map[*connection]struct{}{}, started: time.Now()}
	v.analyzer.Rewrite, v.analyzer.Allow, v.analyzer.OK = v.Rewrite, v.Allow, true
	v.memory = newBudget(v.MaxMemory)
	v.buffers.New = func() any { return new(buffers) }
	return v
}

func (s *service) run(ctx context.Context, listeners []net.Listener) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	work, abandon := context.WithCancel(context.WithoutCancel(ctx)) // of the messages that came before the end
	defer abandon()
	var accepting sync.WaitGroup
	for _, l := range listeners {
		accepting.Go(func() {
			if err := s.accept(ctx, work, l); err != nil {
				end(err)
			}
		})
	}
	if s.IdleShutdown > 0 {
		accepting.Go(func() {
			if s.awaitIdle(ctx) {
				s.Logger.Info("idle: shutting down", "after", s.IdleShutdown)
				end(nil)
			}
		})
	}
	<-ctx.Done()
	for _, l := range listeners {
		_ = l.Close() // its accept has ended, or does now
	}
	accepting.Wait()
	s.shutdown(abandon)
	if failed := (*acceptError)(nil); errors.As(context.Cause(ctx), &failed) {
		return failed
	}
	return nil
}

// shutdown ends connections as soon as what is in work has been answered, and the slow ones after a while.
func (s *service) shutdown(abandon func()) {
	s.each(func(c *connection) { c.readNoMore() })
	slow := time.AfterFunc(shutdownGrace, func() {
		abandon()
		s.each(func(c *connection) { _ = c.Close() })
	})
	defer slow.Stop()
	s.running.Wait()
}

func (s *service) each(do func(*connection)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true // none comes after these
	for c := range s.connections {
		do(c)
	}
}

// add takes in a new connection; false when there are too many, or it comes too late.
func (s *service) add(c *connection) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || len(s.connections) >= s.MaxConnections {
		return false
	}
	s.connections[c] = struct{}{}
	s.running.Add(1)
	return true
}

func (s *service) remove(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connections, c)
	s.running.Done()
}

// begin and end enclose a message, from its first byte to its answer.
func (s *service) begin() {
	s.busy.Add(1)
	s.last.Store(int64(time.Since(s.started)))
}

func (s *service) end() {
	s.last.Store(int64(time.Since(s.started)))
	s.busy.Add(-1)
}

// awaitIdle waits until nothing was said for long enough; false when ctx is done before.
func (s *service) awaitIdle(ctx context.Context) bool {
	timer := time.NewTimer(s.IdleShutdown)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
		}
		left := s.IdleShutdown
		if s.busy.Load() == 0 {
			if left -= time.Since(s.started) - time.Duration(s.last.Load()); left <= 0 {
				return true
			}
		}
		timer.Reset(left)
	}
}
