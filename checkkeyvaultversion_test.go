package fieldcrypt_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
	mockaws "github.com/fieldcrypt/fieldcrypt/internal/mockkms/aws"
	mockazure "github.com/fieldcrypt/fieldcrypt/internal/mockkms/azure"
	mockgcp "github.com/fieldcrypt/fieldcrypt/internal/mockkms/gcp"
	mockvault "github.com/fieldcrypt/fieldcrypt/internal/mockkms/vault"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/aws"
	"github.com/fieldcrypt/fieldcrypt/kms/azure"
	"github.com/fieldcrypt/fieldcrypt/kms/gcp"
	kmsvault "github.com/fieldcrypt/fieldcrypt/kms/vault"
)

// rotation is a KMS whose master key a test rotates.
type rotation struct {
	typ       kms.Type
	config    map[string]any
	masterKey bson.D
	rotate    func() error
	deny      func() // takes the permission to look at the master key away; nil if none is needed
}

func rotations(t *testing.T) map[string]rotation {
	denied := map[string]*atomic.Bool{"vault": {}, "azure": {}, "aws": {}}
	ctx := context.Background()
	started := func(err error, stop func()) {
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(stop)
	}
	v, err := mockvault.Run(ctx, mockvault.Options{Intercept: func(_ context.Context, c mockvault.Call) *mockvault.Answer {
		if denied["vault"].Load() && c.Method == http.MethodGet && strings.HasPrefix(c.Path, "transit/keys/") {
			return &mockvault.Answer{Status: http.StatusForbidden, Errors: []string{"permission denied"}}
		}
		return nil
	}})
	started(err, v.Close)
	if err := v.Create("transit", "k"); err != nil {
		t.Fatal(err)
	}
	g, err := mockgcp.Run(ctx, mockgcp.Options{Tokens: []string{"token"}})
	started(err, g.Close)
	z, err := mockazure.Run(ctx, mockazure.Options{Intercept: func(_ context.Context, c mockazure.Call) *mockazure.Answer {
		if denied["azure"].Load() && c.Operation == "get" {
			return &mockazure.Answer{Status: http.StatusForbidden, Code: "Forbidden/ForbiddenByRbac"}
		}
		return nil
	}})
	started(err, z.Close)
	const account = "arn:aws:kms:us-east-1:579766882180:key/"
	a, err := mockaws.Run(ctx, mockaws.Options{
		Keys: []mockaws.Key{{ARN: account + "1", Aliases: []string{"alias/k"}}, {ARN: account + "2"}},
		Intercept: func(_ context.Context, c mockaws.Call) *mockaws.Answer {
			if denied["aws"].Load() && c.Operation == "DescribeKey" {
				return &mockaws.Answer{Code: "AccessDeniedException"}
			}
			return nil
		},
	})
	started(err, a.Close)
	deny := func(id string) func() { return func() { denied[id].Store(true) } }
	return map[string]rotation{
		"vault": {kmsvault.Type{HTTPClient: v.HTTPClient()}, map[string]any{"endpoint": v.URL(), "token": mockvault.RootToken},
			bson.D{{Key: "keyName", Value: "k"}}, func() error { return v.Rotate("transit", "k") }, deny("vault")},
		"gcp": {gcp.Type{HTTPClient: g.HTTPClient()}, map[string]any{"accessToken": "token"},
			bson.D{{Key: "projectId", Value: "devprod-drivers"}, {Key: "location", Value: "global"}, {Key: "keyRing", Value: "key-ring-csfle"}, {Key: "keyName", Value: "key-name-csfle"}},
			func() error { return g.Rotate(mockgcp.SpecKeyName) }, nil},
		"azure": {azure.Type{HTTPClient: z.HTTPClient()},
			map[string]any{"tenantId": mockazure.TenantID, "clientId": mockazure.ClientID, "clientSecret": mockazure.ClientSecret},
			bson.D{{Key: "keyVaultEndpoint", Value: mockazure.Host}, {Key: "keyName", Value: mockazure.KeyName}},
			func() error {
				key, err := mockazure.NewRSAKey()
				if err == nil {
					z.Rotate(mockazure.KeyName, key)
				}
				return err
			}, deny("azure")},
		"aws": {aws.Type{HTTPClient: a.HTTPClient()},
			map[string]any{"accessKeyId": mockaws.Access().AccessKeyID, "secretAccessKey": mockaws.Access().SecretAccessKey},
			bson.D{{Key: "region", Value: "us-east-1"}, {Key: "key", Value: "alias/k"}},
			func() error { a.Point("alias/k", account+"2"); return nil }, deny("aws")},
	}
}

// A rotated master key is found, rewrapping under the same one mends it, and without permission to look nothing is found, but said.
func TestCheckKeyVaultRotation(t *testing.T) {
	for provider, r := range rotations(t) {
		t.Run(provider, func(t *testing.T) {
			ce, err := fieldcrypt.NewClientEncryption(nil, fieldcrypt.ClientEncryptionOptions{
				KeyVault:     keyvault.NewMemoryStore(),
				KmsProviders: map[string]map[string]any{provider: r.config}, KmsTypes: []kms.Type{kms.Limit(r.typ, 2)},
			})
			if err != nil {
				t.Fatal(err)
			}
			check := func(when string, old int64) *fieldcrypt.KeyVaultReport {
				t.Helper()
				report, err := ce.CheckKeyVault(t.Context(), fieldcrypt.CheckKeyVaultOptions{})
				if err != nil || report.Counts[fieldcrypt.OldMasterKey] != old || report.OK() != (old == 0) || len(report.Findings) != int(old) {
					t.Errorf("%s: got %+v, %v", when, report, err)
				}
				return report
			}
			for range 3 {
				if _, err := ce.CreateDataKey(t.Context(), provider, fieldcrypt.DataKeyOptions{MasterKey: r.masterKey}); err != nil {
					t.Fatal(err)
				}
			}
			if report := check("before the rotation", 0); len(report.UnknownVersions) > 0 {
				t.Errorf("got %+v", report.UnknownVersions)
			}
			if err := r.rotate(); err != nil {
				t.Fatal(err)
			}
			for _, f := range check("after it", 3).Findings {
				if f.Provider != provider || f.Err == nil {
					t.Errorf("got %+v", f)
				}
			}
			if got, err := ce.RewrapManyDataKey(t.Context(), bson.D{}, fieldcrypt.RewrapManyDataKeyOptions{}); err != nil || got.ModifiedCount != 3 {
				t.Errorf("rewrapping: got %+v, %v", got, err)
			}
			check("rewrapped", 0)
			if r.deny == nil {
				return
			}
			if err := r.rotate(); err != nil {
				t.Fatal(err)
			}
			r.deny()
			u := check("without permission", 0).UnknownVersions
			if u[provider].Keys != 3 || len(u) != 1 || !errors.Is(u[provider].Reason, kms.ErrDenied) {
				t.Errorf("without permission: got %+v", u)
			}
		})
	}
}
