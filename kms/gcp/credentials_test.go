package gcp_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/gcp"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/gcp"
)

// setEnvironment makes the given variables the only ones in which credentials are found.
func setEnvironment(t *testing.T, variables map[string]string) {
	t.Helper()
	for name, value := range map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": "", "GCE_METADATA_HOST": "", "GOOGLE_CLOUD_QUOTA_PROJECT": "", "HOME": t.TempDir(), "APPDATA": t.TempDir()} {
		t.Setenv(name, value)
	}
	for name, value := range variables {
		t.Setenv(name, value)
	}
}

// sources are the entries whose tokens expire.
func sources(t *testing.T) map[string]map[string]any {
	setEnvironment(t, nil)
	return map[string]map[string]any{
		"token":    {"email": account().Email, "privateKey": privateKey(t)},
		"metadata": {},
	}
}

// count says how often an operation was asked for.
func count(s *mock.Server, operation string) (n int) {
	for _, c := range s.Calls() {
		if c.Operation == operation {
			n++
		}
	}
	return n
}

// The server refuses a token that has expired: none is used beyond its hour, and none is asked for before its last minute.
func TestTokensAreRenewed(t *testing.T) {
	for operation, fields := range sources(t) {
		s := run(t, mock.Options{Account: account()})
		synctest.Test(t, func(t *testing.T) {
			rt := inProcess{s}
			p := open(t, gcp.Type{HTTPClient: &http.Client{Transport: rt}}.WithMetadata(rt), "gcp", fields)
			for _, step := range []struct {
				wait   time.Duration
				tokens int // so far
			}{{0, 1}, {58 * time.Minute, 1}, {90 * time.Second, 2}, {58 * time.Minute, 2}, {5 * time.Minute, 3}, {time.Hour, 4}} {
				time.Sleep(step.wait)
				if _, err := p.WrapKey(t.Context(), specKey(t), dataKey()); err != nil {
					t.Errorf("%s: %v", operation, err)
				}
				if n := count(s, operation); n != step.tokens {
					t.Errorf("%s: got %d tokens, want %d", operation, n, step.tokens)
				}
			}
			for _, c := range s.Calls() {
				if c.Operation == "encrypt" && c.Token == "" {
					t.Errorf("%s: a request without a token", operation)
				}
			}
		})
	}
}

// While those who give tokens are away, the one at hand is used until it expires, and not longer.
func TestTokenOutage(t *testing.T) {
	for operation, fields := range sources(t) {
		var down bool
		s := run(t, mock.Options{Account: account(), Intercept: func(_ context.Context, c mock.Call) *mock.Answer {
			if down && c.Operation == operation {
				return &mock.Answer{HTTP: http.StatusServiceUnavailable}
			}
			return nil
		}})
		synctest.Test(t, func(t *testing.T) {
			rt := inProcess{s}
			p := open(t, gcp.Type{HTTPClient: &http.Client{Transport: rt}}.WithMetadata(rt), "gcp", fields)
			for _, step := range []struct {
				wait time.Duration
				down bool
				good bool
			}{{0, false, true}, {59*time.Minute + 30*time.Second, true, true}, {time.Minute, true, false}, {time.Second, false, true}} {
				time.Sleep(step.wait)
				down = step.down
				_, err := p.WrapKey(t.Context(), specKey(t), dataKey())
				var e *kms.Error
				if step.good && err != nil || !step.good && (!errors.As(err, &e) || !e.Temporary() || errors.Is(err, kms.ErrDenied)) {
					t.Errorf("%s: after %v: %v", operation, step.wait, err)
				}
			}
		})
	}
}

// A token that Google takes back before its time is replaced at once.
func TestRevokedToken(t *testing.T) {
	setEnvironment(t, nil)
	var revoked sync.Map
	s := run(t, mock.Options{Account: account(), Intercept: func(_ context.Context, c mock.Call) *mock.Answer {
		if _, found := revoked.Load(c.Token); found {
			return &mock.Answer{HTTP: http.StatusUnauthorized, Status: "UNAUTHENTICATED"}
		}
		return nil
	}})
	p := open(t, gcp.Type{HTTPClient: s.HTTPClient()}, "gcp", map[string]any{"email": account().Email, "privateKey": privateKey(t)})
	for want := 1; want <= 3; want++ {
		if _, err := p.WrapKey(t.Context(), specKey(t), dataKey()); err != nil {
			t.Error(err)
		}
		if n := count(s, "token"); n != want {
			t.Errorf("got %d tokens, want %d", n, want)
		}
		calls := s.Calls()
		revoked.Store(calls[len(calls)-1].Token, true)
	}
}

// The metadata server believes whoever reaches it: it is asked directly, and a proxy does not see its tokens. This comes before other
// tests that ask it, for net/http reads a proxy from the environment once.
func TestMetadataPastProxy(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the proxy is asked") }))
	defer proxy.Close()
	setEnvironment(t, map[string]string{"GCE_METADATA_HOST": "metadata.invalid", "HTTP_PROXY": proxy.URL, "http_proxy": proxy.URL, "NO_PROXY": "", "no_proxy": ""})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := open(t, gcp.Type{}, "gcp", map[string]any{}).WrapKey(ctx, specKey(t), dataKey())
	var e *kms.Error
	if !errors.As(err, &e) || !e.Temporary() {
		t.Errorf("got %v", err)
	}
}

// The metadata server is asked at the address in the environment.
func TestMetadataHost(t *testing.T) {
	s := run(t, mock.Options{})
	metadata := httptest.NewServer(s)
	defer metadata.Close()
	setEnvironment(t, map[string]string{"GCE_METADATA_HOST": strings.TrimPrefix(metadata.URL, "http://")})
	p := open(t, gcp.Type{HTTPClient: s.HTTPClient()}, "gcp", map[string]any{})
	if _, err := p.WrapKey(t.Context(), specKey(t), dataKey()); err != nil || count(s, "metadata") != 1 {
		t.Errorf("got %v", err)
	}
}

// keyFile is a service account's, as the Google Cloud console writes it.
func keyFile(t *testing.T, more map[string]string) string {
	t.Helper()
	fields := map[string]string{
		"type":         "service_account",
		"client_email": account().Email,
		"private_key":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: privateKey(t)})),
		"token_uri":    "https://oauth2.googleapis.com/token",
	}
	for name, value := range more {
		fields[name] = value
	}
	text, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "gcloud", "application_default_credentials.json")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestDefaultCredentialsFile(t *testing.T) {
	named, wellKnown := keyFile(t, nil), keyFile(t, map[string]string{"quota_project_id": "payer"})
	home := t.TempDir()
	if err := os.Symlink(filepath.Dir(filepath.Dir(wellKnown)), filepath.Join(home, ".config")); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		environment  map[string]string
		quotaProject string
	}{
		"named":      {map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": named}, ""},
		"well known": {map[string]string{"HOME": home, "APPDATA": filepath.Dir(filepath.Dir(wellKnown))}, "payer"},
	} {
		t.Run(name, func(t *testing.T) {
			setEnvironment(t, tt.environment)
			s := run(t, mock.Options{Account: account(), QuotaProject: tt.quotaProject})
			p := open(t, gcp.Type{HTTPClient: s.HTTPClient()}, "gcp", map[string]any{})
			for range 2 {
				if _, err := p.WrapKey(t.Context(), specKey(t), dataKey()); err != nil {
					t.Fatal(err)
				}
			}
			if count(s, "token") != 1 || count(s, "metadata") != 0 {
				t.Errorf("asked %+v", s.Calls())
			}
		})
	}
}

// The same failures of all who give tokens.
func TestTokenErrors(t *testing.T) {
	const token = `{"access_token":"ya29.CANARY","expires_in":`
	for name, tt := range map[string]struct {
		answer    mock.Answer
		message   string // a part
		temporary bool
		only      string // this source; empty is all
	}{
		"not found":         {mock.Answer{HTTP: 404, Body: "no such service account"}, "(HTTP status 404)", false, ""},
		"metadata's words":  {mock.Answer{HTTP: 404, Body: "no such service account"}, "no such service account", false, "metadata"},
		"forbidden":         {mock.Answer{HTTP: 403, Body: `{"error":"forbidden"}`}, "forbidden", false, ""},
		"refused":           {mock.Answer{HTTP: 400, Body: `{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`}, "(HTTP status 400): invalid_grant: Invalid JWT Signature.", false, "token"},
		"timeout":           {mock.Answer{HTTP: 408}, "(HTTP status 408)", true, ""},
		"too many":          {mock.Answer{HTTP: 429}, "(HTTP status 429)", true, ""},
		"bad gateway":       {mock.Answer{HTTP: 502, Body: "<html>"}, "(HTTP status 502)", true, ""},
		"not in the list":   {mock.Answer{HTTP: 599}, "(HTTP status 599)", true, ""},
		"bad JSON":          {mock.Answer{Body: token}, "not a token in JSON", false, ""},
		"HTML":              {mock.Answer{Body: "<html>CANARY</html>"}, "not a token in JSON", false, ""},
		"another type":      {mock.Answer{Body: `{"access_token":7}`}, "not a token in JSON", false, ""},
		"empty":             {mock.Answer{Body: `{}`}, "no access_token", false, ""},
		"nothing":           {mock.Answer{}, "not a token in JSON", false, ""},
		"no expires_in":     {mock.Answer{Body: `{"access_token":"ya29.CANARY"}`}, "no expires_in", false, "token"},
		"header injection":  {mock.Answer{Body: `{"access_token":"CANARY\r\nX-A: b","expires_in":3599}`}, "characters that no token has", false, ""},
		"redirect":          {mock.Answer{HTTP: 302, Location: "https://evil.googleapis.com/token"}, "(HTTP status 302)", false, ""},
		"endless":           {mock.Answer{Body: strings.Repeat(" ", 2<<20)}, "too large", false, "metadata"},
		"endless token":     {mock.Answer{Body: strings.Repeat(" ", 2<<20)}, "not a token in JSON", false, "token"},
		"repeats a token":   {mock.Answer{HTTP: 400, Body: `{"error":"bad","error_description":"ya29.CANARY"}`}, "withheld", false, ""},
		"repeats a request": {mock.Answer{HTTP: 400, Body: `{"error":"bad","error_description":"assertion eyJhbGciOiCANARY"}`}, "withheld", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for operation, fields := range sources(t) {
				if tt.only != "" && tt.only != operation {
					continue
				}
				s := run(t, mock.Options{Account: account(), Intercept: func(_ context.Context, c mock.Call) *mock.Answer {
					if c.Operation == operation {
						return &tt.answer
					}
					return nil
				}})
				synctest.Test(t, func(t *testing.T) {
					rt := inProcess{s}
					p := open(t, gcp.Type{HTTPClient: &http.Client{Transport: rt}}.WithMetadata(rt), "gcp", fields)
					_, err := p.UnwrapKey(t.Context(), specKey(t), []byte{1})
					var e *kms.Error
					if !errors.As(err, &e) {
						t.Fatalf("%s: got %v", operation, err)
					}
					if !strings.HasPrefix(e.Message, "getting an access token from ") && !strings.Contains(e.Message, "withheld") ||
						!strings.Contains(e.Message, tt.message) || e.Temporary() != tt.temporary || errors.Is(err, kms.ErrDenied) {
						t.Errorf("%s: got %v", operation, err)
					}
					want := 1
					if tt.temporary {
						want = 4
					}
					if n := len(s.Calls()); n != want {
						t.Errorf("%s: asked %d times, want %d", operation, n, want)
					}
					checkHidden(t, err.Error())
				})
			}
		})
	}
}

// What the token endpoint finds wrong with an account.
func TestServiceAccountRefused(t *testing.T) {
	other, err := mock.NewAccount(account().Email)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		options mock.Options
		email   string
		want    string
	}{
		"unknown":        {mock.Options{Account: account()}, "nobody@example.org", "account not found"},
		"another key":    {mock.Options{Account: other}, account().Email, "Invalid JWT Signature."},
		"not that host":  {mock.Options{Account: account(), TokenHost: "oauth2.example.org"}, account().Email, "(HTTP status 401)"},
		"no such domain": {mock.Options{Account: account(), Ports: []string{"1"}}, account().Email, "connection refused"},
	} {
		s := run(t, tt.options)
		p := open(t, gcp.Type{HTTPClient: s.HTTPClient()}, "gcp", map[string]any{"email": tt.email, "privateKey": privateKey(t)})
		_, err := p.WrapKey(t.Context(), specKey(t), dataKey())
		if err == nil || !strings.Contains(err.Error(), "oauth2.googleapis.com") || !strings.Contains(err.Error(), tt.want) || errors.Is(err, kms.ErrDenied) {
			t.Errorf("%s: got %v", name, err)
		}
		checkHidden(t, err.Error())
	}
}

func TestBadCredentialsFile(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.json")
	for name, tt := range map[string]struct{ file, want string }{
		"missing":       {missing, "no such file"},
		"unknown type":  {keyFile(t, map[string]string{"type": "CANARY"}), "unsupported"},
		"no key":        {keyFile(t, map[string]string{"private_key": "CANARY"}), "private key"},
		"quota project": {keyFile(t, map[string]string{"quota_project_id": "a\r\nX: CANARY"}), "quota project"},
	} {
		t.Run(name, func(t *testing.T) {
			setEnvironment(t, map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": tt.file})
			s := run(t, mock.Options{Account: account()})
			_, err := open(t, gcp.Type{HTTPClient: s.HTTPClient()}, "gcp", map[string]any{}).WrapKey(t.Context(), specKey(t), dataKey())
			var e *kms.Error
			if !errors.As(err, &e) || e.Temporary() || !strings.Contains(e.Message, tt.file) || !strings.Contains(e.Message, tt.want) {
				t.Fatalf("got %v", err)
			}
			checkHidden(t, err.Error())
		})
	}
}
