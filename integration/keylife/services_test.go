package keylife

import (
	"context"
	"crypto/tls"
	"maps"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/mockkms/aws"
	"github.com/fieldcrypt/fieldcrypt/internal/mockkms/azure"
	"github.com/fieldcrypt/fieldcrypt/internal/mockkms/gcp"
	"github.com/fieldcrypt/fieldcrypt/internal/mockkms/kmip"
	"github.com/fieldcrypt/fieldcrypt/internal/mockkms/vault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	kmsaws "github.com/fieldcrypt/fieldcrypt/kms/aws"
	kmsazure "github.com/fieldcrypt/fieldcrypt/kms/azure"
	kmsgcp "github.com/fieldcrypt/fieldcrypt/kms/gcp"
	kmskmip "github.com/fieldcrypt/fieldcrypt/kms/kmip"
	kmsvault "github.com/fieldcrypt/fieldcrypt/kms/vault"
)

// services are the KMSs that a client knows: the local ones, and mock servers of the others.
type services struct {
	providers  map[string]map[string]any
	types      []kms.Type
	masterKeys map[string]bson.D // by provider id; a local one has none
}

func localServices() services {
	return services{providers: kmsProviders(), masterKeys: map[string]bson.D{"local": nil, "local:name1": nil, "local:name2": nil}}
}

// ids are those of the providers.
func (s *services) ids() []string { return slices.Sorted(maps.Keys(s.providers)) }

func (s *services) add(id string, fields map[string]any, masterKey bson.D, typ kms.Type) {
	s.providers[id], s.masterKeys[id] = fields, masterKey
	if typ != nil {
		s.types = append(s.types, typ)
	}
}

// allServices starts a KMS of each kind.
func allServices(t *testing.T) services {
	t.Helper()
	s := services{providers: map[string]map[string]any{}, masterKeys: map[string]bson.D{}}
	s.add("local:name1", kmsProviders()["local:name1"], nil, nil)

	cloud, err := aws.Run(context.Background(), aws.Options{})
	must(t, err, cloud.Close)
	access := aws.Access()
	s.add("aws", map[string]any{"accessKeyId": access.AccessKeyID, "secretAccessKey": access.SecretAccessKey},
		bson.D{{Key: "region", Value: "us-east-1"}, {Key: "key", Value: aws.SpecKeyARN}}, kmsaws.Type{HTTPClient: cloud.HTTPClient()})

	keyVault, err := azure.Run(context.Background(), azure.Options{})
	must(t, err, keyVault.Close)
	s.add("azure", map[string]any{"tenantId": azure.TenantID, "clientId": azure.ClientID, "clientSecret": azure.ClientSecret},
		bson.D{{Key: "keyVaultEndpoint", Value: azure.Host}, {Key: "keyName", Value: azure.KeyName}}, kmsazure.Type{HTTPClient: keyVault.HTTPClient()})

	account, err := gcp.NewAccount("app@example.iam.gserviceaccount.com")
	must(t, err, nil)
	key, err := account.PrivateKey()
	must(t, err, nil)
	google, err := gcp.Run(context.Background(), gcp.Options{Account: account})
	must(t, err, google.Close)
	s.add("gcp", map[string]any{"email": account.Email, "privateKey": key}, bson.D{{Key: "projectId", Value: "devprod-drivers"}, {Key: "location", Value: "global"},
		{Key: "keyRing", Value: "key-ring-csfle"}, {Key: "keyName", Value: "key-name-csfle"}}, kmsgcp.Type{HTTPClient: google.HTTPClient()})

	device, err := kmip.Run(context.Background(), kmip.Options{})
	must(t, err, device.Close)
	s.add("kmip", map[string]any{"endpoint": device.Addr()}, bson.D{}, // it makes a master key for each data key
		kmskmip.Type{TLS: map[string]*tls.Config{"kmip": device.ClientTLS(), "kmip:inside": device.ClientTLS()}})
	s.add("kmip:inside", map[string]any{"endpoint": device.Addr()}, bson.D{{Key: "delegated", Value: true}}, nil)

	transit, err := vault.Run(context.Background(), vault.Options{Tokens: []vault.Token{{ID: "token"}}})
	must(t, err, transit.Close)
	must(t, transit.Create("transit", "master"), nil)
	s.add("vault", map[string]any{"endpoint": transit.Addr(), "token": "token"}, bson.D{{Key: "keyName", Value: "master"}},
		kmsvault.Type{TLS: map[string]*tls.Config{"vault": {MinVersion: tls.VersionTLS12, RootCAs: transit.RootCAs()}}})
	return s
}

func must(t *testing.T, err error, end func()) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if end != nil {
		t.Cleanup(end)
	}
}
