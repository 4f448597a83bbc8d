package interop

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/aws"
	"github.com/fieldcrypt/fieldcrypt/kms/kmip"
	"github.com/fieldcrypt/fieldcrypt/kms/local"
)

// setting returns what the script run says of what it started.
func setting(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv("FIELDCRYPT_INTEROP_" + name)
	if value == "" {
		t.Skipf("FIELDCRYPT_INTEROP_%s is not set: use the script run, which starts what this test needs", name)
	}
	return value
}

func certificate(t *testing.T, name string) string { return filepath.Join(setting(t, "CERTS"), name) }

// serverTLS trusts the emulators.
func serverTLS(t *testing.T) *tls.Config {
	t.Helper()
	ca, err := os.ReadFile(certificate(t, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		t.Fatal("ca.pem holds no certificate")
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

// mutualTLS has the client's certificate too.
func mutualTLS(t *testing.T) *tls.Config {
	t.Helper()
	file := certificate(t, "client.pem")
	cert, err := tls.LoadX509KeyPair(file, file)
	if err != nil {
		t.Fatal(err)
	}
	options := serverTLS(t)
	options.Certificates = []tls.Certificate{cert}
	return options
}

// wrapping is one way to wrap data keys.
type wrapping struct {
	name      string
	provider  string // id
	masterKey bson.D
}

// configuration is what both sides need to reach the KMSs.
type configuration struct {
	wrappings []wrapping
	providers map[string]map[string]any
	tls       map[string]*tls.Config // for Go
	tlsFiles  map[string]bson.M      // for Python
}

func (c *configuration) add(provider string, fields map[string]any, wrappings ...wrapping) {
	if c.providers == nil {
		c.providers, c.tls, c.tlsFiles = map[string]map[string]any{}, map[string]*tls.Config{}, map[string]bson.M{}
	}
	c.providers[provider] = fields
	for _, w := range wrappings {
		w.provider = provider
		c.wrappings = append(c.wrappings, w)
	}
}

func (c *configuration) types() []kms.Type {
	return []kms.Type{aws.Type{TLS: c.tls}, kmip.Type{TLS: c.tls}}
}

// open opens one provider.
func (c *configuration) open(t *testing.T, id string) kms.Provider {
	t.Helper()
	all, err := kms.Open(c.providers, append(c.types(), local.Type{})...)
	if err != nil {
		t.Fatal(err)
	}
	p, err := all.Provider(id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (c *configuration) addLocal() {
	c.add("local", map[string]any{"key": bytes.Repeat([]byte{1}, 96)}, wrapping{name: "local", masterKey: bson.D{}})
	c.add("local:tenant", map[string]any{"key": bytes.Repeat([]byte{2}, 96)}, wrapping{name: "local:tenant", masterKey: bson.D{}})
}

func (c *configuration) addAWS(t *testing.T) {
	t.Helper()
	endpoint, authority := setting(t, "MOTO"), serverTLS(t)
	for _, provider := range []string{"aws", "aws:prod"} {
		c.add(provider, map[string]any{"accessKeyId": "interop", "secretAccessKey": "interop"}, wrapping{name: provider, masterKey: bson.D{
			{Key: "region", Value: "us-east-1"}, {Key: "key", Value: newAWSKey(t)}, {Key: "endpoint", Value: endpoint},
		}})
		c.tls[provider], c.tlsFiles[provider] = authority, bson.M{"tlsCAFile": certificate(t, "ca.pem")}
	}
}

func (c *configuration) addKMIP(t *testing.T) {
	t.Helper()
	endpoint, options := setting(t, "KMIP"), mutualTLS(t)
	for _, provider := range []string{"kmip", "kmip:prod"} {
		c.add(provider, map[string]any{"endpoint": endpoint},
			wrapping{name: provider + " plain", masterKey: bson.D{}},
			wrapping{name: provider + " delegated", masterKey: bson.D{{Key: "delegated", Value: true}}},
		)
		c.tls[provider] = options
		c.tlsFiles[provider] = bson.M{"tlsCAFile": certificate(t, "ca.pem"), "tlsCertificateKeyFile": certificate(t, "client.pem")}
	}
}
