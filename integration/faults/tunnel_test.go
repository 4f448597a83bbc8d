package faults

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldcrypt/fieldcrypt/internal/breakingproxy"
	"github.com/fieldcrypt/fieldcrypt/internal/mockkms/azure"
	"github.com/fieldcrypt/fieldcrypt/internal/tunnel"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

// host is where a key operation of the service goes.
func (s *service) host() string {
	switch name, _, _ := strings.Cut(s.id, ":"); name {
	case "aws":
		return "kms.us-east-1.amazonaws.com:443"
	case "azure":
		return azure.Host + ":443"
	case "gcp":
		return "cloudkms.googleapis.com:443"
	}
	return s.proxy.Addr()
}

// tunnel leads to the KMS's proxy, whatever host it is asked for.
func (s *service) tunnel(t *testing.T) *tunnel.Proxy {
	t.Helper()
	p, err := tunnel.Run(context.Background(), func(ctx context.Context, _ string) (net.Conn, error) {
		return breakingproxy.To(s.proxy.Addr())(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func openedBy(t *testing.T, s *service, dial dialContext) kms.Provider {
	t.Helper()
	return opened(t, s.dialling(t, dial), s.id, s.fields)
}

// The MongoDB driver specification "Client Side Encryption", prose test 28: a dialler of the caller's own reaches every KMS, which must still prove that it
// is the one, and not the tunnel or another behind it.
func TestTunnel(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		through := s.tunnel(t)
		p := openedBy(t, s, through.DialContext)
		w, err := p.WrapKey(t.Context(), document(t, s.masterKey), []byte(material))
		if err != nil {
			t.Fatal(err)
		}
		key{s.stored(t, w.MasterKey), w.KeyMaterial}.check(t, p)
		if asked := through.Asked(); !slices.Contains(asked, s.host()) {
			t.Errorf("the tunnel was asked for %q, not for %s", asked, s.host())
		}
		s.breaks(t, breakingproxy.Fault{Dial: s.impostors.impostor(t, time.Now().Add(time.Hour), "proxy.example.org")})
		_, err = openedBy(t, s, through.DialContext).UnwrapKey(t.Context(), s.stored(t, w.MasterKey), w.KeyMaterial)
		if e := s.checkError(t, err); e.Temporary() || !strings.Contains(e.Message, "certificate") {
			t.Errorf("a certificate for another host: got %v", err)
		}
	})
}

func TestDialError(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		p := openedBy(t, s, func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no tunnel today") })
		_, err := p.WrapKey(t.Context(), document(t, s.masterKey), []byte(material))
		if e := s.checkError(t, err); !e.Temporary() || !strings.Contains(e.Message, "no tunnel today") {
			t.Errorf("got %v", err)
		}
	})
}

// A dialler that knows nothing of contexts holds up nobody. What it connects in the end is not left open: see TestMain.
func TestDialHangs(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		release := make(chan struct{})
		defer close(release)
		p := openedBy(t, s, func(ctx context.Context, network, _ string) (net.Conn, error) {
			<-release
			return new(net.Dialer).DialContext(context.WithoutCancel(ctx), network, s.proxy.Addr())
		})
		err := within(t, true, func(ctx context.Context) error {
			_, err := p.WrapKey(ctx, document(t, s.masterKey), []byte(material))
			return err
		})
		if e := s.checkError(t, err); !e.Temporary() {
			t.Errorf("got %v", err)
		}
	})
}
