package gcp_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/gcp"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/gcp"
)

const ring = "projects/devprod-drivers/locations/global/keyRings/key-ring-csfle/cryptoKeys/"

// unwrapErrors are what a KMS may answer to decrypt, and what becomes of it.
var unwrapErrors = map[string]struct {
	token     string // empty is a good one
	key       string // empty is enabled
	endpoint  string
	answer    *mock.Answer
	status    int
	code      string
	message   string // a part
	denied    bool
	temporary bool
}{
	"disabled":            {key: "disabled", status: 400, code: "FAILED_PRECONDITION", message: "current state is: DISABLED", denied: true},
	"destroyed":           {key: "destroyed", status: 400, code: "FAILED_PRECONDITION", message: "current state is: DESTROYED", denied: true},
	"disabled, no words":  {answer: &mock.Answer{HTTP: 400, Status: "FAILED_PRECONDITION", Reason: "KEY_DISABLED"}, status: 400, code: "FAILED_PRECONDITION", denied: true},
	"another state":       {answer: &mock.Answer{HTTP: 400, Status: "FAILED_PRECONDITION", Reason: "EKM_UNREACHABLE", Message: "the external key manager"}, status: 400, code: "FAILED_PRECONDITION"},
	"forbidden":           {key: "forbidden", status: 403, code: "PERMISSION_DENIED", message: "cloudkms.cryptoKeyVersions.useToDecrypt", denied: true},
	"not found":           {key: "none", status: 404, code: "NOT_FOUND", message: "not found", denied: true},
	"another key":         {key: "enabled2", status: 400, code: "INVALID_ARGUMENT", message: "Decryption failed"},
	"unknown token":       {token: "ya29.unknown", status: 401, code: "UNAUTHENTICATED", message: "invalid authentication credentials", denied: true},
	"not that KMS":        {endpoint: "kms.example.net", message: "tls:"},
	"nobody listens":      {endpoint: "cloudkms.googleapis.com:12345", message: "connection refused", temporary: true},
	"too many requests":   {answer: &mock.Answer{HTTP: 429, Status: "RESOURCE_EXHAUSTED", Message: "Quota exceeded"}, status: 429, code: "RESOURCE_EXHAUSTED", temporary: true},
	"timeout":             {answer: &mock.Answer{HTTP: 408}, status: 408, message: "not the KMS's", temporary: true},
	"internal":            {answer: &mock.Answer{HTTP: 500, Status: "INTERNAL"}, status: 500, code: "INTERNAL", temporary: true},
	"unavailable":         {answer: &mock.Answer{HTTP: 503, Status: "UNAVAILABLE"}, status: 503, code: "UNAVAILABLE", temporary: true},
	"any 5xx":             {answer: &mock.Answer{HTTP: 529}, status: 529, message: "not the KMS's", temporary: true},
	"a proxy's 403":       {answer: &mock.Answer{HTTP: 403, Body: "<html>CANARY</html>"}, status: 403, message: "not the KMS's"},
	"a proxy's JSON":      {answer: &mock.Answer{HTTP: 401, Body: `{"error":"CANARY"}`}, status: 401, message: "not the KMS's"},
	"a captive portal":    {answer: &mock.Answer{Body: "<html>CANARY</html>"}, message: "not the KMS's"},
	"nothing":             {answer: &mock.Answer{Body: "{}"}, message: "neither plaintext nor ciphertext"},
	"no content":          {answer: &mock.Answer{HTTP: 204}, message: "not the KMS's"},
	"wrong type":          {answer: &mock.Answer{Body: `{"plaintext": {"a": "CANARY"}}`}, message: "not the KMS's"},
	"not base64":          {answer: &mock.Answer{Body: `{"plaintext": "CANARY!"}`}, message: "not the KMS's"},
	"no checksum":         {answer: &mock.Answer{Body: `{"plaintext": "Q0FOQVJZ"}`}, message: "checksums do not match", temporary: true},
	"another checksum":    {answer: &mock.Answer{Body: `{"plaintext": "Q0FOQVJZ", "plaintextCrc32c": "1"}`}, message: "checksums do not match", temporary: true},
	"damaged on its way":  {answer: &mock.Answer{HTTP: 400, Status: "INVALID_ARGUMENT", Message: "The checksum in field ciphertext_crc32c did not match"}, status: 400, code: "INVALID_ARGUMENT"},
	"endless":             {answer: &mock.Answer{Body: `{"plaintext":"` + strings.Repeat("A", 2<<20)}, message: "too long"},
	"redirect":            {answer: &mock.Answer{HTTP: 307, Location: "https://evil.googleapis.com/"}, status: 307, message: "not the KMS's"},
	"dropped":             {answer: &mock.Answer{Drop: true}, message: "EOF", temporary: true},
	"log injection":       {answer: &mock.Answer{HTTP: 403, Status: "PERMISSION_DENIED", Message: "a\x1b[2Jb\r\nsecond line"}, status: 403, code: "PERMISSION_DENIED", message: "a?[2Jb", denied: true},
	"a code that is long": {answer: &mock.Answer{HTTP: 400, Status: strings.Repeat("A\n", 1<<10)}, status: 400, code: "A"},
}

func TestUnwrapErrors(t *testing.T) {
	keys := []mock.Key{{Name: ring + "enabled"}, {Name: ring + "enabled2"}, {Name: ring + "disabled", Versions: []mock.State{mock.Disabled}},
		{Name: ring + "destroyed", Versions: []mock.State{mock.Destroyed}}, {Name: ring + "forbidden", Forbidden: true}}
	for name, tt := range unwrapErrors {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // there are waits between the attempts
			s := run(t, mock.Options{Keys: keys, Intercept: func(_ context.Context, c mock.Call) *mock.Answer {
				if c.Operation == "decrypt" {
					return tt.answer
				}
				return nil
			}})
			key, token := tt.key, tt.token
			if key == "" {
				key = "enabled"
			}
			if token == "" {
				token = accessToken
			}
			fields := []any{"projectId", "devprod-drivers", "location", "global", "keyRing", "key-ring-csfle", "keyName", key}
			endpoint := "cloudkms.googleapis.com"
			if tt.endpoint != "" {
				endpoint, fields = tt.endpoint, append(fields, "endpoint", tt.endpoint)
			}
			p := open(t, gcp.Type{HTTPClient: s.HTTPClient(), Endpoints: []string{"kms.example.net"}}, "gcp:prod", map[string]any{"accessToken": token})
			got, err := p.UnwrapKey(t.Context(), doc(t, fields...), wrappedBy(t, s, key))
			var e *kms.Error
			if got != nil || !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			if e.Status != tt.status || e.Code != tt.code || !strings.Contains(e.Message, tt.message) || e.Temporary() != tt.temporary || errors.Is(err, kms.ErrDenied) != tt.denied {
				t.Errorf("got status %d, code %q, message %q, temporary %v, denied %v", e.Status, e.Code, e.Message, e.Temporary(), errors.Is(err, kms.ErrDenied))
			}
			for _, part := range []string{"KMS provider `gcp:prod`: Decrypt with key ", ring + key, endpoint, tt.code} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not say %q: %v", part, err)
				}
			}
			if n := count(s, "decrypt"); tt.answer != nil && (n == 4) != tt.temporary {
				t.Errorf("asked %d times", n)
			}
			checkHidden(t, err.Error())
			if text := err.Error(); strings.Contains(text, token) || len(text) > 900 || strings.ContainsAny(text, "\r\n\x1b") {
				t.Errorf("not fit for a log: %q", text)
			}
		})
	}
}

// wrappedBy wraps with the key itself where it can, for the server looks for what made the ciphertext.
func wrappedBy(t *testing.T, s *mock.Server, key string) []byte {
	t.Helper()
	if key == "disabled" || key == "destroyed" {
		return s.Seal(ring+key, dataKey())
	}
	return s.Seal(ring+"enabled", dataKey())
}

func TestWrapReplies(t *testing.T) {
	for name, tt := range map[string]struct{ reply, want string }{
		"nothing":          {`{}`, "neither plaintext nor ciphertext"},
		"not verified":     {`{"ciphertext":"AQ==","ciphertextCrc32c":"2685849682"}`, "checksums do not match"},
		"no checksum":      {`{"ciphertext":"AQ==","verifiedPlaintextCrc32c":true}`, "checksums do not match"},
		"another checksum": {`{"ciphertext":"AQ==","ciphertextCrc32c":"1","verifiedPlaintextCrc32c":true}`, "checksums do not match"},
		"good":             {`{"ciphertext":"AQ==","ciphertextCrc32c":"2685849682","verifiedPlaintextCrc32c":true}`, ""},
	} {
		s := run(t, mock.Options{Intercept: func(context.Context, mock.Call) *mock.Answer { return &mock.Answer{Body: tt.reply} }})
		synctest.Test(t, func(t *testing.T) {
			p := open(t, gcp.Type{HTTPClient: &http.Client{Transport: inProcess{s}}}, "gcp", map[string]any{"accessToken": accessToken})
			w, err := p.WrapKey(t.Context(), specKey(t), dataKey())
			if tt.want == "" && (err != nil || !bytes.Equal(w.KeyMaterial, []byte{1})) || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%s: got %v", name, err)
			}
		})
	}
}

// An answer that repeats what it was sent must not reach a log.
func TestSecretsAreWithheld(t *testing.T) {
	var message string
	s := run(t, mock.Options{Intercept: func(context.Context, mock.Call) *mock.Answer {
		return &mock.Answer{HTTP: 400, Status: "INVALID_ARGUMENT", Message: message}
	}})
	p := openDefault(t, s)
	for _, secret := range []string{accessToken, string(dataKey()), base64.StdEncoding.EncodeToString(dataKey()), hex.EncodeToString(dataKey())} {
		message = "you sent " + secret
		_, err := p.WrapKey(t.Context(), specKey(t), dataKey())
		if err == nil || !strings.Contains(err.Error(), "withheld") {
			t.Errorf("got %v", err)
		}
		checkHidden(t, fmt.Sprintf("%v %+v %#v", err, err, err))
	}
	held := struct{ p any }{p}
	checkHidden(t, fmt.Sprintf("%v %+v %#v %s %v %+v %#v %s", p, p, p, p, held, held, held, held))
	if _, err := json.Marshal(p); err != nil {
		t.Error(err)
	}
}

func TestCancelled(t *testing.T) {
	asked := make(chan struct{}, 1)
	s := run(t, mock.Options{Account: account(), Intercept: func(ctx context.Context, _ mock.Call) *mock.Answer {
		asked <- struct{}{}
		<-ctx.Done()
		return &mock.Answer{Drop: true}
	}})
	for name, p := range map[string]kms.Provider{
		"KMS":            openDefault(t, s),
		"token endpoint": open(t, gcp.Type{HTTPClient: s.HTTPClient()}, "gcp", map[string]any{"email": account().Email, "privateKey": privateKey(t)}),
	} {
		for operation, call := range map[string]func(context.Context) error{
			"wrap":   func(ctx context.Context) error { _, err := p.WrapKey(ctx, specKey(t), dataKey()); return err },
			"unwrap": func(ctx context.Context) error { _, err := p.UnwrapKey(ctx, specKey(t), []byte{1}); return err },
		} {
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-asked; cancel() }()
			if err := call(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %s: in flight: %v", name, operation, err)
			}
			if err := call(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, kms.ErrDenied) {
				t.Errorf("%s: %s: before: %v", name, operation, err)
			}
		}
	}
}

// hung is a network from which nothing comes back.
type hung struct{}

func (hung) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// Those who wait for another caller's token leave by their own deadlines, and the default one is ten seconds.
func TestDeadlines(t *testing.T) {
	der := privateKey(t)
	synctest.Test(t, func(t *testing.T) {
		p := open(t, gcp.Type{HTTPClient: &http.Client{Transport: hung{}}}, "gcp", map[string]any{"email": account().Email, "privateKey": der})
		start := time.Now()
		for _, limit := range []time.Duration{0, time.Second, 2 * time.Second, 30 * time.Second} {
			go func() {
				ctx, want := t.Context(), 10*time.Second
				if limit != 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, limit)
					defer cancel()
					want = limit
				}
				_, err := p.WrapKey(ctx, specKey(t), dataKey())
				var e *kms.Error
				if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &e) || !e.Temporary() || time.Since(start) != want || limit == 0 && !strings.Contains(e.Message, "no answer within 10s") {
					t.Errorf("limit %v: after %v: %v", limit, time.Since(start), err)
				}
			}()
		}
		time.Sleep(time.Minute)
	})
}

func TestRecovers(t *testing.T) {
	failures := 3
	s := run(t, mock.Options{Intercept: func(context.Context, mock.Call) *mock.Answer {
		if failures--; failures >= 0 {
			return &mock.Answer{HTTP: http.StatusServiceUnavailable}
		}
		return nil
	}})
	if _, err := openDefault(t, s).WrapKey(t.Context(), specKey(t), dataKey()); err != nil {
		t.Error(err)
	}
}
