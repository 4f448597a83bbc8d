package kmip

import (
	"slices"
	"sync"
	"time"
)

const (
	maxIdle  = 4
	idleTime = 30 * time.Second
)

// idle keeps connections between calls. Each is in step: every request on it has its reply.
type idle struct {
	mu    sync.Mutex
	conns []*conn // the last one used is the last
}

// take returns a connection to the address, nil if there is none.
func (i *idle) take(address string) *conn {
	i.mu.Lock()
	defer i.mu.Unlock()
	for n, c := range slices.Backward(i.conns) {
		if c.address == address {
			i.conns = slices.Delete(i.conns, n, n+1)
			c.expiry.Stop()
			c.kept, c.answered = true, false
			return c
		}
	}
	return nil
}

// put keeps a connection, in place of the one used longest ago if there are many.
func (i *idle) put(c *conn) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.conns = append(i.conns, c)
	c.expiry = time.AfterFunc(idleTime, func() { i.drop(c) })
	if len(i.conns) > maxIdle {
		i.conns[0].expiry.Stop()
		i.conns[0].cut()
		i.conns = slices.Delete(i.conns, 0, 1)
	}
}

// drop closes a connection unless it has been taken.
func (i *idle) drop(c *conn) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if n := slices.Index(i.conns, c); n >= 0 {
		c.cut()
		i.conns = slices.Delete(i.conns, n, n+1)
	}
}
