package kmsconfig_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type otherTransport struct{ http.RoundTripper }

func TestHTTPClient(t *testing.T) {
	base := &http.Client{Transport: &http.Transport{}, Timeout: time.Minute}
	client, err := kmsconfig.HTTPClient(base, nil, nil)
	if err != nil || client.Timeout != time.Minute {
		t.Errorf("got %+v, %v", client, err)
	}
	insecure := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	for name, tt := range map[string]struct {
		base     *http.Client
		fallback http.RoundTripper
		options  *tls.Config
		want     string // empty: no error
	}{
		"default":           {},
		"options":           {options: &tls.Config{}},
		"insecure":          {options: &tls.Config{InsecureSkipVerify: true}, want: "insecure TLS options prohibited: InsecureSkipVerify"},
		"insecure base":     {base: &http.Client{Transport: insecure}, want: "insecure TLS options prohibited"},
		"insecure fallback": {base: &http.Client{}, fallback: insecure, want: "insecure TLS options prohibited"},
		"replaced":          {base: &http.Client{Transport: insecure}, options: &tls.Config{}},
		"other":             {base: &http.Client{Transport: otherTransport{}}},
		"own TLS":           {base: &http.Client{Transport: &http.Transport{DialTLSContext: new(tls.Dialer).DialContext}}},
		"own TLS, options":  {base: &http.Client{Transport: &http.Transport{DialTLSContext: new(tls.Dialer).DialContext}}, options: &tls.Config{}, want: "give it DialContext"},
		"other and options": {base: &http.Client{Transport: otherTransport{}}, options: &tls.Config{}, want: "not an *http.Transport"},
	} {
		if _, err := kmsconfig.HTTPClient(tt.base, tt.fallback, tt.options); tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}

func TestHTTPClientReplies(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/endless", http.StatusTemporaryRedirect)
		case "/endless":
			for _, err := w.Write(make([]byte, 1<<16)); err == nil; {
				_, err = w.Write(make([]byte, 1<<16))
			}
		}
	}))
	defer s.Close()
	roots := s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	client, err := kmsconfig.HTTPClient(&http.Client{Transport: &http.Transport{}}, nil, &tls.Config{RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	for path, want := range map[string]int{"/redirect": http.StatusTemporaryRedirect, "/endless": http.StatusOK} {
		reply, err := client.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(reply.Body)
		_ = reply.Body.Close()
		var cut *http.MaxBytesError
		if reply.StatusCode != want || len(body) > 1<<20 || errors.As(err, &cut) != (path == "/endless") {
			t.Errorf("%s: got %d bytes, status %d, %v", path, len(body), reply.StatusCode, err)
		}
	}
}

func TestCheckTLS(t *testing.T) {
	for name, tt := range map[string]struct {
		options *tls.Config
		ok      bool
	}{
		"none":          {nil, true},
		"zero":          {&tls.Config{}, true},
		"TLS 1.2":       {&tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12}, true},
		"insecure":      {&tls.Config{InsecureSkipVerify: true}, false},
		"TLS 1.1":       {&tls.Config{MinVersion: tls.VersionTLS11}, false},
		"up to TLS 1.1": {&tls.Config{MaxVersion: tls.VersionTLS11}, false},
	} {
		if err := kmsconfig.CheckTLS(tt.options); (err == nil) != tt.ok || err != nil && !strings.HasPrefix(err.Error(), "insecure TLS options prohibited: ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
