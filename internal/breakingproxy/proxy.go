// Package breakingproxy is a TCP proxy that breaks the connections through it in the ways in which networks and servers do.
//
// It is for tests, those of other modules of this repository included. It knows nothing of what it carries, and takes a client that closes its
// half of a connection for one that has gone.
package breakingproxy

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// Dial connects to what is behind a proxy.
type Dial func(ctx context.Context) (net.Conn, error)

// To dials host:port.
func To(address string) Dial {
	return func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", address) }
}

// Proxy is a running proxy.
type Proxy struct {
	dial    Dial
	address string
	ctx     context.Context // ends with the proxy
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil while connections are refused
	fault    Fault
	changed  chan struct{} // closed when the fault changes
	conns    map[*conn]struct{}
	accepted int
}

// Run starts a proxy on a free port of the loopback interface. It runs, without a fault, until Close, or until ctx ends.
func Run(ctx context.Context, dial Dial) (*Proxy, error) {
	p := &Proxy{dial: dial, address: "127.0.0.1:0", changed: make(chan struct{}), conns: map[*conn]struct{}{}}
	p.ctx, p.cancel = context.WithCancel(ctx)
	if err := p.listen(); err != nil {
		p.cancel()
		return nil, err
	}
	p.address = p.listener.Addr().String()
	context.AfterFunc(p.ctx, p.end)
	return p, nil
}

// Addr returns host:port of the proxy. It stays the same.
func (p *Proxy) Addr() string { return p.address }

// Connections returns how many connections were accepted so far.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Disconnect resets the open connections.
func (p *Proxy) Disconnect() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.disconnect(func(*conn) bool { return true })
}

// Break puts f in place of the present fault, for open connections too. Those of which bytes were lost, or that lead elsewhere than f says, are
// reset. The error is that the port was taken while connections were refused.
func (p *Proxy) Break(f Fault) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
	close(p.changed)
	p.changed = make(chan struct{})
	p.disconnect(func(c *conn) bool { return c.broken || f.Refuse || f.Dial != nil })
	switch {
	case f.Refuse && p.listener != nil:
		_ = p.listener.Close()
		p.listener = nil
	case !f.Refuse && p.listener == nil && p.ctx.Err() == nil:
		return p.listen()
	}
	return nil
}

// Mend is Break without a fault.
func (p *Proxy) Mend() error { return p.Break(Fault{}) }

// Close ends the proxy and its connections, and waits for them. Further calls do nothing.
func (p *Proxy) Close() {
	p.cancel()
	p.running.Wait()
}

func (p *Proxy) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		_ = p.listener.Close()
	}
	p.disconnect(func(*conn) bool { return true })
}

func (p *Proxy) disconnect(which func(*conn) bool) {
	for c := range p.conns {
		if which(c) {
			c.reset()
		}
	}
}

func (p *Proxy) listen() error {
	listener, err := new(net.ListenConfig).Listen(p.ctx, "tcp", p.address)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	p.listener = listener
	p.running.Go(func() { p.accept(listener) })
	return nil
}

func (p *Proxy) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return // it is closed
		}
		c := &conn{proxy: p, client: client.(*net.TCPConn), gone: make(chan struct{})}
		if !p.admit(c, listener) {
			c.reset()
			return
		}
		p.running.Go(c.serve)
	}
}

// admit refuses a connection that was accepted when the listener was about to close.
func (p *Proxy) admit(c *conn, by net.Listener) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil || p.listener != by {
		return false
	}
	p.conns[c] = struct{}{}
	p.accepted++
	c.dial = p.dial
	if p.fault.Dial != nil {
		c.dial, c.broken = p.fault.Dial, true
	}
	return true
}

func (p *Proxy) drop(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// present returns the fault, and what is closed when it changes.
func (p *Proxy) present() (Fault, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault, p.changed
}
