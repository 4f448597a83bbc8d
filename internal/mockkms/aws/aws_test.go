package aws_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"go.uber.org/goleak"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/aws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The server must notice every change of a signed request, or the tests of the provider prove nothing about its signatures.
func TestSignatures(t *testing.T) {
	const body = `{"KeyId":"` + mock.SpecKeyARN + `","Plaintext":"AAAA"}`
	temporary := mock.Credentials{AccessKeyID: "ASIATEMPORARY", SecretAccessKey: "another secret of a good length", SessionToken: "token"}
	s, err := mock.Run(context.Background(), mock.Options{Credentials: []mock.Credentials{mock.Access(), temporary}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, tt := range map[string]struct {
		credentials mock.Credentials
		age         time.Duration
		region      string
		change      func(*http.Request)
		want        string // __type; empty is success
	}{
		"good":            {credentials: mock.Access()},
		"temporary":       {credentials: temporary},
		"body":            {credentials: mock.Access(), change: func(r *http.Request) { setBody(r, body+" ") }, want: "InvalidSignatureException"},
		"operation":       {credentials: mock.Access(), change: func(r *http.Request) { r.Header.Set("X-Amz-Target", "TrentService.Decrypt") }, want: "InvalidSignatureException"},
		"date":            {credentials: mock.Access(), change: func(r *http.Request) { r.Header.Set("X-Amz-Date", "20200101T000000Z") }, want: "InvalidSignatureException"},
		"old":             {credentials: mock.Access(), age: time.Hour, want: "InvalidSignatureException"},
		"region":          {credentials: mock.Access(), region: "eu-west-1", want: "InvalidSignatureException"},
		"unsigned":        {credentials: mock.Access(), change: func(r *http.Request) { r.Header.Del("Authorization") }, want: "MissingAuthenticationTokenException"},
		"token removed":   {credentials: temporary, change: func(r *http.Request) { r.Header.Del("X-Amz-Security-Token") }, want: "UnrecognizedClientException"},
		"token changed":   {credentials: temporary, change: func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "other") }, want: "UnrecognizedClientException"},
		"token too many":  {credentials: mock.Access(), change: func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "token") }, want: "UnrecognizedClientException"},
		"other operation": {credentials: mock.Access(), change: func(r *http.Request) { r.Header.Set("X-Amz-Target", "Other.Encrypt") }, want: "UnknownOperationException"},
	} {
		r, err := http.NewRequest(http.MethodPost, "https://kms.us-east-1.amazonaws.com/", nil)
		if err != nil {
			t.Fatal(err)
		}
		setBody(r, body)
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		r.Header.Set("X-Amz-Target", "TrentService.Encrypt")
		region := tt.region
		if region == "" {
			region = "us-east-1"
		}
		hash := sha256.Sum256([]byte(body))
		c := sdk.Credentials{AccessKeyID: tt.credentials.AccessKeyID, SecretAccessKey: tt.credentials.SecretAccessKey, SessionToken: tt.credentials.SessionToken}
		if err := v4.NewSigner().SignHTTP(t.Context(), c, r, hex.EncodeToString(hash[:]), "kms", region, time.Now().Add(-tt.age)); err != nil {
			t.Fatal(err)
		}
		if tt.change != nil {
			tt.change(r)
		}
		reply, err := s.HTTPClient().Do(r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got struct {
			Type string `json:"__type"`
		}
		if err := json.NewDecoder(reply.Body).Decode(&got); err != nil || got.Type != tt.want {
			t.Errorf("%s: got %q, %v; want %q", name, got.Type, err, tt.want)
		}
		_ = reply.Body.Close()
	}
	if n := len(s.Calls()); n != 2 {
		t.Errorf("%d requests passed", n)
	}
}

func setBody(r *http.Request, body string) {
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader([]byte(body))), int64(len(body))
}
