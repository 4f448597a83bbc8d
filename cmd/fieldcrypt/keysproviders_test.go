package main

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/mockkms/ca"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/local"
)

func writeFile(t *testing.T, dir, name string, mode os.FileMode, text []byte) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, text, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	return file
}

// All kinds of KMS can be configured, and values may be elsewhere at any depth.
func TestProviders(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SECRET", "from-the-environment")
	writeFile(t, dir, "raw.key", 0o600, append([]byte{0xff}, make([]byte, 95)...))
	writeFile(t, dir, "id", 0o600, []byte("from a file\r\n"))
	file := writeFile(t, dir, "kms.json", 0o644, []byte(`{
		"aws": {}, "aws:prod": {"accessKeyId": "id", "secretAccessKey": {"$env": "SECRET"}},
		"azure": {"tenantId": "t", "clientId": "c", "clientSecret": {"$env": "SECRET"}}, "gcp": {"accessToken": {"$env": "SECRET"}},
		"kmip": {"endpoint": "kmip.example.org"}, "local": {"key": {"$file": "raw.key"}},
		"vault:eu": {"endpoint": "vault.example.org", "appRole": {"roleId": "r", "secretId": {"$file": "id"}}}}`))
	p, err := readProviders(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"endpoint": "vault.example.org", "appRole": bson.D{{Key: "roleId", Value: "r"}, {Key: "secretId", Value: "from a file"}}}
	if diff := cmp.Diff(want, p.config["vault:eu"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(secrets{"from-the-environment", "from-the-environment", "from-the-environment", "from a file"}, p.secrets); diff != "" {
		t.Error(diff)
	}
	if _, err := kms.Open(p.config, append(p.types(nil), local.Type{})...); err != nil {
		t.Error(err)
	}
}

// A client's certificate and key may stand in one file or in two; nobody else may read the key.
func TestClientCertificate(t *testing.T) {
	authority, err := ca.New()
	if err != nil {
		t.Fatal(err)
	}
	client, err := authority.Client("client")
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(client.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: client.Certificate[0]})
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	dir := t.TempDir()
	writeFile(t, dir, "cert.pem", 0o644, certificate)
	writeFile(t, dir, "key.pem", 0o600, key)
	writeFile(t, dir, "both.pem", 0o600, append(certificate, key...))
	writeFile(t, dir, "open.pem", 0o644, key)
	for _, test := range []struct{ fields, err string }{
		{`"certificate": "both.pem"`, ""},
		{`"ca": "cert.pem", "certificate": "cert.pem", "key": "key.pem"`, ""},
		{`"certificate": "cert.pem", "key": "open.pem"`, "others may read or change " + filepath.Join(dir, "open.pem")},
		{`"certificate": "cert.pem"`, "others may read or change"},
		{`"key": "key.pem"`, "there is no certificate that it belongs to"},
		{`"certificate": "both.pem", "key": "nosuch.pem"`, "no such file"},
		{`"certificate": 1`, "expected the fields ca, certificate and key, with paths"},
		{``, "expected {ca, certificate, key}"},
	} {
		file := writeFile(t, dir, "kms.json", 0o600, []byte(`{"kmip:a": {"endpoint": "h", "tls": {`+test.fields+`}}}`))
		p, err := readProviders(t.Context(), file)
		switch {
		case test.err != "":
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: got %v", test.fields, err)
			}
		case err != nil:
			t.Errorf("%s: %v", test.fields, err)
		case len(p.tlsOf("kmip")["kmip:a"].Certificates) != 1:
			t.Errorf("%s: no certificate", test.fields)
		}
	}
}
