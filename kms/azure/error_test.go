package azure_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/azure"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/azure"
)

// failures are what may come back for an unwrapkey or a token, and what becomes of it.
var failures = map[string]struct {
	operation string // that is answered; empty is unwrapkey
	answer    *mock.Answer
	key       string // empty is KeyName
	endpoint  string // empty is Host
	fields    map[string]any
	status    int
	code      string
	message   string // a part
	denied    bool
	temporary bool
	asked     int // times; 0 is not looked at
}{
	"disabled":         {key: "disabled", status: 403, code: "KeyDisabled", message: "not allowed on a disabled key", denied: true, asked: 1},
	"forbidden":        {key: "forbidden", status: 403, code: "ForbiddenByRbac", message: "not authorized", denied: true, asked: 1},
	"not found":        {key: "none", status: 404, code: "KeyNotFound", message: "was not found in this key vault", denied: true, asked: 1},
	"another key":      {key: "other", status: 400, code: "BadParameter", message: "The parameter is incorrect.; the masterKey names no keyVersion", asked: 1},
	"not that vault":   {endpoint: "other.vault.azure.net", status: 421, message: "not what Azure gives"},
	"throttled":        {answer: &mock.Answer{Status: 429, Code: "Throttled", Message: "Request was not processed because too many requests were received."}, status: 429, code: "Throttled", temporary: true, asked: 4},
	"request timeout":  {answer: &mock.Answer{Status: 408}, status: 408, message: "not what Azure gives", temporary: true, asked: 4},
	"internal":         {answer: &mock.Answer{Status: 500, Code: "InternalServerError"}, status: 500, code: "InternalServerError", temporary: true, asked: 4},
	"a proxy's 502":    {answer: &mock.Answer{Status: 502, Body: "<html>CANARY</html>"}, status: 502, message: "not what Azure gives", temporary: true, asked: 4},
	"a proxy's 503":    {answer: &mock.Answer{Status: 503, Body: "<html>CANARY</html>"}, status: 503, message: "not what Azure gives", temporary: true, asked: 4},
	"a proxy's 504":    {answer: &mock.Answer{Status: 504}, status: 504, temporary: true, asked: 4},
	"501":              {answer: &mock.Answer{Status: 501}, status: 501, asked: 1},
	"a proxy's 403":    {answer: &mock.Answer{Status: 403, Body: "<html>CANARY</html>"}, status: 403, message: "not what Azure gives", asked: 1},
	"a proxy's 404":    {answer: &mock.Answer{Status: 404, Body: `{"error":"CANARY"`}, status: 404, message: "not what Azure gives", asked: 1},
	"another's 404":    {answer: &mock.Answer{Status: 404, Code: "NotFound"}, status: 404, code: "NotFound", asked: 1},
	"a captive portal": {answer: &mock.Answer{Status: 200, Body: "<html>CANARY</html>"}, status: 200, message: "not what Azure gives", asked: 1},
	"nothing":          {answer: &mock.Answer{Status: 200, Body: "{}"}, status: 200, message: "the answer has no value", asked: 1},
	"wrong type":       {answer: &mock.Answer{Status: 200, Body: `{"value": {"CANARY": 1}}`}, status: 200, message: "not what Azure gives", asked: 1},
	"endless":          {answer: &mock.Answer{Status: 200, Body: `{"value":"` + strings.Repeat("A", 2<<20)}, message: "too long", asked: 1},
	"redirect":         {answer: &mock.Answer{Status: 307, Location: "https://evil.vault.azure.net/"}, status: 307, message: "not what Azure gives", asked: 1},
	"dropped":          {answer: &mock.Answer{Drop: true}, message: "connection reset", temporary: true, asked: 4},
	"log injection":    {answer: &mock.Answer{Status: 403, Code: "Forbidden", Message: "a\x1b[2Jb\r\nsecond line"}, status: 403, code: "Forbidden", message: "a?[2Jb", denied: true},

	"wrong secret": {fields: map[string]any{"tenantId": mock.TenantID, "clientId": mock.ClientID, "clientSecret": "CANARY"},
		status: 401, message: "from \"login.microsoftonline.com\": AADSTS7000215: Invalid client secret provided."},
	"wrong client": {fields: map[string]any{"tenantId": mock.TenantID, "clientId": "nobody", "clientSecret": mock.ClientSecret}, status: 400, message: "AADSTS700016"},
	"wrong tenant": {fields: map[string]any{"tenantId": "example.org", "clientId": mock.ClientID, "clientSecret": mock.ClientSecret}, status: 400, message: "AADSTS90002"},
	"not an identity platform": {fields: map[string]any{"tenantId": mock.TenantID, "clientId": mock.ClientID, "clientSecret": mock.ClientSecret, "identityPlatformEndpoint": "example.org"},
		status: 421, message: `getting an access token from "example.org": the answer is not what Azure gives`},
	"discovery fails":    {operation: "discovery", answer: &mock.Answer{Status: 503}, status: 503, message: "getting an access token", temporary: true, asked: 4},
	"discovery misleads": {operation: "discovery", answer: &mock.Answer{Status: 200, Body: `{"issuer":"https://evil.example.org","token_endpoint":"https://evil.example.org","authorization_endpoint":"https://evil.example.org"}`}, status: 200, message: "issuer 'https://evil.example.org' does not match", asked: 1},
	"secret in clear": {operation: "discovery", answer: &mock.Answer{Status: 200, Body: `{"issuer":"https://login.microsoftonline.com/","token_endpoint":"http://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/oauth2/v2.0/token","authorization_endpoint":"https://login.microsoftonline.com"}`},
		message: "an endpoint without TLS", asked: 1},
	"no token":              {operation: "token", answer: &mock.Answer{Status: 503}, status: 503, message: "getting an access token", temporary: true, asked: 4},
	"token refused by CAP":  {operation: "token", answer: &mock.Answer{Status: 403, Body: `{"error":"access_denied","error_description":"no"}`}, status: 403, message: "no (access_denied)", asked: 1},
	"token malformed":       {operation: "token", answer: &mock.Answer{Status: 200, Body: `{"access_token":"CANARY`}, status: 200, message: "not what Azure gives", asked: 1},
	"token empty":           {operation: "token", answer: &mock.Answer{Status: 200, Body: `{}`}, status: 200, message: "not what Azure gives", asked: 1},
	"token the vault knows": {fields: map[string]any{"accessToken": "CANARY"}, status: 401, code: "Unauthorized", message: "AKV10020", denied: true},
}

func TestUnwrapErrors(t *testing.T) {
	keys := []mock.Key{{Name: mock.KeyName, Versions: rsaKeys()[:1]}, {Name: "other", Versions: rsaKeys()[1:]},
		{Name: "disabled", Versions: rsaKeys()[:1], State: mock.Disabled}, {Name: "forbidden", Versions: rsaKeys()[:1], State: mock.Forbidden}}
	for name, tt := range failures {
		t.Run(name, func(t *testing.T) {
			operation := tt.operation
			if operation == "" {
				operation = "unwrapkey"
			}
			intercept := func(_ context.Context, c mock.Call) *mock.Answer {
				if c.Operation == operation {
					return tt.answer
				}
				return nil
			}
			o := options()
			w := wrap(t, openDefault(t, run(t, o)), masterKey(t))
			synctest.Test(t, func(t *testing.T) {
				s, typ := serve(t, mock.Options{Keys: keys, Intercept: intercept})
				fields := tt.fields
				if fields == nil {
					fields = servicePrincipal()
				}
				endpoint, key := mock.Host, mock.KeyName
				if tt.endpoint != "" {
					endpoint = tt.endpoint
				}
				if tt.key != "" {
					key = tt.key
				}
				p := open(t, typ, "azure:prod", fields)
				got, err := p.UnwrapKey(t.Context(), doc(t, "keyVaultEndpoint", endpoint, "keyName", key), w.KeyMaterial)
				var e *kms.Error
				if got != nil || !errors.As(err, &e) {
					t.Fatalf("got %v", err)
				}
				if e.Status != tt.status || e.Code != tt.code || !strings.Contains(e.Message, tt.message) || e.Temporary() != tt.temporary || errors.Is(err, kms.ErrDenied) != tt.denied {
					t.Errorf("got status %d, code %q, message %q, temporary %v, denied %v", e.Status, e.Code, e.Message, e.Temporary(), errors.Is(err, kms.ErrDenied))
				}
				for _, part := range []string{"KMS provider `azure:prod`: UnwrapKey with key ", key, endpoint, tt.code} {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("the error does not say %q: %v", part, err)
					}
				}
				if text := err.Error(); strings.Contains(text, "CANARY") || strings.Contains(text, mock.ClientSecret) || len(text) > 800 || strings.ContainsAny(text, "\r\n\x1b") {
					t.Errorf("not fit for a log: %q", text)
				}
				asked := 0
				for _, c := range s.Calls() {
					if c.Operation == operation {
						asked++
					}
				}
				if tt.asked != 0 && asked != tt.asked {
					t.Errorf("asked %d times, want %d", asked, tt.asked)
				}
			})
		})
	}
}

// What a vault demands has no say in who gets which token. The SDK would panic on the first of these.
func TestHostileChallenge(t *testing.T) {
	for _, challenge := range []string{
		`Bearer authorization="a" resource="https://vault.azure.net"`,
		`Bearer authorization="https://evil.example.org/tenant" resource="https://management.azure.com"`,
		`Bearer error="insufficient_claims", claims="CANARY?"`,
	} {
		refuse := false
		o := options()
		o.Intercept = func(_ context.Context, c mock.Call) *mock.Answer {
			if !refuse || c.Operation == "token" {
				return nil
			}
			return &mock.Answer{Status: 401, Code: "Unauthorized", Challenge: challenge}
		}
		s := run(t, o)
		p := openDefault(t, s)
		w := wrap(t, p, masterKey(t))
		asked := len(s.Calls())
		refuse = true
		for range 2 {
			_, err := p.UnwrapKey(t.Context(), w.MasterKey, w.KeyMaterial)
			var e *kms.Error
			if !errors.As(err, &e) || e.Code != "Unauthorized" || !errors.Is(err, kms.ErrDenied) || strings.Contains(err.Error(), "CANARY") {
				t.Errorf("%s: got %v", challenge, err)
			}
		}
		if n := len(s.Calls()) - asked; n != 2 {
			t.Errorf("%s: made %d requests", challenge, n)
		}
		refuse = false
		checkUnwrap(t, p, w.MasterKey, w.KeyMaterial)
	}
}

// A wrapped key whose master key the answer does not name surely, or that is none, must not be stored.
func TestWrapErrors(t *testing.T) {
	for name, tt := range map[string]struct{ body, version, want string }{
		"no kid":          {`{"value":"AAAA"}`, "", "not say which version"},
		"kid of another":  {`{"kid":"https://mock.vault.azure.net/keys/other/1","value":"AAAA"}`, "", "another key"},
		"no version":      {`{"kid":"https://mock.vault.azure.net/keys/master-key","value":"AAAA"}`, "", "no version"},
		"strange version": {`{"kid":"https://mock.vault.azure.net/keys/master-key/..","value":"AAAA"}`, "", "no version"},
		"another version": {`{"kid":"https://mock.vault.azure.net/keys/master-key/2","value":"AAAA"}`, "1", "another key"},
		"not a URL":       {`{"kid":":","value":"AAAA"}`, "", "not a URL"},
		"no value":        {`{"kid":"https://mock.vault.azure.net/keys/master-key/1"}`, "", "no value"},
	} {
		o := options()
		o.Intercept = func(_ context.Context, c mock.Call) *mock.Answer {
			if c.Operation == "wrapkey" {
				return &mock.Answer{Status: 200, Body: tt.body}
			}
			return nil
		}
		master := masterKey(t)
		if tt.version != "" {
			master = doc(t, "keyVaultEndpoint", mock.Host, "keyName", mock.KeyName, "keyVersion", tt.version)
		}
		_, err := openDefault(t, run(t, o)).WrapKey(t.Context(), master, dataKey())
		var e *kms.Error
		if !errors.As(err, &e) || e.Temporary() || errors.Is(err, kms.ErrDenied) || !strings.Contains(e.Message, tt.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// An answer that repeats what it was sent must not reach a log.
func TestSecretsAreWithheld(t *testing.T) {
	var repeat func(c mock.Call) *mock.Answer
	o := options()
	o.Intercept = func(_ context.Context, c mock.Call) *mock.Answer { return repeat(c) }
	s := run(t, o)
	const secret = "CANARY secret/with+reserved&characters="
	fields := servicePrincipal()
	fields["clientSecret"] = secret
	p := open(t, azure.Type{HTTPClient: s.HTTPClient()}, "azure", fields)
	given := open(t, azure.Type{HTTPClient: s.HTTPClient()}, "azure", map[string]any{"accessToken": s.Token("https://vault.azure.net")})
	var token string
	inToken := func(text string) func(mock.Call) *mock.Answer {
		return func(c mock.Call) *mock.Answer {
			if c.Operation == "token" {
				return &mock.Answer{Status: 400, Body: `{"error":"invalid_request","error_description":"you sent ` + text + `"}`}
			}
			return nil
		}
	}
	inVault := func(text string) func(mock.Call) *mock.Answer {
		return func(c mock.Call) *mock.Answer {
			token = c.Sent
			if text == "" {
				text = token
			}
			return &mock.Answer{Code: "BadParameter/" + text, Message: "you sent " + text}
		}
	}
	for name, tt := range map[string]struct {
		p      kms.Provider
		repeat func(mock.Call) *mock.Answer
	}{
		"secret":           {p, inToken(secret)},
		"secret as sent":   {p, inToken(url.QueryEscape(secret))},
		"token":            {given, inVault("")},
		"data key":         {given, inVault(string(dataKey()))},
		"data key, base64": {given, inVault(base64.StdEncoding.EncodeToString(dataKey()))},
		"data key as sent": {given, inVault(base64.RawURLEncoding.EncodeToString(dataKey()))},
	} {
		repeat = tt.repeat
		_, err := tt.p.WrapKey(t.Context(), masterKey(t), dataKey())
		if err == nil || !strings.Contains(err.Error(), "withheld") {
			t.Errorf("%s: got %v", name, err)
		}
		held := struct{ p any }{tt.p}
		text := fmt.Sprintf("%v %+v %#v %v %+v %#v %s %v %+v %#v", err, err, err, tt.p, tt.p, tt.p, tt.p, held, held, held)
		for _, secret := range []string{"CANARY", url.QueryEscape(secret), base64.StdEncoding.EncodeToString(dataKey())[:20], "mock-token-"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s: a secret in %q", name, text)
			}
		}
	}
}

func TestCancelled(t *testing.T) {
	for _, operation := range []string{"discovery", "token", "wrapkey"} {
		asked := make(chan struct{}, 1)
		o := options()
		o.Intercept = func(ctx context.Context, c mock.Call) *mock.Answer {
			if c.Operation != operation {
				return nil
			}
			asked <- struct{}{}
			<-ctx.Done()
			return &mock.Answer{Drop: true}
		}
		p := openDefault(t, run(t, o))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() { _, err := p.WrapKey(ctx, masterKey(t), dataKey()); done <- err }()
		select {
		case <-asked:
		case err := <-done:
			t.Fatalf("%s: not asked: %v", operation, err)
		}
		// Another that must wait for the first one's token, or ask for itself, does not outlive its own context.
		impatient, stop := context.WithTimeout(t.Context(), 1)
		if _, err := p.WrapKey(impatient, masterKey(t), dataKey()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: behind another: %v", operation, err)
		}
		stop()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) || errors.Is(err, kms.ErrDenied) {
			t.Errorf("%s: in flight: %v", operation, err)
		}
		if _, err := p.UnwrapKey(ctx, masterKey(t), []byte{1}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: before: %v", operation, err)
		}
	}
}

// Driver specification, prose test 24: three failures, of the network or of the KMS, are survived, for the token and for the key.
func TestRecovers(t *testing.T) {
	for _, operation := range []string{"discovery", "token", "wrapkey"} {
		for name, answer := range map[string]mock.Answer{"network": {Drop: true}, "KMS": {Status: http.StatusTooManyRequests}} {
			synctest.Test(t, func(t *testing.T) {
				left := 3
				o := options()
				o.Intercept = func(_ context.Context, c mock.Call) *mock.Answer {
					if c.Operation != operation || left == 0 {
						return nil
					}
					left--
					return &answer
				}
				_, typ := serve(t, o)
				wrap(t, open(t, typ, "azure", servicePrincipal()), masterKey(t))
				if left != 0 {
					t.Errorf("%s, %s: was not asked", operation, name)
				}
			})
		}
	}
}
