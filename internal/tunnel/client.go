package tunnel

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
)

// DialContext connects to address through the proxy: what a program whose connections must go through one gives to others.
func (p *Proxy) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, p.Addr())
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	received := bufio.NewReader(c)
	status, err := connect(c, received, address)
	switch {
	case !stop():
		err = ctx.Err()
	case err == nil && status != http.StatusOK:
		err = fmt.Errorf("connecting to %s through a proxy: HTTP status %d", address, status)
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return &conn{c, received}, nil
}

func connect(c net.Conn, received *bufio.Reader, address string) (status int, err error) {
	if _, err := fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", address, address); err != nil {
		return 0, err
	}
	reply, err := http.ReadResponse(received, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return 0, err
	}
	return reply.StatusCode, reply.Body.Close()
}

// conn reads first what came with the proxy's answer.
type conn struct {
	net.Conn
	received *bufio.Reader
}

func (c *conn) Read(b []byte) (int, error) { return c.received.Read(b) }
