package kmip_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/kmip"
)

// Connections are made to the provider's endpoint, to this machine and to the Type's Endpoints, whether the master key is given or stored.
func TestAllowedEndpoints(t *testing.T) {
	dialled := ""
	typ := kmip.Type{Endpoints: []string{"b.example.org", "*.inside.example.org:1"}, DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
		dialled = address
		return nil, errors.New("dialled")
	}}
	set, err := kms.Open(map[string]map[string]any{"kmip": {"endpoint": "A.example.org"}}, typ)
	if err != nil {
		t.Fatal(err)
	}
	p, err := set.Provider("kmip")
	if err != nil {
		t.Fatal(err)
	}
	for endpoint, want := range map[string]string{
		"a.example.org": "a.example.org:5696", "A.example.org:5696": "A.example.org:5696", "b.example.org:9": "b.example.org:9", "c.inside.example.org:1": "c.inside.example.org:1",
		"localhost": "localhost:5696", "127.1.2.3": "127.1.2.3:5696", "[::1]": "[::1]:5696",
		"a.example.org:5697": "", "c.b.example.org": "", "c.inside.example.org": "", "evil": "", "10.0.0.1": "", "localhost.example.org": "", "[::2]": "",
	} {
		for _, err := range bothErrors(t, p, endpoint) {
			if errors.Is(err, kms.ErrForeignEndpoint) != (want == "") || errors.Is(err, kms.ErrDenied) || dialled != want {
				t.Errorf("%s: dialled %q, error %v", endpoint, dialled, err)
			}
		}
		dialled = ""
	}
}

// bothErrors are the errors of wrapping and unwrapping.
func bothErrors(t *testing.T, p kms.Provider, endpoint string) []error {
	t.Helper()
	_, wrapErr := p.WrapKey(t.Context(), doc(t, "keyId", "1", "endpoint", endpoint), dataKey())
	_, unwrapErr := p.UnwrapKey(t.Context(), doc(t, "provider", "kmip", "keyId", "1", "endpoint", endpoint), []byte{1})
	return []error{wrapErr, unwrapErr}
}
