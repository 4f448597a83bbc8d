package kmsconfig_test

import (
	"strings"
	"testing"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
)

func TestEndpoint(t *testing.T) {
	for in, want := range map[string]string{
		"kms.example.org":          "https://kms.example.org",
		"kms.example.org:8443":     "https://kms.example.org:8443",
		"https://kms.example.org/": "https://kms.example.org",
		"KMS.Example.org.":         "https://KMS.Example.org.",
		"a_b.example.org:65535":    "https://a_b.example.org:65535",
		"10.0.0.1:443":             "https://10.0.0.1:443",
	} {
		if got, err := kmsconfig.Endpoint(in, "aws masterKey"); got != want || err != nil {
			t.Errorf("%q: got %q, %v", in, got, err)
		}
	}
}

func TestEndpointErrors(t *testing.T) {
	const form = "is not host[:port]"
	for in, want := range map[string]string{
		"": form, "/": form, ".": form, "..": form, "a..b": form, ":443": form, "http://a.b": form, "HTTPS://a.b": form, "a.b/c": form, "a.b//": form, "a.b?c": form,
		"a.b?": form, "a.b#c": form, "u@a.b": form, "u:p@a.b": form, "a b.c": form, "a.b\n": form, "a.b\\c": form, `a".b`: form, "<a>.b": form, "a.b:c": form,
		"é.b": form, "a.%62": form, "[fe80::1%25en0.1]": form, "a.b:443:443": form, strings.Repeat("a", 64) + ".b": form,
		"localhost": "has no dot", "localhost:443": "has no dot", "[::1]:443": "has no dot",
		"a.b:": "the port is not", "a.b:0": "the port is not", "a.b:65536": "the port is not",
	} {
		if got, err := kmsconfig.Endpoint(in, "aws masterKey"); got != "" || err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "aws masterKey: ") {
			t.Errorf("%q: got %q, %v", in, got, err)
		}
	}
	if _, err := kmsconfig.Endpoint(strings.Repeat("x", 1<<20), "aws masterKey"); err == nil || len(err.Error()) > 300 {
		t.Error("a long one does not fit a log line")
	}
}
