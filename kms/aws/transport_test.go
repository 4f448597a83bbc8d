package aws_test

import (
	"crypto/tls"
	"errors"
	"net/http"
	"strings"
	"testing"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/aws"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/aws"
)

type otherTransport struct{ http.RoundTripper }

func TestTLSOptions(t *testing.T) {
	insecure := &tls.Config{InsecureSkipVerify: true}
	const prohibited = "insecure TLS options prohibited"
	for name, tt := range map[string]struct {
		typ  aws.Type
		want string // empty: opens
	}{
		"none":             {aws.Type{}, ""},
		"another's":        {aws.Type{TLS: map[string]*tls.Config{"aws": insecure}}, ""},
		"insecure":         {aws.Type{TLS: map[string]*tls.Config{"aws:prod": insecure}}, prohibited},
		"TLS 1.1":          {aws.Type{TLS: map[string]*tls.Config{"aws:prod": {MinVersion: tls.VersionTLS11}}}, prohibited},
		"up to TLS 1.1":    {aws.Type{TLS: map[string]*tls.Config{"aws:prod": {MaxVersion: tls.VersionTLS11}}}, prohibited},
		"insecure client":  {aws.Type{HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: insecure}}}, prohibited},
		"replaced":         {aws.Type{HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: insecure}}, TLS: map[string]*tls.Config{"aws:prod": {}}}, ""},
		"other transport":  {aws.Type{HTTPClient: &http.Client{Transport: otherTransport{}}}, ""},
		"cannot take them": {aws.Type{HTTPClient: &http.Client{Transport: otherTransport{}}, TLS: map[string]*tls.Config{"aws:prod": {}}}, "could take them"},
	} {
		_, err := kms.Open(map[string]map[string]any{"aws:prod": static(mock.Access())}, tt.typ)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}

func TestTLSOptionsAreUsed(t *testing.T) {
	s := run(t, mock.Options{})
	ignorant := s.HTTPClient().Transport.(*http.Transport).Clone()
	ignorant.TLSClientConfig = nil
	typ := aws.Type{
		HTTPClient: &http.Client{Transport: ignorant},
		TLS:        map[string]*tls.Config{"aws:prod": {RootCAs: s.RootCAs()}},
	}
	if _, err := open(t, typ, "aws:prod", static(mock.Access())).WrapKey(t.Context(), specKey(t), dataKey()); err != nil {
		t.Error(err)
	}
	_, err := open(t, typ, "aws", static(mock.Access())).WrapKey(t.Context(), specKey(t), dataKey())
	var e *kms.Error
	if !errors.As(err, &e) || e.Temporary() || !strings.Contains(e.Message, "certificate") {
		t.Errorf("an unknown authority: got %v", err)
	}
}
