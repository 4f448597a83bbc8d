package gcp_test

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/gcp"
	"github.com/fieldcrypt/fieldcrypt/kms/gcp"
)

// damaging changes what it carries behind the first of the matches of a pattern.
type damaging struct {
	http.RoundTripper
	request, reply *regexp.Regexp // nil is nothing
}

func (d damaging) RoundTrip(r *http.Request) (*http.Response, error) {
	if d.request != nil {
		r = r.Clone(r.Context())
		r.Body = damage(r.Body, d.request)
	}
	reply, err := d.RoundTripper.RoundTrip(r)
	if err == nil && d.reply != nil {
		reply.Body = damage(reply.Body, d.reply)
	}
	return reply, err
}

func damage(body io.ReadCloser, at *regexp.Regexp) io.ReadCloser {
	b, err := io.ReadAll(body)
	if err == nil {
		err = body.Close()
	}
	if found := at.FindIndex(b); err == nil && found != nil {
		if i := found[1]; b[i] == 'A' {
			b[i] = 'B'
		} else {
			b[i] = 'A'
		}
	}
	return io.NopCloser(bytes.NewReader(b))
}

func TestDamageIsNoticed(t *testing.T) {
	plaintext, ciphertext := regexp.MustCompile(`"plaintext": ?"`), regexp.MustCompile(`"ciphertext": ?"`)
	const damaged = "the checksums do not match"
	s := run(t, mock.Options{})
	w, err := openDefault(t, s).WrapKey(t.Context(), specKey(t), dataKey())
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		way          damaging
		wrap, unwrap string // parts of the errors; empty is none
	}{
		"nothing":              {damaging{}, "", ""},
		"plaintext on its way": {damaging{request: plaintext}, "field plaintext_crc32c did not match", ""},
		"wrapped key there":    {damaging{request: ciphertext}, "", "field ciphertext_crc32c did not match"},
		"wrapped key back":     {damaging{reply: ciphertext}, damaged, ""},
		"plaintext back":       {damaging{reply: plaintext}, "", damaged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // there are waits between the attempts
			tt.way.RoundTripper = inProcess{s}
			p := open(t, gcp.Type{HTTPClient: &http.Client{Transport: tt.way}}, "gcp", map[string]any{"accessToken": accessToken})
			_, wrapErr := p.WrapKey(t.Context(), specKey(t), dataKey())
			got, unwrapErr := p.UnwrapKey(t.Context(), specKey(t), w.KeyMaterial)
			for _, c := range []struct {
				err  error
				want string
			}{{wrapErr, tt.wrap}, {unwrapErr, tt.unwrap}} {
				if c.want == "" && c.err != nil || c.want != "" && (c.err == nil || !strings.Contains(c.err.Error(), c.want)) {
					t.Errorf("got %v, want %q", c.err, c.want)
				}
			}
			if (tt.unwrap == "") != bytes.Equal(got, dataKey()) {
				t.Error("not the data key, or a damaged one")
			}
		})
	}
}
