package vault_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/vault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/vault"
)

func TestLoginErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		fields    map[string]any
		answer    *mock.Answer
		operation string
		message   string
		denied    bool
		temporary bool
	}{
		"wrong secret":      {map[string]any{"appRole": map[string]any{"roleId": "CANARY-role", "secretId": "CANARY-wrong"}}, nil, "auth/approle/login", "invalid role or secret ID", true, false},
		"no file":           {map[string]any{"kubernetes": map[string]any{"role": "app", "jwtFile": "/nowhere/token"}}, nil, "auth/kubernetes/login", "no such file", false, false},
		"empty file":        {map[string]any{"kubernetes": map[string]any{"role": "app", "jwtFile": "/dev/null"}}, nil, "auth/kubernetes/login", "is empty or too long", false, false},
		"no token":          {nil, &mock.Answer{Status: 200, Body: `{"auth":{"lease_duration":3600,"accessor":"CANARY"}}`}, "auth/approle/login", "the reply has no token", false, false},
		"unusable token":    {nil, &mock.Answer{Status: 200, Body: `{"auth":{"client_token":"CANARY\nX-Evil: 1"}}`}, "auth/approle/login", "the reply has no token", false, false},
		"unavailable":       {nil, &mock.Answer{Status: 503, Errors: []string{"Vault is sealed"}}, "auth/approle/login", "sealed", false, true},
		"repeats the login": {nil, &mock.Answer{Status: 400, Errors: []string{"you are CANARY-role with CANARY-secret"}}, "auth/approle/login", "withheld", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := run(t, mock.Options{AppRole: role(mock.Token{TTL: time.Hour}), Intercept: func(_ context.Context, c mock.Call) *mock.Answer {
				if strings.HasSuffix(c.Path, "/login") {
					return tt.answer
				}
				return nil
			}})
			fields := tt.fields
			if fields == nil {
				fields = appRole(s)
			}
			fields["endpoint"] = s.URL()
			_, err := open(t, vault.Type{HTTPClient: s.HTTPClient()}, "vault", fields).WrapKey(t.Context(), doc(t, "keyName", "k"), dataKey())
			var e *kms.Error
			if !errors.As(err, &e) || e.Operation != tt.operation || !strings.Contains(e.Message, tt.message) || e.Temporary() != tt.temporary || errors.Is(err, kms.ErrDenied) != tt.denied {
				t.Errorf("got %v; denied %v", err, errors.Is(err, kms.ErrDenied))
			}
			checkHidden(t, fmt.Sprint(err))
		})
	}
}
