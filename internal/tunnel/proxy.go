// Package tunnel is an HTTP proxy that knows the method CONNECT only (RFC 9110, section 9.3.6), and the client's half of it.
//
// It is for tests, those of other modules of this repository included. It asks nobody for a password.
package tunnel

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
)

// Dial connects a proxy to host:port, which a client has asked for.
type Dial func(ctx context.Context, address string) (net.Conn, error)

// Proxy is a running proxy.
type Proxy struct {
	dial     Dial
	listener net.Listener
	ctx      context.Context // ends with the proxy
	cancel   context.CancelFunc
	running  sync.WaitGroup

	mu    sync.Mutex
	asked []string
}

// Run starts a proxy on a free port of the loopback interface. It runs until Close, or until ctx ends.
func Run(ctx context.Context, dial Dial) (*Proxy, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	p := &Proxy{dial: dial, listener: listener}
	p.ctx, p.cancel = context.WithCancel(ctx)
	context.AfterFunc(p.ctx, func() { _ = listener.Close() })
	p.running.Go(p.accept)
	return p, nil
}

// Addr returns host:port of the proxy.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Asked returns each host:port that clients have asked for so far.
func (p *Proxy) Asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

// Close ends the proxy and its connections, and waits for them. Further calls do nothing.
func (p *Proxy) Close() {
	p.cancel()
	p.running.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	defer context.AfterFunc(p.ctx, func() { _ = client.Close() })()
	sent := bufio.NewReader(client)
	r, err := http.ReadRequest(sent)
	if err != nil {
		return
	}
	if r.Method != http.MethodConnect {
		answer(client, http.StatusMethodNotAllowed)
		return
	}
	p.mu.Lock()
	p.asked = append(p.asked, r.Host)
	p.mu.Unlock()
	server, err := p.dial(p.ctx, r.Host)
	if err != nil {
		answer(client, http.StatusBadGateway)
		return
	}
	answer(client, http.StatusOK)
	join(client, sent, server)
}

func answer(client io.Writer, status int) {
	_, _ = fmt.Fprintf(client, "HTTP/1.1 %d %s\r\n\r\n", status, http.StatusText(status)) // the client may be gone
}

// join carries bytes both ways until one of the two ends.
func join(client net.Conn, sent io.Reader, server net.Conn) {
	var carrying sync.WaitGroup
	for _, way := range []struct {
		to   io.Writer
		from io.Reader
	}{{server, sent}, {client, server}} {
		carrying.Go(func() {
			_, _ = io.Copy(way.to, way.from)
			_, _ = client.Close(), server.Close()
		})
	}
	carrying.Wait()
}
