package vault_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type answer struct {
	Data struct{ Ciphertext, Plaintext string }
	Auth struct {
		ClientToken   string `json:"client_token"`
		LeaseDuration int    `json:"lease_duration"`
	}
	Errors []string
}

func ask(t *testing.T, s *mock.Server, token, path, body string) (int, answer) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/v1/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Vault-Token", token)
	got, err := s.HTTPClient().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = got.Body.Close() }()
	var a answer
	if err := json.NewDecoder(got.Body).Decode(&a); err != nil {
		t.Fatal(err)
	}
	return got.StatusCode, a
}

// The server must notice dead tokens, wrong secrets and wrong keys, or the tests of the provider prove nothing.
func TestRefusals(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s, err := mock.Run(context.Background(), mock.Options{
		Now:        func() time.Time { return now },
		AppRole:    &mock.AppRole{RoleID: "r", SecretID: "s", Token: mock.Token{TTL: time.Hour, MaxTTL: 90 * time.Minute}},
		Kubernetes: &mock.Kubernetes{Role: "app", JWT: "j"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, name := range []string{"a", "b"} {
		if err := s.Create("transit", name); err != nil {
			t.Fatal(err)
		}
	}
	_, login := ask(t, s, "", "auth/approle/login", `{"role_id":"r","secret_id":"s"}`)
	token := login.Auth.ClientToken
	status, wrapped := ask(t, s, token, "transit/encrypt/a", `{"plaintext":"AAAA"}`)
	if status != 200 {
		t.Fatalf("got %d %v", status, wrapped.Errors)
	}
	ciphertext := `{"ciphertext":"` + wrapped.Data.Ciphertext + `"}`
	if _, a := ask(t, s, token, "transit/decrypt/a", ciphertext); a.Data.Plaintext != "AAAA" {
		t.Errorf("got %+v", a)
	}
	now = now.Add(50 * time.Minute)
	if _, a := ask(t, s, token, "auth/token/renew-self", `{}`); a.Auth.LeaseDuration != 40*60 {
		t.Errorf("renewed for %d s, beyond the longest life", a.Auth.LeaseDuration)
	}
	for name, tt := range map[string]struct {
		token, path, body string
		status            int
	}{
		"wrong secret":      {"", "auth/approle/login", `{"role_id":"r","secret_id":"x"}`, 400},
		"wrong role":        {"", "auth/kubernetes/login", `{"role":"x","jwt":"j"}`, 400},
		"wrong JWT":         {"", "auth/kubernetes/login", `{"role":"app","jwt":"x"}`, 403},
		"no token":          {"", "transit/decrypt/a", ciphertext, 403},
		"unknown token":     {"x", "transit/decrypt/a", ciphertext, 403},
		"unknown key":       {token, "transit/decrypt/c", ciphertext, 400},
		"another key":       {token, "transit/decrypt/b", ciphertext, 400},
		"no prefix":         {token, "transit/decrypt/a", `{"ciphertext":"AAAA"}`, 400},
		"version to come":   {token, "transit/encrypt/a", `{"plaintext":"AAAA","key_version":2}`, 400},
		"plaintext as text": {token, "transit/encrypt/a", `{"plaintext":"?"}`, 400},
		"unknown mount":     {token, "other/encrypt/a", `{"plaintext":"AAAA"}`, 404},
		"not JSON":          {token, "transit/encrypt/a", `{`, 400},
	} {
		if status, a := ask(t, s, tt.token, tt.path, tt.body); status != tt.status || len(a.Errors) == 0 {
			t.Errorf("%s: got %d %v, want %d", name, status, a.Errors, tt.status)
		}
	}
	s.Seal(true)
	if status, _ := ask(t, s, token, "transit/decrypt/a", ciphertext); status != 503 {
		t.Errorf("sealed: got %d", status)
	}
	s.Seal(false)
	now = now.Add(40 * time.Minute)
	if status, _ := ask(t, s, token, "transit/decrypt/a", ciphertext); status != 403 {
		t.Errorf("a token past its life: got %d", status)
	}
}
