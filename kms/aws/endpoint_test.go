package aws_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/aws"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/aws"
)

// Requests go to AWS's own endpoints for KMS, to this machine and to the Type's Endpoints, whether the master key is given or stored.
func TestAllowedEndpoints(t *testing.T) {
	asked := false
	client := &http.Client{Transport: transportFunc(func(*http.Request) (*http.Response, error) {
		asked = true
		return nil, context.Canceled // not tried again
	})}
	p := open(t, aws.Type{HTTPClient: client, Endpoints: []string{"kms.example.org", "*.inside.example.org:8443"}}, "aws", static(mock.Access()))
	for host, goes := range map[string]bool{
		"kms.us-east-1.amazonaws.com": true, "KMS.us-east-1.amazonaws.com.": true, "kms.us-east-1.amazonaws.com:12345": true,
		"kms-fips.us-gov-west-1.amazonaws.com": true, "kms.eu-west-1.api.aws": true, "kms.cn-north-1.amazonaws.com.cn": true,
		"kms.eusc-de-east-1.amazonaws.eu": true, "kms.us-iso-east-1.c2s.ic.gov": true,
		"vpce-0a-1b.kms.us-east-1.vpce.amazonaws.com": true, "vpce-0a-1b-us-east-1a.kms-fips.us-east-1.vpce.amazonaws.com": true,
		"127.0.0.1:8080": true, "kms.example.org": true, "kms.example.org:1": true, "a.b.inside.example.org:8443": true,

		"evil.example.org": false, "kms.us-east-1.amazonaws.com.example.org": false, "a.kms.example.org": false, "a.inside.example.org": false,
		"inside.example.org:8443": false, "10.0.0.1": false, "127.0.0.1.example.net": false, "amazonaws.com": false,
		"kms.us-east-1.amazonaws.com.cn": false, "kms.cn-north-1.amazonaws.com": false, // of the other partition
		// Hosts in AWS's domains that anybody can have.
		"evil.execute-api.us-east-1.amazonaws.com": false, "ec2-192-0-2-1.compute-1.amazonaws.com": false, "kms.s3.amazonaws.com": false,
		"kms.s3-us-west-2.amazonaws.com": false, "evil.us-east-1.elb.amazonaws.com": false, "evil.kms.us-east-1.amazonaws.com": false,
		"vpce-1.vpce-svc-2.us-east-1.vpce.amazonaws.com": false, "evil.kms.us-east-1.vpce.amazonaws.com": false, "vpce-1.kms.us-east-1.vpce.api.aws": false,
	} {
		masterKey := doc(t, "region", "us-east-1", "key", mock.SpecKeyARN, "endpoint", host)
		asked = false
		_, wrapErr := p.WrapKey(t.Context(), masterKey, dataKey())
		_, unwrapErr := p.UnwrapKey(t.Context(), withProvider(t, "aws", masterKey), []byte{1})
		for _, err := range []error{wrapErr, unwrapErr} {
			if err == nil || errors.Is(err, kms.ErrForeignEndpoint) == goes || errors.Is(err, kms.ErrDenied) || asked != goes {
				t.Errorf("%s: asked %v, error %v", host, asked, err)
			}
		}
	}
}

// Without an endpoint the host is made of the region, which must not make it a bucket's.
func TestRegionIsNoHost(t *testing.T) {
	s := run(t, mock.Options{})
	_, err := openDefault(t, s).UnwrapKey(t.Context(), doc(t, "region", "s3", "key", mock.SpecKeyARN), []byte{1})
	if err == nil || !strings.Contains(err.Error(), `region "s3" is not the name of a region`) || len(s.Calls()) != 0 {
		t.Errorf("got %v", err)
	}
}

func TestBadEndpoints(t *testing.T) {
	for _, endpoint := range []string{"", "*", "*.", "http://kms.example.org", "kms.example.org/a", "kms.example.org:0", "kms.example.org:", "*.127.0.0.1", "a.*.b"} {
		if _, err := (aws.Type{Endpoints: []string{endpoint}}).Open(kms.ID{Type: "aws"}, doc(t)); err == nil || !strings.Contains(err.Error(), "of the Type's Endpoints is not") {
			t.Errorf("%q: got %v", endpoint, err)
		}
	}
}
