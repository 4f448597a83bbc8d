package gcp_test

import (
	"errors"
	"testing"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/gcp"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/gcp"
)

// Tokens go to Google's APIs and to the Type's Endpoints, whether the master key is given or stored.
func TestAllowedEndpoints(t *testing.T) {
	s := run(t, mock.Options{Hosts: []string{"kms.example.org", "evil.example.net", "a.p.googleapis.com"}, Ports: []string{"443", "8443"}})
	for name, tt := range map[string]struct {
		endpoints []string
		names     map[string]bool // whether it is allowed
	}{
		"default": {nil, map[string]bool{"": true, "cloudkms.googleapis.com:443": true, "a.p.googleapis.com": true, "kms.example.org": false,
			"evil.example.net": false, "evilgoogleapis.com": false, "googleapis.com.example.net": false, "10.0.0.1": false}},
		"one": {[]string{"KMS.example.org"}, map[string]bool{"": true, "kms.example.org:443": true, "https://kms.Example.org/": true,
			"kms.example.org:8443": true, "evil.example.net": false, "kms.example.org.example.net": false}},
		"one port": {[]string{"kms.example.org:443"}, map[string]bool{"kms.example.org": true, "kms.example.org:8443": false}},
	} {
		p := open(t, gcp.Type{HTTPClient: s.HTTPClient(), Endpoints: tt.endpoints}, "gcp", map[string]any{"accessToken": accessToken})
		for endpoint, allowed := range tt.names {
			masterKey := specKey(t)
			if endpoint != "" {
				masterKey = specKey(t, "endpoint", endpoint)
			}
			before := len(s.Calls())
			_, wrapErr := p.WrapKey(t.Context(), masterKey, dataKey())
			if (wrapErr == nil) != allowed {
				t.Errorf("%s: %q: got %v", name, endpoint, wrapErr)
			}
			_, unwrapErr := p.UnwrapKey(t.Context(), withProvider(t, "gcp", masterKey), []byte{1}) // nobody wrapped it
			for _, err := range []error{wrapErr, unwrapErr} {
				if !allowed && (!errors.Is(err, kms.ErrForeignEndpoint) || errors.Is(err, kms.ErrDenied) || len(s.Calls()) != before) || allowed && errors.Is(err, kms.ErrForeignEndpoint) {
					t.Errorf("%s: %q: got %v", name, endpoint, err)
				}
			}
		}
	}
}
