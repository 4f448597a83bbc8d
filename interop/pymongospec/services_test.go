package pymongospec

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/mockkms/aws"
	"github.com/fieldcrypt/fieldcrypt/internal/mockkms/kmip"
)

// services are the key management services whose data keys in the files can be unwrapped: those of azure and gcp are not public.
type services struct {
	aws  *aws.Server
	kmip *kmip.Server
}

// startServices starts them with the data keys of the files in a folder.
func startServices(t *testing.T, folder string) *services {
	t.Helper()
	access := aws.Access()
	temporary := aws.Credentials{AccessKeyID: "temporary", SecretAccessKey: access.SecretAccessKey, SessionToken: "session"}
	s := &services{}
	var err error
	if s.aws, err = aws.Run(context.Background(), aws.Options{Credentials: []aws.Credentials{access, temporary}, Wrapped: wrapped(t, folder)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.aws.Close)
	if s.kmip, err = kmip.Run(context.Background(), kmip.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kmip.Close)
	return s
}

// wrapped returns the AWS data keys in the files, all of which are the public one.
func wrapped(t *testing.T, folder string) []aws.Wrapped {
	t.Helper()
	dataKey, err := base64.StdEncoding.DecodeString(aws.SpecDataKey)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	var all []aws.Wrapped
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			InitialData []struct {
				DatabaseName string     `bson:"databaseName"`
				Documents    []bson.Raw `bson:"documents"`
			} `bson:"initialData"`
		}
		if err := bson.UnmarshalExtJSON(text, false, &file); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, data := range file.InitialData {
			for _, doc := range data.Documents {
				if provider, _ := doc.Lookup("masterKey", "provider").StringValueOK(); provider == "aws" || provider == "aws:name1" {
					_, material := doc.Lookup("keyMaterial").Binary()
					all = append(all, aws.Wrapped{KeyARN: aws.SpecKeyARN, Ciphertext: material, Plaintext: dataKey})
				}
			}
		}
	}
	return all
}

// environment tells pymongo's tests how to reach the services, and gives it files with what they trust and show.
func (s *services) environment(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	access := aws.Access()
	return []string{
		"SSL_CERT_FILE=" + file("aws.pem", s.aws.AuthorityPEM()),
		"FLE_AWS_KEY=" + access.AccessKeyID, "FLE_AWS_SECRET=" + access.SecretAccessKey,
		"CSFLE_AWS_TEMP_ACCESS_KEY_ID=temporary", "CSFLE_AWS_TEMP_SECRET_ACCESS_KEY=" + access.SecretAccessKey, "CSFLE_AWS_TEMP_SESSION_TOKEN=session",
		"FLE_KMIP_ENDPOINT=" + s.kmip.Addr(),
		"CA_PEM=" + file("kmip.pem", s.kmip.AuthorityPEM()), "CLIENT_PEM=" + file("client.pem", certificate(t, s.kmip.ClientTLS().Certificates[0])),
	}
}

func certificate(t *testing.T, c tls.Certificate) []byte {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})...)
}
