package azure_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/azure"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/azure"
)

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Driver specification, prose test 7: hosts that do not exist. Neither side's name leads elsewhere.
func TestHostDoesNotExist(t *testing.T) {
	var asked []string
	client := &http.Client{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
		asked = append(asked, r.URL.Host)
		return nil, &net.DNSError{Err: "no such host", Name: r.URL.Hostname(), IsNotFound: true}
	})}
	fields := servicePrincipal()
	fields["identityPlatformEndpoint"] = "doesnotexist.invalid:443"
	for want, tt := range map[string]struct {
		fields  map[string]any
		message string
	}{
		"doesnotexist.invalid:443": {fields, `getting an access token from "doesnotexist.invalid:443": lookup doesnotexist.invalid: no such host`},
		"a.doesnotexist.invalid":   {map[string]any{"accessToken": "CANARY"}, "lookup a.doesnotexist.invalid: no such host"},
	} {
		synctest.Test(t, func(t *testing.T) {
			asked = nil
			typ := azure.Type{HTTPClient: client, Endpoints: []string{"*.doesnotexist.invalid"}}
			_, err := open(t, typ, "azure", tt.fields).WrapKey(t.Context(), at(t, "a.doesnotexist.invalid"), dataKey())
			var e *kms.Error
			if !errors.As(err, &e) || e.Message != tt.message || !e.Temporary() || e.Status != 0 {
				t.Errorf("got %v", err)
			}
			if got := fmt.Sprint(asked); got != fmt.Sprintf("[%s %s %s %s]", want, want, want, want) {
				t.Errorf("asked %s", got)
			}
		})
	}
}

// A deadline of the caller's is kept to the moment; without one there is that of the official Go driver; a vault that hangs once is asked again
// if the caller has the time.
func TestDeadline(t *testing.T) {
	for name, tt := range map[string]struct {
		deadline time.Duration // 0 is none
		hangs    int
		after    time.Duration // 0: succeeds
	}{
		"none":   {0, 9, 10 * time.Second},
		"short":  {3 * time.Second, 9, 3 * time.Second},
		"long":   {time.Minute, 1, 0},
		"longer": {5 * time.Minute, 9, 40 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hangs := tt.hangs
				o := options()
				o.Intercept = func(ctx context.Context, c mock.Call) *mock.Answer {
					if c.Operation == "wrapkey" && hangs > 0 {
						hangs--
						<-ctx.Done()
					}
					return nil
				}
				_, typ := serve(t, o)
				ctx := t.Context()
				if tt.deadline != 0 {
					limited, cancel := context.WithTimeout(ctx, tt.deadline)
					defer cancel()
					ctx = limited
				}
				start := time.Now()
				_, err := open(t, typ, "azure", servicePrincipal()).WrapKey(ctx, masterKey(t), dataKey())
				if tt.after == 0 {
					if err != nil {
						t.Error(err)
					}
					return
				}
				var e *kms.Error
				took := time.Since(start)
				if !errors.As(err, &e) || !e.Temporary() || took < tt.after || took > tt.after+1400*time.Millisecond {
					t.Errorf("got %v after %v", err, took)
				}
				if tt.deadline != time.Duration(0) && tt.deadline == tt.after && (took != tt.after || !errors.Is(err, context.DeadlineExceeded)) {
					t.Errorf("the deadline was not kept: got %v after %v", err, took)
				}
			})
		})
	}
}

// Tokens, given or not, go to vaults in Azure's domains, on this machine and among the Type's Endpoints, and to nobody else whom a key vault document names.
func TestAllowedEndpoints(t *testing.T) {
	asked := false
	client := &http.Client{Transport: transportFunc(func(*http.Request) (*http.Response, error) {
		asked = true
		return nil, context.Canceled // not tried again
	})}
	for host, goes := range map[string]bool{
		"a.vault.azure.net": true, "A.Vault.Azure.Net:443": true, "a.vault.azure.cn": true, "a.vault.usgovcloudapi.net": true,
		"a.managedhsm.azure.net": true, "a.vault.example.org:8443": true, "127.0.0.1:8443": true,
		"vault.azure.net": false, "vault.azure.net.example.org": false, "evilvault.azure.net": false, "a.b.vault.azure.net": false,
		"a.example.org": false, "a.vault.example.net": false, "vault.example.org": false, "10.0.0.1": false,
	} {
		for _, fields := range []map[string]any{{"accessToken": "token"}, servicePrincipal()} {
			p := open(t, azure.Type{HTTPClient: client, Endpoints: []string{"*.vault.example.org"}}, "azure", fields)
			asked = false
			_, unwrapErr := p.UnwrapKey(t.Context(), at(t, host), []byte{1})
			_, wrapErr := p.WrapKey(t.Context(), at(t, host), dataKey())
			for _, err := range []error{unwrapErr, wrapErr} {
				if err == nil || errors.Is(err, kms.ErrForeignEndpoint) == goes || errors.Is(err, kms.ErrDenied) || asked != goes {
					t.Errorf("%s: asked %v, error %v", host, asked, err)
				}
			}
		}
	}
}
