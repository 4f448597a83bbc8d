package vault_test

import (
	"crypto/tls"
	"errors"
	"net/http"
	"strings"
	"testing"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/vault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/vault"
)

type otherTransport struct{ http.RoundTripper }

func TestTLSOptions(t *testing.T) {
	insecure := &tls.Config{InsecureSkipVerify: true}
	const prohibited = "insecure TLS options prohibited"
	for name, tt := range map[string]struct {
		typ  vault.Type
		want string // empty: opens
	}{
		"none":             {vault.Type{}, ""},
		"another's":        {vault.Type{TLS: map[string]*tls.Config{"vault": insecure}}, ""},
		"insecure":         {vault.Type{TLS: map[string]*tls.Config{"vault:prod": insecure}}, prohibited},
		"up to TLS 1.1":    {vault.Type{TLS: map[string]*tls.Config{"vault:prod": {MaxVersion: tls.VersionTLS11}}}, prohibited},
		"insecure client":  {vault.Type{HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: insecure}}}, prohibited},
		"other transport":  {vault.Type{HTTPClient: &http.Client{Transport: otherTransport{}}}, ""},
		"cannot take them": {vault.Type{HTTPClient: &http.Client{Transport: otherTransport{}}, TLS: map[string]*tls.Config{"vault:prod": {}}}, "could take them"},
	} {
		_, err := kms.Open(map[string]map[string]any{"vault:prod": {"endpoint": endpoint, "token": "token"}}, tt.typ)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}

func TestTLSOptionsAreUsed(t *testing.T) {
	s := run(t, mock.Options{})
	ignorant := &http.Transport{}
	t.Cleanup(ignorant.CloseIdleConnections)
	knowing := &http.Transport{DisableKeepAlives: true}
	options := map[string]*tls.Config{"vault:prod": {RootCAs: s.RootCAs()}}
	p := open(t, vault.Type{HTTPClient: &http.Client{Transport: knowing}, TLS: options}, "vault:prod", given(s, mock.RootToken))
	roundTrip(t, p, "vault:prod", doc(t, "keyName", "k"))

	before := s.Connections()
	_, err := open(t, vault.Type{HTTPClient: &http.Client{Transport: ignorant}, TLS: options}, "vault", given(s, mock.RootToken)).WrapKey(t.Context(), doc(t, "keyName", "k"), dataKey())
	var e *kms.Error
	if !errors.As(err, &e) || e.Temporary() || !strings.Contains(e.Message, "certificate") {
		t.Errorf("an unknown authority: got %v", err)
	}
	if n := s.Connections() - before; n != 1 {
		t.Errorf("%d attempts with a certificate that is not trusted", n)
	}
}

// Closing the server closes the connections of the library's own transport.
func TestOwnTransport(t *testing.T) {
	s := run(t, mock.Options{})
	p := open(t, vault.Type{TLS: map[string]*tls.Config{"vault": {RootCAs: s.RootCAs()}}}, "vault", given(s, mock.RootToken))
	roundTrip(t, p, "vault", doc(t, "keyName", "k"))
	if n := s.Connections(); n != 1 {
		t.Errorf("%d connections for one request after the other", n)
	}
}
