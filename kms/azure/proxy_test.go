package azure

import (
	"net/http"
	"testing"
)

func TestProxy(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY"} {
		t.Setenv(name, "http://proxy.example.org:3128")
	}
	t.Setenv("NO_PROXY", "")
	own := ownTransport().(*http.Transport)
	for address, proxied := range map[string]bool{
		"https://a.vault.azure.net/keys": true, "https://login.microsoftonline.com/t": true, "http://169.254.169.254/metadata/identity": false,
	} {
		r, err := http.NewRequest(http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if proxy, err := own.Proxy(r); err != nil || (proxy != nil) != proxied {
			t.Errorf("%s: got proxy %v, %v", address, proxy, err)
		}
	}
}
