package kmsconfig_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

func TestHosts(t *testing.T) {
	own := func(host, port string) bool { return host == "own.example.org" && port == "443" }
	h, err := kmsconfig.NewHosts("aws masterKey", "AWS", own, []string{"A.example.org.", "https://b.example.org:8443/", "*.c.example.org", "*.d.example.org:1", "kms", "10.0.0.1", "[2001:db8::1]:2"})
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"own.example.org": true, "OWN.example.org.": true, "own.example.org:443": true, "own.example.org:8443": false,
		"a.example.org": true, "a.example.org:8443": true, "x.a.example.org": false, "b.example.org:8443": true, "b.example.org": false,
		"x.c.example.org": true, "x.y.c.example.org:8443": true, "c.example.org": false, "xc.example.org": false, "x.d.example.org:1": true, "x.d.example.org": false,
		"kms:1": true, "kms.example.org": false, "10.0.0.1": true, "10.0.0.11": false, "[2001:db8::1]:2": true, "[2001:db8::1]": false,
		"127.0.0.1": true, "127.255.0.9:1": true, "[::1]:1": true, "[::ffff:127.0.0.1]": true, "localhost": true, "LOCALHOST.:1": true,
		"x.localhost": false, "localhost.example.org": false, "128.0.0.1": false, "0.0.0.0": false, "[::2]": false, "127.1": false, "": false,
	} {
		err := h.Check("as written", address, "443")
		if (err == nil) != want || err != nil && (!errors.Is(err, kms.ErrForeignEndpoint) || errors.Is(err, kms.ErrDenied) || !strings.HasPrefix(err.Error(), `aws masterKey: endpoint is not allowed: "as written" is not AWS `)) {
			t.Errorf("%q: got %v", address, err)
		}
	}
}

func TestHostsErrors(t *testing.T) {
	for _, endpoint := range []string{"", "*", "*.", "http://kms.example.org", "kms.example.org/a", "kms.example.org?a", "u@kms.example.org", "kms.example.org:0", "kms.example.org:",
		"kms.example.org:65536", "*.127.0.0.1", "a.*.b", "**.b", "a b"} {
		if _, err := kmsconfig.NewHosts("", "", nil, []string{"good", endpoint}); err == nil || !strings.Contains(err.Error(), "of the Type's Endpoints is not") {
			t.Errorf("%q: got %v", endpoint, err)
		}
	}
}
