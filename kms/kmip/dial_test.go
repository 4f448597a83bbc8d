package kmip_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldcrypt/fieldcrypt/internal/mockkms/ca"
	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/kmip"
	"github.com/fieldcrypt/fieldcrypt/internal/tunnel"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/kmip"
)

type dialContext = func(ctx context.Context, network, address string) (net.Conn, error)

// openThrough returns a provider of the server at endpoint that is reached by dial.
func openThrough(t testing.TB, endpoint string, options *tls.Config, dial dialContext) kms.Provider {
	t.Helper()
	set, err := kms.Open(map[string]map[string]any{"kmip:far": {"endpoint": endpoint}}, kmip.Type{TLS: map[string]*tls.Config{"kmip:far": options}, DialContext: dial})
	if err != nil {
		t.Fatal(err)
	}
	p, err := set.Provider("kmip:far")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// startTunnel leads wherever it is asked to to one address.
func startTunnel(t testing.TB, address string) *tunnel.Proxy {
	t.Helper()
	p, err := tunnel.Run(context.Background(), func(ctx context.Context, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func TestTunnel(t *testing.T) {
	s := run(t, mock.Options{})
	through := startTunnel(t, s.Addr())
	p := openThrough(t, s.Addr(), s.ClientTLS(), through.DialContext)
	w, err := p.WrapKey(t.Context(), nil, dataKey())
	if err != nil {
		t.Fatal(err)
	}
	checkUnwraps(t, p, w)
	if got := through.Asked(); !slices.Equal(got, []string{s.Addr()}) { // the connection was kept
		t.Errorf("the tunnel was asked for %q", got)
	}
}

// The MongoDB driver specification "Client Side Encryption", prose test 28: the name that is verified is the KMS's.
func TestTunnelToAnother(t *testing.T) {
	s := run(t, mock.Options{}) // its certificate is for 127.0.0.1
	through := startTunnel(t, s.Addr())
	_, err := openThrough(t, "kms.example.org", s.ClientTLS(), through.DialContext).WrapKey(t.Context(), nil, dataKey())
	var e *kms.Error
	if !errors.As(err, &e) || e.Temporary() || e.Endpoint != "kms.example.org:5696" || !strings.Contains(e.Message, "match kms.example.org") {
		t.Errorf("got %v", err)
	}
	if got := through.Asked(); !slices.Equal(got, []string{"kms.example.org:5696"}) {
		t.Errorf("the tunnel was asked for %q", got)
	}
	if len(s.Calls()) > 0 {
		t.Error("a request reached the server")
	}
}

func TestDialErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		dial      dialContext
		want      string
		temporary bool
	}{
		"refusal": {func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no tunnel today") }, "dial tcp: no tunnel today", true},
		"nothing": {func(context.Context, string, string) (net.Conn, error) { return nil, nil }, "DialContext returned no connection", true},
		"name": {func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
		}, "no such host", false},
		"certificate": {func(context.Context, string, string) (net.Conn, error) {
			return nil, &tls.CertificateVerificationError{Err: errors.New("the proxy's")}
		}, "the proxy's", false},
	} {
		_, err := openThrough(t, "kms.example.org", nil, tt.dial).WrapKey(t.Context(), nil, dataKey())
		var e *kms.Error
		if !errors.As(err, &e) || e.Provider != "kmip:far" || e.Operation != "Connect" || e.Endpoint != "kms.example.org:5696" || e.Temporary() != tt.temporary ||
			!strings.Contains(e.Message, tt.want) || e.Cause != nil {
			t.Errorf("%s: got %#v", name, err)
		}
	}
}

// A dialler that does not know about contexts holds up itself only. What it connects in the end is closed.
func TestDialHangs(t *testing.T) {
	release := make(chan struct{})
	near, far := net.Pipe()
	p := openThrough(t, "kms.example.org", nil, func(context.Context, string, string) (net.Conn, error) {
		<-release
		return near, nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := p.WrapKey(ctx, nil, dataKey())
	var e *kms.Error
	if !errors.As(err, &e) || !errors.Is(err, context.DeadlineExceeded) || !e.Temporary() || e.Endpoint != "kms.example.org:5696" {
		t.Errorf("got %v", err)
	}
	close(release)
	if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the late connection: got %v", err)
	}
}

// timeless is a connection without deadlines, as those of SSH are.
type timeless struct{ net.Conn }

func (timeless) SetDeadline(time.Time) error      { return errors.ErrUnsupported }
func (timeless) SetReadDeadline(time.Time) error  { return errors.ErrUnsupported }
func (timeless) SetWriteDeadline(time.Time) error { return errors.ErrUnsupported }

func TestConnectionWithoutDeadlines(t *testing.T) {
	hanging := func(ctx context.Context, _ mock.Call) *mock.Answer { <-ctx.Done(); return nil }
	s := run(t, mock.Options{Intercept: hanging})
	authority, err := ca.New()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		options *tls.Config
		limit   time.Duration
	}{
		"hangs": {s.ClientTLS(), 200 * time.Millisecond},
		"fails": {&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: authority.Pool()}, 30 * time.Second},
	} {
		p := openThrough(t, s.Addr(), tt.options, func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, address)
			return timeless{c}, err
		})
		ctx, cancel := context.WithTimeout(t.Context(), tt.limit)
		defer cancel()
		_, err := p.WrapKey(ctx, nil, dataKey())
		if e := (*kms.Error)(nil); !errors.As(err, &e) || errors.Is(err, context.DeadlineExceeded) != (name == "hangs") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
