package gcp_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/gcp"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/gcp"
)

func TestTLSOptions(t *testing.T) {
	insecure := &tls.Config{InsecureSkipVerify: true}
	const prohibited = "insecure TLS options prohibited"
	for name, tt := range map[string]struct {
		typ  gcp.Type
		want string // empty: opens
	}{
		"none":             {gcp.Type{}, ""},
		"another's":        {gcp.Type{TLS: map[string]*tls.Config{"gcp": insecure}}, ""},
		"insecure":         {gcp.Type{TLS: map[string]*tls.Config{"gcp:prod": insecure}}, prohibited},
		"TLS 1.1":          {gcp.Type{TLS: map[string]*tls.Config{"gcp:prod": {MinVersion: tls.VersionTLS11}}}, prohibited},
		"insecure client":  {gcp.Type{HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: insecure}}}, prohibited},
		"other transport":  {gcp.Type{HTTPClient: &http.Client{Transport: hung{}}}, ""},
		"cannot take them": {gcp.Type{HTTPClient: &http.Client{Transport: hung{}}, TLS: map[string]*tls.Config{"gcp:prod": {}}}, "could take them"},
	} {
		_, err := kms.Open(map[string]map[string]any{"gcp:prod": {"accessToken": accessToken}}, tt.typ)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}

// The options hold for Cloud KMS and for the token endpoint.
func TestTLSOptionsAreUsed(t *testing.T) {
	s := run(t, mock.Options{Account: account()})
	ignorant := s.HTTPClient().Transport.(*http.Transport).Clone()
	ignorant.TLSClientConfig = nil
	typ := gcp.Type{
		HTTPClient: &http.Client{Transport: ignorant},
		TLS:        map[string]*tls.Config{"gcp:prod": {RootCAs: s.RootCAs()}},
	}
	for name, fields := range map[string]map[string]any{
		"Cloud KMS":      {"accessToken": accessToken},
		"token endpoint": {"email": account().Email, "privateKey": privateKey(t)},
	} {
		if _, err := open(t, typ, "gcp:prod", fields).WrapKey(t.Context(), specKey(t), dataKey()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_, err := open(t, typ, "gcp", fields).WrapKey(t.Context(), specKey(t), dataKey())
		var e *kms.Error
		if !errors.As(err, &e) || e.Temporary() || !strings.Contains(e.Message, "certificate") {
			t.Errorf("%s: an unknown authority: got %v", name, err)
		}
	}
}

func TestConnectionsAreKept(t *testing.T) {
	s := run(t, mock.Options{})
	transport := s.HTTPClient().Transport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	dials, dial := 0, transport.DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		dials++
		return dial(ctx, network, address)
	}
	p := open(t, gcp.Type{HTTPClient: &http.Client{Transport: transport}}, "gcp", map[string]any{"accessToken": accessToken})
	for range 5 {
		if _, err := p.WrapKey(t.Context(), specKey(t), dataKey()); err != nil {
			t.Fatal(err)
		}
	}
	if dials != 1 {
		t.Errorf("connected %d times", dials)
	}
}

// The debug log of Google's library prints requests, with data key and token.
func TestDebugLogStaysOff(t *testing.T) {
	setEnvironment(t, map[string]string{"GOOGLE_SDK_GO_LOGGING_LEVEL": "debug", "GOOGLE_APPLICATION_CREDENTIALS": keyFile(t, nil)})
	s := run(t, mock.Options{Account: account()})
	real := os.Stderr
	defer func() { os.Stderr = real }()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	printed := make(chan []byte)
	go func() { b, _ := io.ReadAll(r); printed <- b }()
	os.Stderr = w
	var failed error
	for _, fields := range []map[string]any{{"email": account().Email, "privateKey": privateKey(t)}, {}} {
		p := open(t, gcp.Type{HTTPClient: s.HTTPClient()}, "gcp", fields)
		wrapped, err := p.WrapKey(t.Context(), specKey(t), dataKey())
		if err == nil {
			_, err = p.UnwrapKey(t.Context(), specKey(t), wrapped.KeyMaterial)
		}
		failed = errors.Join(failed, err)
	}
	os.Stderr = real
	_ = w.Close()
	if b := <-printed; len(b) > 0 || failed != nil {
		t.Errorf("printed %d bytes, error %v", len(b), failed)
	}
}

// anything answers every request with the same.
type anything struct {
	status int
	body   []byte
}

func (a anything) RoundTrip(*http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
	return w.Result(), nil
}

func FuzzReplies(f *testing.F) {
	f.Add(uint16(200), []byte(`{"plaintext":"AQ==","plaintextCrc32c":"2685849682"}`))
	f.Add(uint16(200), []byte(`{"access_token":"a","expires_in":9223372036854775807}`))
	f.Add(uint16(400), []byte(`{"error":{"code":400,"message":"m","status":"FAILED_PRECONDITION","details":[{"@type":"type.googleapis.com/google.rpc.PreconditionFailure","violations":[{"type":"KEY_DISABLED"}]}]}}`))
	f.Add(uint16(400), []byte(`[{"error":{"code":-1,"details":[null,{"@type":"type.googleapis.com/google.rpc.ErrorInfo"}]}}]`))
	f.Add(uint16(400), []byte(`{"error":"invalid_grant","error_description":"d"}`))
	f.Fuzz(func(t *testing.T, status uint16, body []byte) {
		if status < 200 || status > 499 || status == 408 || status == 429 { // these are asked again after a wait
			return
		}
		for _, fields := range []map[string]any{{"accessToken": accessToken}, {"email": account().Email, "privateKey": privateKey(t)}} {
			p := open(t, gcp.Type{HTTPClient: &http.Client{Transport: anything{int(status), body}}}, "gcp", fields)
			got, err := p.UnwrapKey(t.Context(), specKey(t), []byte{1})
			if err == nil && len(got) == 0 {
				t.Error("an empty data key")
			}
			if err != nil && (len(err.Error()) > 2000 || strings.ContainsAny(err.Error(), "\r\n")) {
				t.Errorf("not fit for a log: %q", err)
			}
		}
	})
}
