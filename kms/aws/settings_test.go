package aws_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/aws"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/aws"
)

func TestEndpoints(t *testing.T) {
	const public, fips, dual, both = "kms.us-east-1.amazonaws.com", "kms-fips.us-east-1.amazonaws.com", "kms.us-east-1.api.aws", "kms-fips.us-east-1.api.aws"
	s := run(t, mock.Options{})
	shared := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(shared, []byte("[default]\nuse_fips_endpoint = true\nuse_dualstack_endpoint = true\nendpoint_url = http://evil.invalid\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		typ         aws.Type
		environment map[string]string
		endpoint    string
		want        string // host
	}{
		"none":                 {want: public},
		"FIPS":                 {typ: aws.Type{FIPS: sdk.FIPSEndpointStateEnabled}, want: fips},
		"dual stack":           {typ: aws.Type{DualStack: sdk.DualStackEndpointStateEnabled}, want: dual},
		"both":                 {typ: aws.Type{FIPS: sdk.FIPSEndpointStateEnabled, DualStack: sdk.DualStackEndpointStateEnabled}, want: both},
		"environment, FIPS":    {environment: map[string]string{"AWS_USE_FIPS_ENDPOINT": "true"}, want: fips},
		"environment, dual":    {environment: map[string]string{"AWS_USE_DUALSTACK_ENDPOINT": "true"}, want: dual},
		"shared configuration": {environment: map[string]string{"AWS_CONFIG_FILE": shared}, want: both},
		"environment first":    {environment: map[string]string{"AWS_CONFIG_FILE": shared, "AWS_USE_FIPS_ENDPOINT": "false"}, want: dual},
		"program first": {typ: aws.Type{FIPS: sdk.FIPSEndpointStateDisabled, DualStack: sdk.DualStackEndpointStateDisabled},
			environment: map[string]string{"AWS_CONFIG_FILE": shared, "AWS_USE_FIPS_ENDPOINT": "nonsense"}, want: public},
		"endpoint": {typ: aws.Type{FIPS: sdk.FIPSEndpointStateEnabled, DualStack: sdk.DualStackEndpointStateEnabled},
			endpoint: "vpce-1.kms.us-east-1.vpce.amazonaws.com", want: "vpce-1.kms.us-east-1.vpce.amazonaws.com"},
	} {
		t.Run(name, func(t *testing.T) {
			setEnvironment(t, tt.environment)
			tt.typ.HTTPClient = s.HTTPClient()
			fields := []any{"region", "us-east-1", "key", mock.SpecKeyARN}
			if tt.endpoint != "" {
				fields = append(fields, "endpoint", tt.endpoint)
			}
			if _, err := open(t, tt.typ, "aws:prod", static(mock.Access())).WrapKey(t.Context(), doc(t, fields...), dataKey()); err != nil {
				t.Fatal(err)
			}
			if calls := s.Calls(); calls[len(calls)-1].Host != tt.want {
				t.Errorf("asked %s, want %s", calls[len(calls)-1].Host, tt.want)
			}
		})
	}
}

// Where it cannot be known whether FIPS 140 is asked for, nothing is sent.
func TestUnknownEndpoint(t *testing.T) {
	setEnvironment(t, map[string]string{"AWS_USE_FIPS_ENDPOINT": "nonsense"})
	s := run(t, mock.Options{})
	_, err := openDefault(t, s).WrapKey(t.Context(), specKey(t), dataKey())
	var e *kms.Error
	if !errors.As(err, &e) || !strings.HasPrefix(e.Message, "reading the AWS configuration: ") || e.Temporary() || len(s.Calls()) != 0 {
		t.Errorf("got %v", err)
	}
}
