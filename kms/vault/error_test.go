package vault_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/vault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/vault"
)

// unwrapErrors are what may come back from Transit's decrypt, and what becomes of it.
var unwrapErrors = map[string]struct {
	token     string // empty is RootToken
	key       string // empty is k
	mount     string
	namespace string
	sealed    bool
	answer    *mock.Answer
	status    int
	message   string // a part
	denied    bool
	temporary bool
}{
	"unknown token":        {token: "hvs.CANARY", status: 403, message: "permission denied * invalid token", denied: true},
	"forbidden":            {key: "forbidden", status: 403, message: "permission denied", denied: true},
	"no such key":          {key: "none", status: 400, message: "encryption key not found", denied: true},
	"no such mount":        {mount: "nowhere", status: 404, message: "no handler for route", denied: true},
	"other namespace":      {namespace: "other", status: 404, message: "no handler for route", denied: true},
	"not found":            {answer: &mock.Answer{Status: 404, Errors: []string{}}, status: 404, message: "Not Found", denied: true},
	"another key":          {key: "k2", status: 400, message: "unable to decrypt"},
	"not transit":          {answer: &mock.Answer{Status: 405, Errors: []string{"1 error occurred:\n\t* unsupported operation\n\n"}}, status: 405, message: "1 error occurred: * unsupported operation"},
	"sealed":               {sealed: true, status: 503, message: "Vault is sealed", temporary: true},
	"standby":              {answer: &mock.Answer{Status: 429, Errors: []string{}}, status: 429, temporary: true},
	"behind":               {answer: &mock.Answer{Status: 412, Errors: []string{"required index state not present"}}, status: 412, temporary: true},
	"replication standby":  {answer: &mock.Answer{Status: 472}, status: 472, message: "not Vault's", temporary: true},
	"performance standby":  {answer: &mock.Answer{Status: 473}, status: 473, message: "not Vault's", temporary: true},
	"internal":             {answer: &mock.Answer{Status: 500, Errors: []string{"internal error"}}, status: 500, message: "internal error", temporary: true},
	"a proxy's 502":        {answer: &mock.Answer{Status: 502, Body: "<html>CANARY</html>"}, status: 502, message: "not Vault's", temporary: true},
	"a proxy's 403":        {answer: &mock.Answer{Status: 403, Body: "<html>CANARY</html>"}, status: 403, message: "not Vault's"},
	"a proxy's 404":        {answer: &mock.Answer{Status: 404, Body: `{"error":"CANARY"}`}, status: 404, message: "not Vault's"},
	"a captive portal":     {answer: &mock.Answer{Status: 200, Body: "<html>CANARY</html>"}, status: 200, message: "not Vault's"},
	"nothing":              {answer: &mock.Answer{Status: 204}, status: 204, message: "not Vault's"},
	"no plaintext":         {answer: &mock.Answer{Status: 200, Body: "{}"}, message: "no plaintext"},
	"wrong type":           {answer: &mock.Answer{Status: 200, Body: `{"data":{"plaintext":1}}`}, status: 200, message: "not Vault's"},
	"not base64":           {answer: &mock.Answer{Status: 200, Body: `{"data":{"plaintext":"CANARY!"}}`}, status: 200, message: "not Vault's"},
	"endless":              {answer: &mock.Answer{Status: 200, Body: `{"data":{"plaintext":"` + strings.Repeat("A", 2<<20)}, status: 200, message: "not Vault's"},
	"endless error":        {answer: &mock.Answer{Status: 400, Body: `{"errors":["` + strings.Repeat("A", 2<<20)}, status: 400, message: "not Vault's"},
	"redirect":             {answer: &mock.Answer{Status: 307, Location: "https://evil.example.com/"}, status: 307, message: "not followed"},
	"redirect to the path": {answer: &mock.Answer{Status: 302, Location: "/v1/transit/decrypt/k"}, status: 302, message: "not followed"},
	"dropped":              {answer: &mock.Answer{Drop: true}, message: "EOF", temporary: true},
	"log injection":        {answer: &mock.Answer{Status: 403, Errors: []string{"a\x1b[2Jb\r\nsecond line"}}, status: 403, message: "a?[2Jb second line", denied: true},
}

func TestUnwrapErrors(t *testing.T) {
	for name, tt := range unwrapErrors {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // there are waits between the attempts
			s := run(t, mock.Options{Intercept: func(_ context.Context, c mock.Call) *mock.Answer {
				if strings.HasPrefix(c.Path, "transit/decrypt/") {
					return tt.answer
				}
				return nil
			}})
			for _, k := range []string{"k2", "forbidden"} {
				if err := s.Create("transit", k); err != nil {
					t.Fatal(err)
				}
			}
			s.Forbid("transit", "forbidden")
			w, err := openDefault(t, s).WrapKey(t.Context(), doc(t, "keyName", "k"), dataKey())
			if err != nil {
				t.Fatal(err)
			}
			token, key := tt.token, tt.key
			if token == "" {
				token = mock.RootToken
			}
			if key == "" {
				key = "k"
			}
			fields := given(s, token)
			if tt.namespace != "" {
				fields["namespace"] = tt.namespace
			}
			if tt.mount != "" {
				fields["mount"] = tt.mount
			}
			s.Seal(tt.sealed)
			p := open(t, vault.Type{HTTPClient: s.HTTPClient()}, "vault:prod", fields)
			got, err := p.UnwrapKey(t.Context(), doc(t, "keyName", key), w.KeyMaterial)
			var e *kms.Error
			if got != nil || !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			if e.Status != tt.status || !strings.Contains(e.Message, tt.message) || e.Temporary() != tt.temporary || errors.Is(err, kms.ErrDenied) != tt.denied {
				t.Errorf("got status %d, message %q, temporary %v, denied %v", e.Status, e.Message, e.Temporary(), errors.Is(err, kms.ErrDenied))
			}
			for _, part := range []string{"KMS provider `vault:prod`: ", "with key \"" + key + "\" at \"" + s.Addr() + "\""} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not say %q: %v", part, err)
				}
			}
			if text := err.Error(); strings.Contains(text, "CANARY") || strings.Contains(text, token) || len(text) > 700 || strings.ContainsAny(text, "\r\n\x1b") {
				t.Errorf("not fit for a log: %q", text)
			}
		})
	}
}

// The refusals that tests on a real server can bring about.
func TestServersRefuse(t *testing.T) {
	onServers(t, func(t *testing.T, b backend) {
		b.create(t, "k")
		b.create(t, "other")
		b.create(t, "gone")
		p := open(t, b.typ, "vault", b.fields)
		material := roundTrip(t, p, "vault", doc(t, "keyName", "k"))
		gone := roundTrip(t, p, "vault", doc(t, "keyName", "gone"))
		b.remove(t, "gone")
		damaged := bytes.Clone(material)
		if at := &damaged[len("vault:v1:")+8]; *at == 'A' {
			*at = 'B'
		} else {
			*at = 'A'
		}
		b.fields["token"] = "hvs.nobody"
		stranger := open(t, b.typ, "vault", b.fields)
		for name, tt := range map[string]struct {
			p        kms.Provider
			key      string
			material []byte
			denied   bool
		}{
			"another key":   {p, "other", material, false},
			"damaged":       {p, "k", damaged, false},
			"too new":       {p, "k", bytes.Replace(material, []byte("v1"), []byte("v7"), 1), false},
			"deleted key":   {p, "gone", gone, true},
			"unknown token": {stranger, "k", material, true},
		} {
			_, err := tt.p.UnwrapKey(t.Context(), doc(t, "keyName", tt.key), tt.material)
			var e *kms.Error
			if !errors.As(err, &e) || e.Temporary() || errors.Is(err, kms.ErrDenied) != tt.denied {
				t.Errorf("%s: got %v", name, err)
			}
		}
	})
}

// What is not Transit's is not sent.
func TestKeyMaterial(t *testing.T) {
	s := run(t, mock.Options{})
	p := openDefault(t, s)
	for _, text := range []string{"", "vault", "vault:v1", "vault:v1:", "vault:1:AAAA", "vault:v0:AAAA", "vault:v01:AAAA", "vault:v-1:AAAA", "vault:v+1:AAAA",
		"vault:v2147483648:AAAA", "vault:v1:AAA", "vault:v1:AA\nAA", "vault:v1:AAAA\x00", "Vault:v1:AAAA", strings.Repeat("\x00", 160),
		"vault:v1:" + strings.Repeat("AAAA", 1024)} {
		_, err := p.UnwrapKey(t.Context(), doc(t, "keyName", "k"), []byte(text))
		if err == nil || errors.Is(err, kms.ErrDenied) || !strings.Contains(err.Error(), "key \"k\": the wrapped data key is not of the form vault:v<version>:<base64>") {
			t.Errorf("%.20q: got %v", text, err)
		}
	}
	if len(s.Calls()) != 0 {
		t.Error("asked Vault")
	}
}

func TestWrapErrors(t *testing.T) {
	for body, want := range map[string]string{
		`{}`:                               "the ciphertext in the reply is not of the form",
		`{"data":{"ciphertext":"CANARY"}}`: "the ciphertext in the reply is not of the form",
		`{"data":{"ciphertext":"vault:v2:Q0FOQVJZ"}}`: "the reply is of version 2 of the key, not of version 1",
		`{"data":{"ciphertext":1}}`:                   "not Vault's",
	} {
		s := run(t, mock.Options{Intercept: func(_ context.Context, c mock.Call) *mock.Answer {
			if strings.HasPrefix(c.Path, "transit/encrypt/") {
				return &mock.Answer{Status: 200, Body: body}
			}
			return nil
		}})
		w, err := openDefault(t, s).WrapKey(t.Context(), doc(t, "keyName", "k", "keyVersion", int64(1)), dataKey())
		var e *kms.Error
		if w.KeyMaterial != nil || !errors.As(err, &e) || e.Temporary() || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", body, err)
		}
		checkHidden(t, err.Error())
	}
	if _, err := openDefault(t, run(t, mock.Options{})).WrapKey(t.Context(), doc(t, "keyName", "k"), dataKey()[1:]); err == nil || !strings.Contains(err.Error(), "must be 96 bytes: got 95") {
		t.Errorf("short: got %v", err)
	}
}
