package azure_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/azure"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/azure"
)

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	type outcome struct {
		reply *http.Response
		err   error
	}
	answered := make(chan outcome, 1)
	go func() {
		defer func() {
			if recover() != nil {
				answered <- outcome{nil, errors.New("connection reset")}
			}
		}()
		recorder, in := httptest.NewRecorder(), r.Clone(r.Context())
		if in.Host == "" {
			in.Host = in.URL.Host
		}
		if in.Body == nil {
			in.Body = http.NoBody
		}
		d.ServeHTTP(recorder, in)
		answered <- outcome{recorder.Result(), nil}
	}()
	select {
	case o := <-answered:
		return o.reply, o.err
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

func serve(t *testing.T, o mock.Options) (*mock.Server, azure.Type) {
	t.Helper()
	s, err := mock.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s, azure.Type{HTTPClient: &http.Client{Transport: direct{s}}, Endpoints: []string{"*.example.org"}}
}

// A data key is unwrapped every ten minutes for three and a half hours, with tokens that the vault takes for one: the SDKs, their caches
// and the vault all live by the fake clock.
func TestTokensAreRenewed(t *testing.T) {
	for name, fields := range map[string]map[string]any{
		"service principal": servicePrincipal(),
		"managed identity":  {},
	} {
		t.Run(name, func(t *testing.T) {
			setEnvironment(t, nil)
			o := options()
			o.Vaults = []string{freshHost()}
			synctest.Test(t, func(t *testing.T) {
				s, typ := serve(t, o)
				p := open(t, typ, "azure", fields)
				w := wrap(t, p, at(t, o.Vaults[0]))
				start := time.Now()
				for range 21 {
					time.Sleep(10 * time.Minute)
					checkUnwrap(t, p, w.MasterKey, w.KeyMaterial)
				}
				tokens := map[string]bool{}
				for _, c := range s.Calls() {
					if c.Operation == "unwrapkey" {
						tokens[c.Sent] = true
					}
				}
				if len(tokens) != 4 {
					t.Errorf("used %d tokens in %v", len(tokens), time.Since(start))
				}
			})
		})
	}
}

// What the test above proves: the vault does refuse a token that has expired.
func TestGivenTokenExpires(t *testing.T) {
	o := options()
	synctest.Test(t, func(t *testing.T) {
		s, typ := serve(t, o)
		p := open(t, typ, "azure", map[string]any{"accessToken": s.Token("https://vault.azure.net")})
		w := wrap(t, p, masterKey(t))
		time.Sleep(59 * time.Minute)
		checkUnwrap(t, p, w.MasterKey, w.KeyMaterial)
		time.Sleep(2 * time.Minute)
		_, err := p.UnwrapKey(t.Context(), w.MasterKey, w.KeyMaterial)
		var e *kms.Error
		if !errors.As(err, &e) || e.Status != http.StatusUnauthorized || !errors.Is(err, kms.ErrDenied) || e.Temporary() {
			t.Errorf("got %v", err)
		}
	})
}
