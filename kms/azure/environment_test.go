package azure_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/azure"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/azure"
)

// setEnvironment makes the given variables the only ones in which the SDK finds anything.
func setEnvironment(t *testing.T, variables map[string]string) {
	t.Helper()
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		for _, prefix := range []string{"AZURE_", "IDENTITY_", "MSI_", "IMDS_"} {
			if strings.HasPrefix(name, prefix) {
				t.Setenv(name, "")
				_ = os.Unsetenv(name) // Setenv restores it in the end
			}
		}
	}
	for name, value := range variables {
		t.Setenv(name, value)
	}
}

// freshHost is a vault in a domain of its own: the SDK has one cache of managed identities' tokens for the process.
func freshHost() string { return "a." + strings.ToLower(rand.Text()) + ".example.org" }

// The empty entry takes the first credentials that are configured, and only those.
func TestEnvironment(t *testing.T) {
	assertion := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(assertion, []byte("CANARY.federated.token"), 0o600); err != nil {
		t.Fatal(err)
	}
	principal := map[string]string{"AZURE_TENANT_ID": mock.TenantID, "AZURE_CLIENT_ID": mock.ClientID}
	with := func(more ...string) map[string]string {
		all := map[string]string{more[0]: more[1]}
		for name, value := range principal {
			all[name] = value
		}
		return all
	}
	for name, tt := range map[string]struct {
		variables map[string]string
		operation string // that gets the token
		sent      string
		openErr   string
		wrapErr   string
	}{
		"managed identity":      {nil, "metadata", "", "", ""},
		"user-assigned":         {map[string]string{"AZURE_CLIENT_ID": mock.ClientID}, "metadata", "", "", ""},
		"not assigned":          {map[string]string{"AZURE_CLIENT_ID": "nobody"}, "metadata", "", "", `from "169.254.169.254": Identity not found`},
		"secret":                {with("AZURE_CLIENT_SECRET", mock.ClientSecret), "token", mock.ClientSecret, "", ""},
		"wrong secret":          {with("AZURE_CLIENT_SECRET", "CANARY"), "token", "CANARY", "", "AADSTS7000215"},
		"secret without tenant": {map[string]string{"AZURE_CLIENT_SECRET": "CANARY"}, "", "", "AZURE_TENANT_ID", ""},
		"certificate missing":   {with("AZURE_CLIENT_CERTIFICATE_PATH", filepath.Join(t.TempDir(), "none")), "", "", "none", ""},
		"workload identity":     {with("AZURE_FEDERATED_TOKEN_FILE", assertion), "token", "CANARY.federated.token", "", ""},
		"workload file missing": {with("AZURE_FEDERATED_TOKEN_FILE", assertion+"none"), "discovery", "", "", "tokennone"},
	} {
		t.Run(name, func(t *testing.T) {
			setEnvironment(t, tt.variables)
			o := options()
			o.Vaults = []string{freshHost()}
			s := run(t, o)
			providers, err := kms.Open(map[string]map[string]any{"azure": {}}, azure.Type{HTTPClient: s.HTTPClient(), Endpoints: []string{"*.example.org"}})
			if tt.openErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.openErr) || strings.Contains(err.Error(), "CANARY") {
					t.Errorf("got %v, want %q", err, tt.openErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			p, err := providers.Provider("azure")
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.WrapKey(t.Context(), at(t, o.Vaults[0]), dataKey())
			if (err == nil) != (tt.wrapErr == "") || err != nil && (!strings.Contains(err.Error(), tt.wrapErr) || errors.Is(err, kms.ErrDenied) || strings.Contains(err.Error(), "CANARY")) {
				t.Errorf("got %v, want %q", err, tt.wrapErr)
			}
			found := false
			for _, c := range s.Calls() {
				found = found || c.Operation == tt.operation && c.Sent == tt.sent
			}
			if tt.operation != "" && !found {
				t.Errorf("the token was got otherwise: %+v", s.Calls())
			}
		})
	}
}

// Driver specification, prose test 18: what the instance metadata service may do wrong.
func TestMetadataService(t *testing.T) {
	setEnvironment(t, nil)
	for name, tt := range map[string]struct {
		answer    *mock.Answer
		hang      bool
		want      string
		temporary bool
		asked     int
	}{
		"404":            {answer: &mock.Answer{Status: 404, Body: "CANARY"}, want: "not what Azure gives (HTTP status 404)", asked: 1},
		"500":            {answer: &mock.Answer{Status: 500, Body: "CANARY"}, want: "not what Azure gives (HTTP status 500)", temporary: true, asked: 4},
		"malformed JSON": {answer: &mock.Answer{Status: 200, Body: `{"access_token":"CANARY`}, want: "not what Azure gives", asked: 1},
		"empty JSON":     {answer: &mock.Answer{Status: 200, Body: "{}"}, want: "not what Azure gives", asked: 1},
		"timeout":        {hang: true, want: "no answer within 10s", temporary: true, asked: 1},
		"not there":      {answer: &mock.Answer{Drop: true}, want: "connection reset", temporary: true, asked: 4},
	} {
		t.Run(name, func(t *testing.T) {
			o := options()
			o.Vaults = []string{freshHost()}
			o.Intercept = func(ctx context.Context, _ mock.Call) *mock.Answer {
				if tt.hang {
					<-ctx.Done()
				}
				return tt.answer
			}
			synctest.Test(t, func(t *testing.T) {
				s, typ := serve(t, o)
				_, err := open(t, typ, "azure", map[string]any{}).WrapKey(t.Context(), at(t, o.Vaults[0]), dataKey())
				var e *kms.Error
				if !errors.As(err, &e) || e.Temporary() != tt.temporary || errors.Is(err, kms.ErrDenied) {
					t.Fatalf("got %v", err)
				}
				if text := err.Error(); !strings.Contains(text, `getting an access token from "169.254.169.254": `) || !strings.Contains(text, tt.want) || strings.Contains(text, "CANARY") {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				if n := len(s.Calls()); n != tt.asked {
					t.Errorf("asked %d times, want %d", n, tt.asked)
				}
			})
		})
	}
}
