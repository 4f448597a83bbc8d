package aws_test

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/aws"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/aws"
)

func TestOpenErrors(t *testing.T) {
	const canary = "CANARY-SECRET"
	for name, tt := range map[string]struct {
		config bson.Raw
		want   string
	}{
		"unknown":        {doc(t, "accessKeyId", canary, "secretAccessKey", canary, "region", canary), "unexpected field: 'region' in the aws kmsProviders entry, expected accessKeyId"},
		"case matters":   {doc(t, "AccessKeyId", canary), "unexpected field: 'AccessKeyId'"},
		"control bytes":  {doc(t, "a\nb"+strings.Repeat("x", 1000), canary), `unexpected field: 'a\nbx`},
		"no id":          {doc(t, "secretAccessKey", canary), `field "accessKeyId" is required`},
		"no secret":      {doc(t, "accessKeyId", canary), `field "secretAccessKey" is required`},
		"empty id":       {doc(t, "accessKeyId", "", "secretAccessKey", canary), `field "accessKeyId" is empty`},
		"empty secret":   {doc(t, "accessKeyId", canary, "secretAccessKey", ""), `field "secretAccessKey" is empty`},
		"empty token":    {doc(t, "accessKeyId", canary, "secretAccessKey", canary, "sessionToken", ""), `field "sessionToken" is empty`},
		"binary secret":  {doc(t, "accessKeyId", canary, "secretAccessKey", []byte(canary)), `field "secretAccessKey" must be text, got binary`},
		"null token":     {doc(t, "accessKeyId", canary, "secretAccessKey", canary, "sessionToken", nil), `field "sessionToken" must be text, got null`},
		"twice":          {doc(t, "accessKeyId", canary, "accessKeyId", canary), `field "accessKeyId" is given twice`},
		"nothing":        {nil, `field "accessKeyId" is required`},
		"cut":            {doc(t, "accessKeyId", canary)[:20], "malformed BSON"},
		"only the token": {doc(t, "sessionToken", canary), `field "accessKeyId" is required`},
	} {
		p, err := aws.Type{}.Open(kms.ID{Type: "aws"}, tt.config)
		if err == nil || p != nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), canary) || len(err.Error()) > 250 {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
	if _, err := (aws.Type{}).Open(kms.ID{Type: "aws", Name: "a"}, doc(t)); err == nil {
		t.Error("a named provider takes its credentials from the environment")
	}
}

func TestMasterKeyErrors(t *testing.T) {
	s := run(t, mock.Options{})
	p := openDefault(t, s)
	with := func(name string, value any) bson.Raw {
		fields := []any{"region", "us-east-1", "key", mock.SpecKeyARN}
		for i := 0; i < len(fields); i += 2 {
			if fields[i] == name {
				fields[i+1] = value
				return doc(t, fields...)
			}
		}
		return doc(t, append(fields, name, value)...)
	}
	for name, tt := range map[string]struct {
		masterKey bson.Raw
		want      string
	}{
		"none":               {nil, `field "region" is required`},
		"empty":              {doc(t), `field "region" is required`},
		"no key":             {doc(t, "region", "us-east-1"), `field "key" is required`},
		"unknown":            {with("invalid", 1), "unexpected field: 'invalid' in the aws masterKey, expected region, key, endpoint"},
		"empty region":       {with("region", ""), `field "region" is empty`},
		"region is a number": {with("region", 1), `field "region" must be text`},
		"region is a host":   {with("region", "evil.example.org/"), "is not a region's name"},
		"region is long":     {with("region", strings.Repeat("a", 64)), "is not a region's name"},
		"empty key":          {with("key", ""), `field "key" is empty`},
		"empty endpoint":     {with("endpoint", ""), `field "endpoint" is empty`},
		"no dot":             {with("endpoint", "localhost:443"), "no dot"},
		"plain HTTP":         {with("endpoint", "http://kms.example.org"), "is not host[:port]"},
		"path":               {with("endpoint", "kms.example.org/a"), "is not host[:port]"},
		"query":              {with("endpoint", "kms.example.org?a"), "is not host[:port]"},
		"user":               {with("endpoint", "u:p@kms.example.org"), "is not host[:port]"},
		"port 0":             {with("endpoint", "kms.example.org:0"), "the port is not"},
		"port 65536":         {with("endpoint", "kms.example.org:65536"), "the port is not"},
		"no port":            {with("endpoint", "kms.example.org:"), "the port is not"},
		"port is text":       {with("endpoint", "kms.example.org:https"), "is not host[:port]"},
		"IPv6":               {with("endpoint", "[::1]:443"), "no dot"},
		"malformed":          {bson.Raw{1, 2}, "malformed BSON"},
	} {
		_, wrapErr := p.WrapKey(t.Context(), tt.masterKey, dataKey())
		_, unwrapErr := p.UnwrapKey(t.Context(), tt.masterKey, []byte{1})
		for _, err := range []error{wrapErr, unwrapErr} {
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: got %v, want %q", name, err, tt.want)
			}
		}
	}
	if _, err := p.WrapKey(t.Context(), with("provider", "aws"), dataKey()); err == nil || !strings.Contains(err.Error(), "unexpected field: 'provider'") {
		t.Errorf("provider in the user's masterKey: %v", err)
	}
	if _, err := p.WrapKey(t.Context(), specKey(t), dataKey()[1:]); err == nil {
		t.Error("wrapped 95 bytes")
	}
	if _, err := p.UnwrapKey(t.Context(), specKey(t), nil); err == nil {
		t.Error("unwrapped nothing")
	}
	if n := len(s.Calls()); n != 0 {
		t.Errorf("the KMS was asked %d times", n)
	}
}
