package tunnel_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/fieldcrypt/fieldcrypt/internal/tunnel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func run(t *testing.T, dial tunnel.Dial) *tunnel.Proxy {
	t.Helper()
	p, err := tunnel.Run(context.Background(), dial)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func TestTunnel(t *testing.T) {
	near, far := net.Pipe()
	p := run(t, func(context.Context, string) (net.Conn, error) { return near, nil })
	go func() {
		_, _ = io.Copy(far, far)
		_ = far.Close()
	}()
	c, err := p.DialContext(t.Context(), "tcp", "kms.example.org:443")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "there"); err != nil {
		t.Fatal(err)
	}
	back := make([]byte, 5)
	if _, err := io.ReadFull(c, back); err != nil || string(back) != "there" {
		t.Errorf("got %q, %v", back, err)
	}
	_ = c.Close()
	if got := p.Asked(); !slices.Equal(got, []string{"kms.example.org:443"}) {
		t.Errorf("asked for %q", got)
	}
}

func TestTunnelRefuses(t *testing.T) {
	p := run(t, func(context.Context, string) (net.Conn, error) { return nil, errors.New("no way") })
	if c, err := p.DialContext(t.Context(), "tcp", "kms.example.org:443"); err == nil || !strings.Contains(err.Error(), "HTTP status 502") {
		t.Errorf("got %v, %v", c, err)
	}
	answer, err := http.Get("http://" + p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if answer.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a request other than CONNECT: got %s", answer.Status)
	}
}
