package gcp

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func run(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func ask(s *Server, method, url, body string, headers ...string) (int, string) {
	r := httptest.NewRequest(method, url, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	text, _ := io.ReadAll(w.Result().Body)
	return w.Code, string(text)
}

func (a *Account) sign(t *testing.T, alg string, claims map[string]any) string {
	t.Helper()
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	text := part(map[string]string{"alg": alg, "typ": "JWT"}) + "." + part(claims)
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, a.key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func TestAssertions(t *testing.T) {
	a, err := NewAccount("a@example.org")
	if err != nil {
		t.Fatal(err)
	}
	s := run(t, Options{Account: a})
	now := time.Now().Unix()
	for name, tt := range map[string]struct {
		claim string // that is changed
		value any
		want  string // in the answer
	}{
		"good":            {"iss", a.Email, "access_token"},
		"another account": {"iss", "b@example.org", "account not found"},
		"audience":        {"aud", "https://oauth2.example.org/token", "audience"},
		"scope":           {"scope", "https://www.googleapis.com/auth/cloud-platform", "scope"},
		"expired":         {"exp", now - 1, "short-lived"},
		"a day long":      {"exp", now + 86400, "short-lived"},
		"of tomorrow":     {"iat", now + 100, "short-lived"},
		"alg":             {"alg", "none", "Bad Request"},
	} {
		claims, alg := map[string]any{"iss": a.Email, "aud": "https://oauth2.googleapis.com/token", "scope": "https://www.googleapis.com/auth/cloudkms", "iat": now, "exp": now + 300}, "RS256"
		if claims[tt.claim] = tt.value; tt.claim == "alg" {
			alg = "none"
		}
		form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {a.sign(t, alg, claims)}}
		_, got := ask(s, http.MethodPost, "https://oauth2.googleapis.com/token", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
	}
}

func TestMetadataFlavor(t *testing.T) {
	s := run(t, Options{})
	const at = "http://169.254.169.254" + metadataPath
	if code, _ := ask(s, http.MethodGet, at, ""); code != http.StatusForbidden {
		t.Errorf("without the header: got status %d", code)
	}
	if code, body := ask(s, http.MethodGet, at, "", "Metadata-Flavor", "Google"); code != http.StatusOK || !strings.Contains(body, "access_token") {
		t.Errorf("got status %d, %s", code, body)
	}
}

func TestKMSRefuses(t *testing.T) {
	s := run(t, Options{Tokens: []string{"good"}})
	const key = "https://cloudkms.googleapis.com/v1/" + SpecKeyName
	for name, tt := range map[string]struct {
		url, body, token string
		code             int
		want             string
	}{
		"no token":        {key + ":encrypt", `{"plaintext":"AQ=="}`, "", 401, "UNAUTHENTICATED"},
		"unknown token":   {key + ":encrypt", `{"plaintext":"AQ=="}`, "bad", 401, "UNAUTHENTICATED"},
		"wrong checksum":  {key + ":encrypt", `{"plaintext":"AQ==","plaintextCrc32c":"1"}`, "good", 400, "plaintext_crc32c"},
		"no plaintext":    {key + ":encrypt", `{}`, "good", 400, "INVALID_ARGUMENT"},
		"no such version": {key + "/cryptoKeyVersions/2:encrypt", `{"plaintext":"AQ=="}`, "good", 404, "NOT_FOUND"},
		"no such key":     {key + "2:encrypt", `{"plaintext":"AQ=="}`, "good", 404, "NOT_FOUND"},
		"not a wrapping":  {key + ":decrypt", `{"ciphertext":"AQ=="}`, "good", 400, "Decryption failed"},
		"another method":  {key + ":destroy", `{}`, "good", 404, "NOT_FOUND"},
		"not JSON":        {key + ":encrypt", `{`, "good", 400, "INVALID_ARGUMENT"},
	} {
		code, body := ask(s, http.MethodPost, tt.url, tt.body, "Authorization", "Bearer "+tt.token)
		if code != tt.code || !strings.Contains(body, tt.want) {
			t.Errorf("%s: got status %d, %s", name, code, body)
		}
	}
}
