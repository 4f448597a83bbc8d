package breakingproxy

import (
	"net"
	"sync"
	"time"
)

// conn is a client's connection and the one to the server.
type conn struct {
	proxy  *Proxy
	client *net.TCPConn
	dial   Dial
	gone   chan struct{} // closed when the connection is
	once   sync.Once

	broken bool // bytes were lost, or it leads elsewhere; guarded by proxy.mu
}

// close ends the client's connection, orderly or by a reset.
func (c *conn) close(linger int) {
	c.once.Do(func() {
		_ = c.client.SetLinger(linger)
		_ = c.client.Close()
		close(c.gone)
	})
}

func (c *conn) reset() { c.close(0) }

// spoil notes that bytes were lost.
func (c *conn) spoil() {
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	c.broken = true
}

func (c *conn) serve() {
	defer c.proxy.drop(c)
	server, err := c.dial(c.proxy.ctx)
	if err != nil {
		c.reset()
		return
	}
	var replies sync.WaitGroup
	replies.Go(func() { c.down(server) })
	c.up(server)
	c.reset()
	_ = server.Close()
	replies.Wait()
}

// up carries what the client sends until it or the connection has gone.
func (c *conn) up(server net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := c.client.Read(buf)
		if err != nil {
			return
		}
		if f, _ := c.proxy.present(); f.Hit != nil {
			f.Hit()
		}
		switch f, _ := c.proxy.present(); {
		case f.Reset:
			return
		case f.HalfClose:
			c.spoil()
			_ = c.client.CloseWrite()
		case f.BlackHole:
			c.spoil()
		default:
			if _, err := server.Write(buf[:n]); err != nil {
				return
			}
		}
	}
}

// down carries what the server sends. The end of it is the end of the connection, unless nothing gets through.
func (c *conn) down(server net.Conn) {
	buf := make([]byte, 32<<10)
	var cut allowance
	for {
		n, err := server.Read(buf)
		f, changed := c.proxy.present()
		if f.BlackHole || f.HalfClose {
			if err != nil {
				return
			}
			c.spoil()
			continue
		}
		if !c.wait(f.Delay, changed) {
			return
		}
		end := err != nil
		if f.CutAfter > 0 {
			n, end = cut.take(n, f.CutAfter, changed, end)
		}
		if !c.send(buf[:n], f.Rate, changed) || end {
			c.close(-1)
			return
		}
	}
}

// allowance counts the bytes of a connection under one fault.
type allowance struct {
	fault <-chan struct{} // stands for it
	sent  int
}

// take returns how many of n bytes may pass, and whether the connection ends with them.
func (a *allowance) take(n, most int, fault <-chan struct{}, end bool) (int, bool) {
	if a.fault != fault {
		*a = allowance{fault: fault}
	}
	n = min(n, most-a.sent)
	a.sent += n
	return n, end || a.sent == most
}

// send writes at a rate; false when the client has gone.
func (c *conn) send(b []byte, rate int, changed <-chan struct{}) bool {
	for rate > 0 && len(b) > 0 {
		if !c.wait(time.Second/time.Duration(rate), changed) {
			return false
		}
		if _, err := c.client.Write(b[:1]); err != nil {
			return false
		}
		b = b[1:]
	}
	_, err := c.client.Write(b)
	return err == nil
}

// wait waits, or until the fault changes; false when the client has gone.
func (c *conn) wait(d time.Duration, changed <-chan struct{}) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-c.gone:
		return false
	}
	return true
}
