package spec

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/mockkms/aws"
	"github.com/fieldcrypt/fieldcrypt/internal/mockkms/azure"
	"github.com/fieldcrypt/fieldcrypt/internal/mockkms/gcp"
	"github.com/fieldcrypt/fieldcrypt/internal/mockkms/kmip"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	kmsaws "github.com/fieldcrypt/fieldcrypt/kms/aws"
	kmsazure "github.com/fieldcrypt/fieldcrypt/kms/azure"
	kmsgcp "github.com/fieldcrypt/fieldcrypt/kms/gcp"
	kmskmip "github.com/fieldcrypt/fieldcrypt/kms/kmip"
)

const (
	// localMasterKey is LOCAL_MASTERKEY of the driver specification's tests.
	localMasterKey = "Mng0NCt4ZHVUYUJCa1kxNkVyNUR1QURhZ2h2UzR2d2RrZzh0cFBwM3R6NmdWMDFBMUN3YkQ5aXRRMkhGRGdQV09wOGVNYUMxT2k3NjZKelhaQmRCZGJkTXVyZG9uSjFk"
	// rewrapKeyARN is the AWS key that rewrapManyDataKey changes to.
	rewrapKeyARN = "arn:aws:kms:us-east-1:579766882180:key/061334ae-07a8-4ceb-a813-8135540e837d"
)

// services are the key management services: mocks that speak the real protocols.
type services struct {
	aws     *aws.Server
	azure   *azure.Server
	gcp     *gcp.Server
	kmip    *kmip.Server
	dataKey []byte          // public: what the AWS blob of the legacy files holds
	vault   *rsa.PrivateKey // the Azure master key
	account *gcp.Account
}

// startServices starts them with the master keys that the files name.
func startServices(t *testing.T, files []testFile) *services {
	t.Helper()
	s := &services{}
	var errs [7]error
	s.dataKey, errs[0] = base64.StdEncoding.DecodeString(aws.SpecDataKey)
	s.vault, errs[1] = azure.NewRSAKey()
	s.account, errs[2] = gcp.NewAccount("spec@mock.iam.gserviceaccount.com")
	ctx := context.Background()
	s.aws, errs[3] = aws.Run(ctx, s.awsOptions(files))
	s.azure, errs[4] = azure.Run(ctx, azure.Options{
		Vaults: []string{"key-vault-csfle.vault.azure.net", "invalid-vault-csfle.vault.azure.net"}, // the second is asked for a key that there is none of
		Keys:   []azure.Key{{Name: "key-name-csfle", Versions: []*rsa.PrivateKey{s.vault}}},
	})
	s.gcp, errs[5] = gcp.Run(ctx, gcp.Options{Account: s.account}) // with SpecKeyName
	s.kmip, errs[6] = kmip.Run(ctx, kmip.Options{})
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.aws.Close()
		s.azure.Close()
		s.gcp.Close()
		s.kmip.Close()
	})
	return s
}

// awsOptions have the data keys in the files. What the AWS blob of the legacy files holds is public, and the ciphertexts in the files show that
// it is right. The other AWS blob's content is not, but that key is only rewrapped: any data key will do.
func (s *services) awsOptions(files []testFile) aws.Options {
	access := aws.Access()
	temporary := aws.Credentials{AccessKeyID: "temporary", SecretAccessKey: access.SecretAccessKey, SessionToken: "session"}
	opts := aws.Options{
		Keys:        []aws.Key{{ARN: aws.SpecKeyARN}, {ARN: rewrapKeyARN}},
		Credentials: []aws.Credentials{access, temporary},
	}
	for _, file := range files {
		for _, key := range file.keys {
			if doc, err := keyvault.ParseDataKey(key); err == nil && doc.Provider() == "aws" {
				opts.Wrapped = append(opts.Wrapped, aws.Wrapped{KeyARN: aws.SpecKeyARN, Ciphertext: doc.KeyMaterial, Plaintext: s.dataKey})
			}
		}
	}
	return opts
}

// rewrapped returns documents in which the master keys of the mocks wrap the azure and gcp data keys. Those of the files cannot be unwrapped, for
// their master keys are not public; and they are only rewrapped: any data key will do.
func (s *services) rewrapped(t *testing.T, documents []bson.Raw) []bson.Raw {
	t.Helper()
	documents = slices.Clone(documents)
	for i, doc := range documents {
		var material []byte
		var err error
		switch provider, _ := doc.Lookup("masterKey", "provider").StringValueOK(); provider {
		case "azure":
			material, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, &s.vault.PublicKey, s.dataKey, nil)
		case "gcp":
			material = s.gcp.Seal(gcp.SpecKeyName, s.dataKey)
		default:
			continue
		}
		if err == nil {
			documents[i], err = with(doc, "keyMaterial", bson.Binary{Data: material})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return documents
}

func (s *services) types() []kms.Type {
	return []kms.Type{
		kmsaws.Type{HTTPClient: s.aws.HTTPClient()},
		kmskmip.Type{TLS: map[string]*tls.Config{"kmip": s.kmip.ClientTLS()}},
		kmsazure.Type{HTTPClient: s.azure.HTTPClient()},
		kmsgcp.Type{HTTPClient: s.gcp.HTTPClient()},
	}
}

// configuration returns the id and the fields that a name in a file's kmsProviders stands for.
func (s *services) configuration(t *testing.T, name string) (id string, fields map[string]any) {
	t.Helper()
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
	case "azure":
		return name, map[string]any{"tenantId": azure.TenantID, "clientId": azure.ClientID, "clientSecret": azure.ClientSecret}
	case "gcp":
		key, err := s.account.PrivateKey()
		if err != nil {
			t.Fatal(err)
		}
		return name, map[string]any{"email": s.account.Email, "privateKey": key}
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
		id, known := s.configuration(t, e.Key())
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
