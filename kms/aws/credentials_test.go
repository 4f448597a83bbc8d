package aws_test

import (
	"crypto/fips140"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/aws"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/aws"
)

// setEnvironment makes the given variables the only ones in which the SDK finds anything.
func setEnvironment(t *testing.T, variables map[string]string) {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		t.Setenv(name, os.DevNull)
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for name, value := range variables {
		t.Setenv(name, value)
	}
}

func wrapWithDefaults(t *testing.T, s *mock.Server) error {
	t.Helper()
	_, err := open(t, aws.Type{HTTPClient: s.HTTPClient()}, "aws", map[string]any{}).WrapKey(t.Context(), specKey(t), dataKey())
	return err
}

func TestDefaultCredentials(t *testing.T) {
	setEnvironment(t, map[string]string{
		"AWS_ACCESS_KEY_ID":     mock.Access().AccessKeyID,
		"AWS_SECRET_ACCESS_KEY": mock.Access().SecretAccessKey,
		"AWS_ENDPOINT_URL_KMS":  "http://endpoint.of.the.environment.invalid",
	})
	if err := wrapWithDefaults(t, run(t, mock.Options{})); err != nil {
		t.Error(err)
	}
}

func TestNoDefaultCredentials(t *testing.T) {
	setEnvironment(t, nil)
	s := run(t, mock.Options{})
	err := wrapWithDefaults(t, s)
	var e *kms.Error
	if !errors.As(err, &e) || !strings.HasPrefix(e.Message, "getting credentials: ") || errors.Is(err, kms.ErrDenied) || len(s.Calls()) != 0 {
		t.Errorf("got %v", err)
	}
}

// That somebody else refuses the credentials does not say that the KMS denies access to the key.
func TestCredentialsRefusedByAnother(t *testing.T) {
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>`))
	}))
	defer sts.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("CANARY"), 0o600); err != nil {
		t.Fatal(err)
	}
	setEnvironment(t, map[string]string{
		"AWS_ROLE_ARN": "arn:aws:iam::1:role/a", "AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL_STS": sts.URL,
	})
	err := wrapWithDefaults(t, run(t, mock.Options{}))
	var e *kms.Error
	if !errors.As(err, &e) || e.Code != "" || e.Temporary() || errors.Is(err, kms.ErrDenied) || !strings.Contains(e.Message, "sts:AssumeRoleWithWebIdentity") {
		t.Errorf("got %v", err)
	}
}

// In FIPS 140-only mode signing with such a secret panics.
func TestShortSecret(t *testing.T) {
	short := mock.Credentials{AccessKeyID: "AKIA", SecretAccessKey: "123456789"}
	s := run(t, mock.Options{Credentials: []mock.Credentials{short}})
	setEnvironment(t, map[string]string{"AWS_ACCESS_KEY_ID": short.AccessKeyID, "AWS_SECRET_ACCESS_KEY": short.SecretAccessKey})
	_, openErr := kms.Open(map[string]map[string]any{"aws": static(short)}, aws.Type{})
	if fips140.Enabled() {
		if err := wrapWithDefaults(t, s); err == nil || openErr == nil {
			t.Errorf("accepted: %v, %v", err, openErr)
		}
	} else if err := wrapWithDefaults(t, s); err != nil || openErr != nil {
		t.Errorf("refused: %v, %v", err, openErr)
	}
}
