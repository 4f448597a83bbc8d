package azure_test

import (
	"crypto/tls"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/azure"
)

func TestTLSOptions(t *testing.T) {
	insecure := &tls.Config{InsecureSkipVerify: true}
	const prohibited = "insecure TLS options prohibited"
	for name, tt := range map[string]struct {
		typ  azure.Type
		want string // empty: opens
	}{
		"none":            {azure.Type{}, ""},
		"another's":       {azure.Type{TLS: map[string]*tls.Config{"azure": insecure}}, ""},
		"insecure":        {azure.Type{TLS: map[string]*tls.Config{"azure:prod": insecure}}, prohibited},
		"TLS 1.1":         {azure.Type{TLS: map[string]*tls.Config{"azure:prod": {MinVersion: tls.VersionTLS11}}}, prohibited},
		"insecure client": {azure.Type{HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: insecure}}}, prohibited},
	} {
		_, err := kms.Open(map[string]map[string]any{"azure:prod": servicePrincipal()}, tt.typ)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}

// Driver specification, prose tests 10 and 11: the options of a provider hold for its identity platform and its vault; what a certificate
// is found to be wrong for is not tried again.
func TestTLSOptionsAreUsed(t *testing.T) {
	s := run(t, options())
	ignorant := s.HTTPClient().Transport.(*http.Transport).Clone()
	ignorant.TLSClientConfig = nil
	typ := azure.Type{
		HTTPClient: &http.Client{Transport: ignorant},
		TLS:        map[string]*tls.Config{"azure:prod": {RootCAs: s.RootCAs()}},
	}
	wrap(t, open(t, typ, "azure:prod", servicePrincipal()), masterKey(t))
	ignorant.CloseIdleConnections()
	asked := len(s.Calls())
	_, err := open(t, typ, "azure", servicePrincipal()).WrapKey(t.Context(), masterKey(t), dataKey())
	var e *kms.Error
	if !errors.As(err, &e) || e.Temporary() || !strings.Contains(e.Message, "login.microsoftonline.com") || !strings.Contains(e.Message, "certificate") {
		t.Errorf("an unknown authority: got %v", err)
	}
	if len(s.Calls()) != asked {
		t.Error("a request reached the server")
	}
}
