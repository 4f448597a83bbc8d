package faults

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/breakingproxy"
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

func startAWS(t testing.TB, s *service) {
	mock, err := aws.Run(context.Background(), aws.Options{Intercept: func(context.Context, aws.Call) *aws.Answer {
		if status := s.status(); status != 0 {
			return &aws.Answer{Status: status, Code: map[int]string{429: "ThrottlingException", 503: "ServiceUnavailableException"}[status], Message: "busy"}
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.through(t, mock.HTTPClient(), mock.Close)
	access := aws.Access()
	s.canaries = []string{access.SecretAccessKey}
	s.fields = map[string]any{"accessKeyId": access.AccessKeyID, "secretAccessKey": access.SecretAccessKey}
	s.masterKey = bson.D{{Key: "region", Value: "us-east-1"}, {Key: "key", Value: aws.SpecKeyARN}}
	s.pool = mock.RootCAs()
	s.typ = func(c *http.Client) kms.Type { return kmsaws.Type{HTTPClient: c} }
}

func startAzure(t testing.TB, s *service) {
	mock, err := azure.Run(context.Background(), azure.Options{Intercept: func(_ context.Context, c azure.Call) *azure.Answer {
		if c.Key == "" { // a token
			return nil
		}
		if status := s.status(); status != 0 {
			return &azure.Answer{Status: status, Code: "Throttled", Message: "busy"}
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.through(t, mock.HTTPClient(), mock.Close)
	s.canaries = []string{azure.ClientSecret}
	s.fields = map[string]any{"tenantId": azure.TenantID, "clientId": azure.ClientID, "clientSecret": azure.ClientSecret}
	s.masterKey = bson.D{{Key: "keyVaultEndpoint", Value: azure.Host}, {Key: "keyName", Value: azure.KeyName}}
	s.pool = mock.RootCAs()
	s.typ = func(c *http.Client) kms.Type { return kmsazure.Type{HTTPClient: c} }
}

func startGCP(t testing.TB, s *service) {
	account, err := gcp.NewAccount("app@example.iam.gserviceaccount.com")
	if err != nil {
		t.Fatal(err)
	}
	key, err := account.PrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	mock, err := gcp.Run(context.Background(), gcp.Options{Account: account, Intercept: func(_ context.Context, c gcp.Call) *gcp.Answer {
		if c.Name == "" { // a token
			return nil
		}
		if status := s.status(); status != 0 {
			return &gcp.Answer{HTTP: status, Status: map[int]string{429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}[status], Message: "busy"}
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.through(t, mock.HTTPClient(), mock.Close)
	s.canaries = []string{string(key), base64.StdEncoding.EncodeToString(key)}
	s.fields = map[string]any{"email": account.Email, "privateKey": key}
	s.masterKey = bson.D{{Key: "projectId", Value: "devprod-drivers"}, {Key: "location", Value: "global"}, {Key: "keyRing", Value: "key-ring-csfle"}, {Key: "keyName", Value: "key-name-csfle"}}
	s.pool = mock.RootCAs()
	s.typ = func(c *http.Client) kms.Type { return kmsgcp.Type{HTTPClient: c} }
}

func startVault(t testing.TB, s *service) {
	const secretID = "secret-id-canary"
	mock, err := vault.Run(context.Background(), vault.Options{
		AppRole: &vault.AppRole{RoleID: "role", SecretID: secretID},
		Intercept: func(_ context.Context, c vault.Call) *vault.Answer {
			if !strings.HasPrefix(c.Path, "transit/") {
				return nil
			}
			if status := s.status(); status != 0 {
				return &vault.Answer{Status: status, Errors: []string{"busy"}}
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := mock.Create("transit", "master"); err != nil {
		t.Fatal(err)
	}
	s.web = true
	s.behind(t, breakingproxy.To(mock.Addr()), mock.Close)
	s.canaries = []string{secretID}
	s.fields = map[string]any{"endpoint": s.proxy.Addr(), "appRole": bson.D{{Key: "roleId", Value: "role"}, {Key: "secretId", Value: secretID}}}
	s.masterKey = bson.D{{Key: "keyName", Value: "master"}}
	s.pool = mock.RootCAs()
	s.typ = func(c *http.Client) kms.Type { return kmsvault.Type{HTTPClient: c} }
}

func startKMIP(t testing.TB, s *service, masterKey bson.D) {
	mock, err := kmip.Run(context.Background(), kmip.Options{
		Keys: map[string][]byte{"k": bytes.Repeat([]byte{7}, 32)},
		Intercept: func(context.Context, kmip.Call) *kmip.Answer {
			if s.status() != 0 {
				return &kmip.Answer{Drop: true}
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.behind(t, breakingproxy.To(mock.Addr()), mock.Close)
	s.canaries = []string{string(kmip.SpecSecret()), hex.EncodeToString(kmip.SpecSecret())}
	s.fields = map[string]any{"endpoint": s.proxy.Addr()}
	s.masterKey = masterKey
	options := mock.ClientTLS()
	s.pool = options.RootCAs
	s.typ = func(c *http.Client) kms.Type {
		return kmskmip.Type{TLS: map[string]*tls.Config{s.id: options}, DialContext: c.Transport.(*http.Transport).DialContext}
	}
}
