package clients

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/aws"
)

// server is where the documents and the key vault are.
type server struct{ name, uri string }

// servers returns the embedded server, and those that the script run names: "name=uri", separated by spaces.
func servers(t *testing.T) []server {
	t.Helper()
	all := []server{{"ferretdb", embedded(t)}}
	for _, field := range strings.Fields(os.Getenv("FIELDCRYPT_INTEROP_SERVERS")) {
		name, uri, ok := strings.Cut(field, "=")
		if !ok {
			t.Fatalf("FIELDCRYPT_INTEROP_SERVERS: %q is not name=uri", field)
		}
		all = append(all, server{name, uri})
	}
	return all
}

// embedded starts a server of its own, whatever FIELDCRYPT_TEST_URI names: the programs write into databases of fixed names.
func embedded(t *testing.T) string {
	t.Helper()
	t.Setenv(testserver.URIVariable, "")
	return testserver.Start(t)
}

// service is a KMS as both sides reach it.
type service struct {
	name        string
	providers   map[string]map[string]any
	types       []kms.Type
	masterKey   bson.D
	environment []string
}

func services(t *testing.T) []service {
	t.Helper()
	return []service{localService(t), awsService(t)}
}

func localService(t *testing.T) service {
	t.Helper()
	key := bytes.Repeat([]byte{1}, 96)
	file := filepath.Join(t.TempDir(), "master-key.bin")
	if err := os.WriteFile(file, key, 0o600); err != nil {
		t.Fatal(err)
	}
	return service{
		name: "local", providers: map[string]map[string]any{"local": {"key": key}},
		environment: []string{"KMS=local", "MASTER_KEY=" + file},
	}
}

// awsService is the emulator, with a new master key.
func awsService(t *testing.T) service {
	t.Helper()
	endpoint, authority := setting(t, "MOTO"), filepath.Join(setting(t, "CERTS"), "ca.pem")
	pem, err := os.ReadFile(authority)
	if err != nil {
		t.Fatal(err)
	}
	trusted := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	if !trusted.RootCAs.AppendCertsFromPEM(pem) {
		t.Fatal("ca.pem holds no certificate")
	}
	transport := &http.Transport{TLSClientConfig: trusted.Clone()}
	t.Cleanup(transport.CloseIdleConnections)
	key, err := awskms.New(awskms.Options{
		Region: "us-east-1", BaseEndpoint: sdk.String("https://" + endpoint), HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider("interop", "interop", ""),
	}).CreateKey(t.Context(), &awskms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	return service{
		name:      "aws",
		providers: map[string]map[string]any{"aws": {"accessKeyId": "interop", "secretAccessKey": "interop"}},
		types:     []kms.Type{aws.Type{TLS: map[string]*tls.Config{"aws": trusted}}},
		masterKey: bson.D{{Key: "region", Value: "us-east-1"}, {Key: "key", Value: *key.KeyMetadata.Arn}, {Key: "endpoint", Value: endpoint}},
		environment: []string{
			"KMS=aws", "AWS_ACCESS_KEY_ID=interop", "AWS_SECRET_ACCESS_KEY=interop", "AWS_CA=" + authority,
			"AWS_KEY_ARN=" + *key.KeyMetadata.Arn, "AWS_KMS_ENDPOINT=" + endpoint, // for programs that create their own data key
		},
	}
}
