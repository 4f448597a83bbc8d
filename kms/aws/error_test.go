package aws_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/aws"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/aws"
)

const arn = "arn:aws:kms:us-east-1:579766882180:key/"

// unwrapErrors are what a KMS may answer to Decrypt, and what becomes of it.
var unwrapErrors = map[string]struct {
	credentials mock.Credentials // zero is Access
	key         string           // empty is enabled
	endpoint    string
	answer      *mock.Answer
	code        string
	message     string // a part
	denied      bool
	temporary   bool
}{
	"disabled":            {key: "disabled", code: "DisabledException", message: "is disabled", denied: true},
	"pending deletion":    {key: "deleted", code: "KMSInvalidStateException", message: "pending deletion", denied: true},
	"forbidden":           {key: "forbidden", code: "AccessDeniedException", message: "not authorized to perform: kms:Decrypt", denied: true},
	"not found":           {key: "none", code: "NotFoundException", message: "does not exist", denied: true},
	"another key":         {key: "enabled2", code: "IncorrectKeyException"},
	"unknown access key":  {credentials: mock.Credentials{AccessKeyID: "AKIANOBODY", SecretAccessKey: "secret secret secret"}, code: "UnrecognizedClientException", message: "security token included in the request is invalid", denied: true},
	"wrong secret":        {credentials: mock.Credentials{AccessKeyID: mock.Access().AccessKeyID, SecretAccessKey: "secret secret secret"}, code: "InvalidSignatureException", message: "does not match", denied: true},
	"token not asked for": {credentials: mock.Credentials{AccessKeyID: mock.Access().AccessKeyID, SecretAccessKey: mock.Access().SecretAccessKey, SessionToken: "token"}, code: "UnrecognizedClientException", denied: true},
	"wrong region's host": {endpoint: "kms.us-east-2.amazonaws.com", code: "InvalidSignatureException", message: "scoped to a valid region", denied: true},
	"not that KMS":        {endpoint: "kms.example.net", message: "tls:"},
	"nobody listens":      {endpoint: "kms.us-east-1.amazonaws.com:12345", message: "connection refused", temporary: true},
	"damaged":             {answer: &mock.Answer{Code: "InvalidCiphertextException"}, code: "InvalidCiphertextException"},
	"expired token":       {answer: &mock.Answer{Code: "ExpiredTokenException", Message: "The security token included in the request is expired"}, code: "ExpiredTokenException", denied: true},
	"throttled":           {answer: &mock.Answer{Code: "ThrottlingException", Message: "Rate exceeded"}, code: "ThrottlingException", temporary: true},
	"internal":            {answer: &mock.Answer{Status: 500, Code: "KMSInternalException"}, code: "KMSInternalException", temporary: true},
	"too many requests":   {answer: &mock.Answer{Status: 429, Body: "slow down"}, message: "not the KMS's", temporary: true},
	"a proxy's 503":       {answer: &mock.Answer{Status: 503, Body: "<html>CANARY</html>"}, message: "not the KMS's", temporary: true},
	"a proxy's 403":       {answer: &mock.Answer{Status: 403, Body: "<html>CANARY</html>"}, message: "not the KMS's"},
	"a captive portal":    {answer: &mock.Answer{Status: 200, Body: "<html>CANARY</html>"}, message: "not the KMS's"},
	"nothing":             {answer: &mock.Answer{Status: 200, Body: "{}"}, message: "no Plaintext"},
	"wrong type":          {answer: &mock.Answer{Status: 200, Body: `{"Plaintext": 1}`}, message: "not the KMS's"},
	"endless":             {answer: &mock.Answer{Status: 200, Body: `{"Plaintext":"` + strings.Repeat("A", 2<<20)}, message: "not the KMS's"},
	"redirect":            {answer: &mock.Answer{Status: 307, Location: "https://evil.amazonaws.com/"}, message: "not the KMS's"},
	"dropped":             {answer: &mock.Answer{Drop: true}, message: "EOF", temporary: true},
	"log injection":       {answer: &mock.Answer{Code: "AccessDeniedException", Message: "a\x1b[2Jb\r\nsecond line"}, code: "AccessDeniedException", message: "a?[2Jb", denied: true},
}

func TestUnwrapErrors(t *testing.T) {
	t.Parallel()
	keys := []mock.Key{{ARN: arn + "enabled"}, {ARN: arn + "enabled2"}, {ARN: arn + "disabled", State: mock.Disabled},
		{ARN: arn + "deleted", State: mock.PendingDeletion}, {ARN: arn + "forbidden", State: mock.Forbidden}}
	var all sync.WaitGroup // of cases, at once whatever -parallel is: the SDK waits between its attempts
	defer all.Wait()
	for name, tt := range unwrapErrors {
		all.Go(func() {
			t.Run(name, func(t *testing.T) {
				s := run(t, mock.Options{Keys: keys, Intercept: func(_ context.Context, c mock.Call) *mock.Answer {
					if c.Operation == "Decrypt" {
						return tt.answer
					}
					return nil
				}})
				w, err := openDefault(t, s).WrapKey(t.Context(), doc(t, "region", "us-east-1", "key", arn+"enabled"), dataKey())
				if err != nil {
					t.Fatal(err)
				}
				credentials, key := tt.credentials, arn+tt.key
				if credentials.AccessKeyID == "" {
					credentials = mock.Access()
				}
				if tt.key == "" {
					key = arn + "enabled"
				}
				fields := []any{"region", "us-east-1", "key", key}
				if tt.endpoint != "" {
					fields = append(fields, "endpoint", tt.endpoint)
				}
				p := open(t, aws.Type{HTTPClient: s.HTTPClient(), Endpoints: []string{"kms.example.net"}}, "aws:prod", static(credentials))
				got, err := p.UnwrapKey(t.Context(), doc(t, fields...), w.KeyMaterial)
				var e *kms.Error
				if got != nil || !errors.As(err, &e) {
					t.Fatalf("got %v", err)
				}
				if e.Code != tt.code || !strings.Contains(e.Message, tt.message) || e.Temporary() != tt.temporary || errors.Is(err, kms.ErrDenied) != tt.denied {
					t.Errorf("got code %q, message %q, temporary %v, denied %v", e.Code, e.Message, e.Temporary(), errors.Is(err, kms.ErrDenied))
				}
				for _, part := range []string{"KMS provider `aws:prod`: Decrypt with key ", key, "us-east-1", tt.endpoint, tt.code} {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("the error does not say %q: %v", part, err)
					}
				}
				if text := err.Error(); strings.Contains(text, "CANARY") || strings.Contains(text, credentials.SecretAccessKey) || len(text) > 700 || strings.ContainsAny(text, "\r\n\x1b") {
					t.Errorf("not fit for a log: %q", text)
				}
			})
		})
	}
}

// An answer that repeats what it was sent, as AWS itself does with the session token, must not reach a log.
func TestSecretsAreWithheld(t *testing.T) {
	c := mock.Credentials{AccessKeyID: "ASIATEMPORARY", SecretAccessKey: "CANARY/secret/access/key/of/forty/bytes+", SessionToken: "CANARY/token"}
	var message string
	s := run(t, mock.Options{Credentials: []mock.Credentials{c}, Intercept: func(context.Context, mock.Call) *mock.Answer {
		return &mock.Answer{Code: "ValidationException", Message: message}
	}})
	p := open(t, aws.Type{HTTPClient: s.HTTPClient()}, "aws", static(c))
	var all []error
	for _, secret := range []string{c.SecretAccessKey, c.SessionToken, string(dataKey()), base64.StdEncoding.EncodeToString(dataKey())} {
		message = "you sent " + secret
		_, err := p.WrapKey(t.Context(), specKey(t), dataKey())
		if err == nil || !strings.Contains(err.Error(), "withheld") {
			t.Errorf("got %v", err)
		}
		all = append(all, err)
	}
	wrong := c
	wrong.SecretAccessKey = "CANARY another secret"
	_, err := open(t, aws.Type{HTTPClient: s.HTTPClient()}, "aws", static(wrong)).WrapKey(t.Context(), specKey(t), dataKey())
	if err == nil || !strings.Contains(err.Error(), "does not match the signature") {
		t.Errorf("got %v", err)
	}
	for _, v := range append(all, err) {
		checkHidden(t, fmt.Sprintf("%v %+v %#v", v, v, v))
	}
	held := struct{ p any }{p}
	checkHidden(t, fmt.Sprintf("%v %+v %#v %s %v %+v %#v %s", p, p, p, p, held, held, held, held))
}

func checkHidden(t *testing.T, text string) {
	t.Helper()
	if strings.Contains(text, "CANARY") || strings.Contains(text, base64.StdEncoding.EncodeToString(dataKey())) {
		t.Errorf("a secret in %q", text)
	}
}

func TestCancelled(t *testing.T) {
	asked := make(chan struct{}, 1)
	s := run(t, mock.Options{Intercept: func(ctx context.Context, _ mock.Call) *mock.Answer {
		asked <- struct{}{}
		<-ctx.Done()
		return &mock.Answer{Drop: true}
	}})
	p := openDefault(t, s)
	calls := map[string]func(context.Context) error{
		"wrap":   func(ctx context.Context) error { _, err := p.WrapKey(ctx, specKey(t), dataKey()); return err },
		"unwrap": func(ctx context.Context) error { _, err := p.UnwrapKey(ctx, specKey(t), []byte{1}); return err },
	}
	for name, call := range calls {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-asked; cancel() }()
		if err := call(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: in flight: %v", name, err)
		}
		if err := call(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, kms.ErrDenied) {
			t.Errorf("%s: before: %v", name, err)
		}
	}
}

func TestRecovers(t *testing.T) {
	t.Parallel()
	failures := 2
	s := run(t, mock.Options{Intercept: func(context.Context, mock.Call) *mock.Answer {
		if failures--; failures >= 0 {
			return &mock.Answer{Status: http.StatusServiceUnavailable}
		}
		return nil
	}})
	if _, err := openDefault(t, s).WrapKey(t.Context(), specKey(t), dataKey()); err != nil {
		t.Error(err)
	}
}
