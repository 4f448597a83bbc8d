package gcp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/gcp"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/gcp"
)

func TestOpenErrors(t *testing.T) {
	const canary = "CANARY-SECRET"
	der := privateKey(t)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecDER, err := x509.MarshalPKCS8PrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		config bson.Raw
		want   string
	}{
		"unknown":              {doc(t, "email", canary, "privateKey", der, "projectId", canary), "unexpected field: 'projectId' in the gcp kmsProviders entry, expected email, privateKey, endpoint"},
		"both forms":           {doc(t, "accessToken", canary, "email", canary), "unexpected field: 'email' in the gcp kmsProviders entry, expected accessToken"},
		"case matters":         {doc(t, "AccessToken", canary), "unexpected field: 'AccessToken'"},
		"empty token":          {doc(t, "accessToken", ""), `field "accessToken" is empty`},
		"token is binary":      {doc(t, "accessToken", []byte(canary)), `field "accessToken" must be text, got binary`},
		"token has a line end": {doc(t, "accessToken", canary+"\n"), `field "accessToken" holds characters`},
		"token twice":          {doc(t, "accessToken", canary, "accessToken", canary), `field "accessToken" is given twice`},
		"no email":             {doc(t, "privateKey", der), `field "email" is required`},
		"no key":               {doc(t, "email", canary), `field "privateKey" is required`},
		"empty email":          {doc(t, "email", "", "privateKey", der), `field "email" is empty`},
		"key is a number":      {doc(t, "email", canary, "privateKey", 1), `field "privateKey" must be binary or base64 text, got 32-bit integer`},
		"key is a UUID":        {doc(t, "email", canary, "privateKey", bson.Binary{Subtype: 4, Data: der}), `field "privateKey" must be binary of subtype 0, got subtype 4`},
		"key is PEM":           {doc(t, "email", canary, "privateKey", "-----BEGIN PRIVATE KEY-----\nCANARY"), `field "privateKey" is not base64; of a PEM file give`},
		"key is empty":         {doc(t, "email", canary, "privateKey", ""), `field "privateKey" is not a private key in PKCS#8 form`},
		"key is not DER":       {doc(t, "email", canary, "privateKey", "CANARY=="), `field "privateKey" is not a private key in PKCS#8 form`},
		"key is PKCS#1":        {doc(t, "email", canary, "privateKey", x509.MarshalPKCS1PrivateKey(rsaKey.(*rsa.PrivateKey))), `field "privateKey" is not a private key in PKCS#8 form`},
		"key is ECDSA":         {doc(t, "email", canary, "privateKey", ecDER), `field "privateKey" is not an RSA key`},
		"no dot":               {doc(t, "email", canary, "privateKey", der, "endpoint", "localhost"), "no dot"},
		"plain HTTP":           {doc(t, "email", canary, "privateKey", der, "endpoint", "http://oauth2.example.org"), "is not host[:port]"},
		"path":                 {doc(t, "email", canary, "privateKey", der, "endpoint", "oauth2.example.org/token"), "is not host[:port]"},
		"nothing":              {nil, `field "email" is required`},
		"cut":                  {doc(t, "accessToken", canary)[:20], "malformed BSON"},
	} {
		p, err := gcp.Type{}.Open(kms.ID{Type: "gcp"}, tt.config)
		if err == nil || p != nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "CANARY") || len(err.Error()) > 250 {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
	if _, err := (gcp.Type{}).Open(kms.ID{Type: "gcp", Name: "a"}, doc(t)); err == nil {
		t.Error("a named provider takes its credentials from the environment")
	}
	if _, err := (gcp.Type{Endpoints: []string{"http://kms.example.org"}}).Open(kms.ID{Type: "gcp"}, doc(t)); err == nil || !strings.Contains(err.Error(), "of the Type's Endpoints is not") {
		t.Errorf("a bad endpoint is allowed: %v", err)
	}
}

func TestMasterKeyErrors(t *testing.T) {
	s := run(t, mock.Options{})
	p := openDefault(t, s)
	with := func(name string, value any) bson.Raw {
		fields := []any{"projectId", "p", "location", "l", "keyRing", "r", "keyName", "k"}
		for i := 0; i < len(fields); i += 2 {
			if fields[i] == name {
				fields[i+1] = value
				return doc(t, fields...)
			}
		}
		return doc(t, append(fields, name, value)...)
	}
	const invalid = "invalid character in GCP KMS key identifier: "
	for name, tt := range map[string]struct {
		masterKey bson.Raw
		want      string
	}{
		"none":                   {nil, `field "projectId" is required`},
		"empty":                  {doc(t), `field "projectId" is required`},
		"no location":            {doc(t, "projectId", "p"), `field "location" is required`},
		"no ring":                {doc(t, "projectId", "p", "location", "l"), `field "keyRing" is required`},
		"no key":                 {doc(t, "projectId", "p", "location", "l", "keyRing", "r"), `field "keyName" is required`},
		"unknown":                {with("invalid", 1), "unexpected field: 'invalid' in the gcp masterKey, expected projectId, location, keyRing, keyName, keyVersion, endpoint"},
		"empty project":          {with("projectId", ""), `field "projectId" is empty`},
		"project is a number":    {with("projectId", 1), `field "projectId" must be text`},
		"slash":                  {with("projectId", "p/../q"), invalid + "projectId"},
		"colon":                  {with("location", "l:decrypt"), invalid + "location"},
		"percent":                {with("keyRing", "%2e%2e"), invalid + "keyRing"},
		"question mark":          {with("keyName", "k?a"), invalid + "keyName"},
		"space":                  {with("keyVersion", "1 "), invalid + "keyVersion"},
		"not ASCII":              {with("keyName", "é"), invalid + "keyName"},
		"not UTF-8":              {with("keyName", "\xff"), invalid + "keyName"},
		"up":                     {with("keyRing", ".."), invalid + "keyRing"},
		"here":                   {with("keyRing", "."), invalid + "keyRing"},
		"empty version":          {with("keyVersion", ""), `field "keyVersion" is empty`},
		"empty endpoint":         {with("endpoint", ""), `field "endpoint" is empty`},
		"no dot":                 {with("endpoint", "localhost:443"), "no dot"},
		"plain HTTP":             {with("endpoint", "http://cloudkms.googleapis.com"), "is not host[:port]"},
		"path":                   {with("endpoint", "cloudkms.googleapis.com/keys"), "is not host[:port]"},
		"user":                   {with("endpoint", "u:p@cloudkms.googleapis.com"), "is not host[:port]"},
		"port 65536":             {with("endpoint", "cloudkms.googleapis.com:65536"), "the port is not"},
		"malformed":              {bson.Raw{1, 2}, "malformed BSON"},
		"endpoint is not a host": {with("endpoint", "a b.c"), "is not host[:port]"},
	} {
		_, wrapErr := p.WrapKey(t.Context(), tt.masterKey, dataKey())
		_, unwrapErr := p.UnwrapKey(t.Context(), tt.masterKey, []byte{1})
		for _, err := range []error{wrapErr, unwrapErr} {
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: got %v, want %q", name, err, tt.want)
			}
		}
	}
	if _, err := p.WrapKey(t.Context(), with("provider", "gcp"), dataKey()); err == nil || !strings.Contains(err.Error(), "unexpected field: 'provider'") {
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
