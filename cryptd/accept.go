package cryptd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// acceptError is a listener that has ended by itself.
type acceptError struct {
	addr string
	err  error
}

func (e *acceptError) Error() string {
	return fmt.Sprintf("accepting connections at %s: %v", e.addr, e.err)
}

func (e *acceptError) Unwrap() error { return e.err }

// longestPause is how long accept waits at most after an error such as too many open files.
const longestPause = time.Second

// accept serves the connections of a listener until it is closed, each with the context work.
func (s *service) accept(ctx, work context.Context, l net.Listener) error {
	pause := time.Duration(0)
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			s.start(work, conn)
			continue
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return &acceptError{l.Addr().String(), err}
		case pause == 0:
			s.Logger.Warn("no connection accepted, trying again", "address", l.Addr().String(), "error", err)
		}
		pause = min(max(2*pause, 5*time.Millisecond), longestPause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

func (s *service) start(ctx context.Context, conn net.Conn) {
	c := newConnection(s, conn)
	if !s.add(c) {
		s.Logger.Debug("connection refused", "most", s.MaxConnections)
		_ = conn.Close()
		return
	}
	go c.serve(ctx)
}
