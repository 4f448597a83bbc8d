package kmip

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
)

// dialContext is the form of net.Dialer.DialContext.
type dialContext = func(ctx context.Context, network, address string) (net.Conn, error)

// newDialer makes connections with TLS. It returns a func, not a struct with the options: fmt prints of it an address only, whatever the verb.
func newDialer(options *tls.Config, given dialContext) func(ctx context.Context, address string) (net.Conn, error) {
	dial := new(net.Dialer).DialContext
	if given != nil {
		dial = abandonable(given)
	}
	if options == nil {
		options = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	options = options.Clone()
	return func(ctx context.Context, address string) (net.Conn, error) {
		connected, err := dial(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		secured := tls.Client(connected, verifying(options, address))
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = connected.Close()
			return nil, err
		}
		return secured, nil
	}
}

// verifying returns the options for a server: its certificate must be for the host of the address, however the connection was made.
func verifying(options *tls.Config, address string) *tls.Config {
	if options.ServerName != "" {
		return options
	}
	own := options.Clone()
	own.ServerName, _, _ = net.SplitHostPort(address) // it was joined from the two
	return own
}

// abandonable lets a call end with its context, whatever dial does. What dial connects later is closed.
func abandonable(dial dialContext) dialContext {
	type outcome struct {
		net.Conn
		error
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		dialled := make(chan outcome)
		go func() {
			c, err := dial(ctx, network, address)
			select {
			case dialled <- outcome{c, err}:
			case <-ctx.Done():
				if c != nil {
					_ = c.Close()
				}
			}
		}()
		select {
		case o := <-dialled:
			return checked(o.Conn, o.error)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// checked makes errors of the network of those of a given dialler, whatever their type: that nothing could be reached now says nothing of later.
func checked(c net.Conn, err error) (net.Conn, error) {
	var network *net.OpError
	switch {
	case err == nil && c != nil:
		return c, nil
	case err == nil:
		err = errors.New("DialContext returned no connection")
	case errors.As(err, &network):
		return nil, err
	}
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
}
