package spec

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/mockkms/aws"
	"github.com/fieldcrypt/fieldcrypt/internal/mockkms/kmip"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	kmsaws "github.com/fieldcrypt/fieldcrypt/kms/aws"
	kmskmip "github.com/fieldcrypt/fieldcrypt/kms/kmip"
)

const (
	// localMasterKey is LOCAL_MASTERKEY of the driver specification's tests.
	localMasterKey = "Mng0NCt4ZHVUYUJCa1kxNkVyNUR1QURhZ2h2UzR2d2RrZzh0cFBwM3R6NmdWMDFBMUN3YkQ5aXRRMkhGRGdQV09wOGVNYUMxT2k3NjZKelhaQmRCZGJkTXVyZG9uSjFk"
	// rewrapKeyARN is the AWS key that rewrapManyDataKey changes to.
	rewrapKeyARN = "arn:aws:kms:us-east-1:579766882180:key/061334ae-07a8-4ceb-a813-8135540e837d"
)

// services are the key management services: mocks that speak the real protocols, and stand-ins for Azure and GCP.
type services struct {
	aws  *aws.Server
	kmip *kmip.Server
}

// startServices starts them with the data keys in the files. What the AWS blob of the legacy files holds is public, and the ciphertexts in the
// files show that it is right. The other AWS blob's content is not, but that key is only rewrapped: any data key will do.
func startServices(t *testing.T, files []testFile) *services {
	t.Helper()
	dataKey, err := base64.StdEncoding.DecodeString(aws.SpecDataKey)
	if err != nil {
		t.Fatal(err)
	}
	access := aws.Access()
	temporary := aws.Credentials{AccessKeyID: "temporary", SecretAccessKey: access.SecretAccessKey, SessionToken: "session"}
	opts := aws.Options{
		Keys:        []aws.Key{{ARN: aws.SpecKeyARN}, {ARN: rewrapKeyARN}},
		Credentials: []aws.Credentials{access, temporary},
	}
	for _, file := range files {
		for _, key := range file.keys {
			if doc, err := keyvault.ParseDataKey(key); err == nil && doc.Provider() == "aws" {
				opts.Wrapped = append(opts.Wrapped, aws.Wrapped{KeyARN: aws.SpecKeyARN, Ciphertext: doc.KeyMaterial, Plaintext: dataKey})
			}
		}
	}
	s := &services{}
	if s.aws, err = aws.Run(context.Background(), opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.aws.Close)
	if s.kmip, err = kmip.Run(context.Background(), kmip.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kmip.Close)
	return s
}

func (s *services) types() []kms.Type {
	return []kms.Type{
		kmsaws.Type{HTTPClient: s.aws.HTTPClient()},
		kmskmip.Type{TLS: map[string]*tls.Config{"kmip": s.kmip.ClientTLS()}},
		standIn{name: "azure"},
		standIn{name: "gcp"},
	}
}

// configuration returns the id and the fields that a name in a file's kmsProviders stands for.
func (s *services) configuration(name string) (id string, fields map[string]any) {
	access := aws.Access()
	static := map[string]any{"accessKeyId": access.AccessKeyID, "secretAccessKey": access.SecretAccessKey}
	switch name {
	case "aws":
		return "aws", static
	case "awsTemporary":
		return "aws", map[string]any{"accessKeyId": "temporary", "secretAccessKey": access.SecretAccessKey, "sessionToken": "session"}
	case "awsTemporaryNoSessionToken":
		return "aws", map[string]any{"accessKeyId": "temporary", "secretAccessKey": access.SecretAccessKey}
	case "kmip":
		return name, map[string]any{"endpoint": s.kmip.Addr()}
	case "local":
		return name, map[string]any{"key": localMasterKey}
	case "azure", "gcp":
		return name, map[string]any{}
	}
	return "", nil
}

// providers fills in what a file leaves out: the legacy format has an empty document for it, the unified one {"$$placeholder": 1}.
func (s *services) providers(t *testing.T, file bson.Raw) map[string]map[string]any {
	t.Helper()
	providers := map[string]map[string]any{}
	elements, err := file.Elements()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range elements {
		id, known := s.configuration(e.Key())
		given, err := e.Value().Document().Elements()
		if id == "" || err != nil {
			t.Fatal(errHarness("kms provider " + e.Key()))
		}
		for _, field := range given {
			if name, _, ok := operator(field.Value()); !ok || name != "$$placeholder" {
				known[field.Key()] = field.Value()
			}
		}
		providers[id] = known
	}
	return providers
}

// standIn is a KMS whose keys are not public: it opens every wrapped key to the same data key, and wraps likewise.
type standIn struct{ name string }

func (s standIn) Name() string { return s.name }

func (s standIn) Open(kms.ID, bson.Raw) (kms.Provider, error) { return s, nil }

func (s standIn) WrapKey(_ context.Context, masterKey bson.Raw, _ []byte) (kms.Wrapped, error) {
	return kms.Wrapped{KeyMaterial: []byte("wrapped"), MasterKey: masterKey}, nil
}

func (s standIn) UnwrapKey(context.Context, bson.Raw, []byte) ([]byte, error) {
	return bytes.Repeat([]byte{1}, 96), nil
}
