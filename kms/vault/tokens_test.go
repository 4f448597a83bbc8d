package vault_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/vault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/vault"
)

// clock is moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func role(t mock.Token) *mock.AppRole {
	return &mock.AppRole{RoleID: "CANARY-role", SecretID: "CANARY-secret", Token: t}
}

func appRole(s *mock.Server) map[string]any {
	return map[string]any{"endpoint": s.URL(), "appRole": map[string]any{"roleId": "CANARY-role", "secretId": "CANARY-secret"}}
}

// count counts the requests whose path has this suffix, and fails if any was refused for its token.
func count(t *testing.T, s *mock.Server, suffix string) (n int) {
	t.Helper()
	for _, c := range s.Calls() {
		if strings.HasSuffix(c.Path, suffix) {
			n++
		}
		if c.Refused {
			t.Errorf("%s with a token that was dead", c.Path)
		}
	}
	return n
}

// The tokens' lives pass several times while the provider is in use. No request may carry a dead token.
func TestTokenLives(t *testing.T) {
	const minute = time.Minute
	jwt := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(jwt, []byte("CANARY.service.account\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		options          mock.Options
		fields           map[string]any
		step             time.Duration
		steps            int
		logins, renewals [2]int // from, to
	}{
		// 10 hours of tokens of an hour; renewed each 40 minutes.
		"appRole, renewed": {mock.Options{AppRole: role(mock.Token{TTL: 60 * minute})},
			map[string]any{"appRole": map[string]any{"roleId": "CANARY-role", "secretId": "CANARY-secret"}}, 10 * minute, 60, [2]int{1, 1}, [2]int{14, 15}},
		"appRole, not renewable": {mock.Options{AppRole: role(mock.Token{TTL: 60 * minute, Fixed: true})},
			map[string]any{"appRole": map[string]any{"roleId": "CANARY-role", "secretId": "CANARY-secret"}}, 10 * minute, 60, [2]int{15, 16}, [2]int{0, 0}},
		"appRole, longest life of 100 minutes": {mock.Options{AppRole: role(mock.Token{TTL: 60 * minute, MaxTTL: 100 * minute})},
			map[string]any{"appRole": map[string]any{"roleId": "CANARY-role", "secretId": "CANARY-secret"}}, 10 * minute, 60, [2]int{6, 9}, [2]int{6, 20}},
		"appRole elsewhere, used seldom": {mock.Options{AppRole: &mock.AppRole{Mount: "app/roles", RoleID: "CANARY-role", SecretID: "CANARY-secret", Token: mock.Token{TTL: 60 * minute}}},
			map[string]any{"appRole": map[string]any{"roleId": "CANARY-role", "secretId": "CANARY-secret", "mount": "app/roles"}}, 120 * minute, 5, [2]int{5, 5}, [2]int{0, 0}},
		"kubernetes": {mock.Options{Kubernetes: &mock.Kubernetes{Role: "app", JWT: "CANARY.service.account", Token: mock.Token{TTL: 60 * minute, Fixed: true}}},
			map[string]any{"kubernetes": map[string]any{"role": "app", "jwtFile": jwt}}, 10 * minute, 60, [2]int{15, 16}, [2]int{0, 0}},
		"token": {mock.Options{Tokens: []mock.Token{{ID: "CANARY-token", TTL: 60 * minute}}},
			map[string]any{"token": "CANARY-token"}, 10 * minute, 60, [2]int{0, 0}, [2]int{14, 15}},
		"token that lives for ever": {mock.Options{}, map[string]any{"token": mock.RootToken}, 10 * minute, 60, [2]int{0, 0}, [2]int{0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			tt.options.Now = c.Now
			s := run(t, tt.options)
			tt.fields["endpoint"] = s.URL()
			p := open(t, vault.WithClock(vault.Type{HTTPClient: s.HTTPClient()}, c.Now), "vault", tt.fields)
			for range tt.steps {
				roundTrip(t, p, "vault", doc(t, "keyName", "k"))
				c.move(tt.step)
			}
			if n := count(t, s, "/login"); n < tt.logins[0] || n > tt.logins[1] {
				t.Errorf("%d logins, want %v", n, tt.logins)
			}
			if n := count(t, s, "renew-self"); n < tt.renewals[0] || n > tt.renewals[1] {
				t.Errorf("%d renewals, want %v", n, tt.renewals)
			}
		})
	}
}

func TestOneLoginForAll(t *testing.T) {
	c := newClock()
	waiting := make(chan struct{})
	s := run(t, mock.Options{Now: c.Now, AppRole: role(mock.Token{TTL: time.Hour, Fixed: true}), Intercept: func(_ context.Context, c mock.Call) *mock.Answer {
		if strings.HasSuffix(c.Path, "/login") {
			<-waiting
		}
		return nil
	}})
	p := open(t, vault.WithClock(vault.Type{HTTPClient: s.HTTPClient()}, c.Now), "vault", appRole(s))
	for round := 1; round <= 2; round++ {
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if _, err := p.WrapKey(t.Context(), doc(t, "keyName", "k"), dataKey()); err != nil {
					t.Error(err)
				}
			})
		}
		waiting <- struct{}{} // one login only gets past
		wg.Wait()
		if n := count(t, s, "/login"); n != round {
			t.Errorf("%d logins after %d lives", n, round)
		}
		c.move(2 * time.Hour)
	}
}

// A token that Vault no longer knows is replaced; the policy's refusal costs no login.
func TestRevokedToken(t *testing.T) {
	s := run(t, mock.Options{AppRole: role(mock.Token{TTL: time.Hour})})
	p := open(t, vault.Type{HTTPClient: s.HTTPClient()}, "vault", appRole(s))
	roundTrip(t, p, "vault", doc(t, "keyName", "k"))
	s.Revoke()
	roundTrip(t, p, "vault", doc(t, "keyName", "k"))
	s.Forbid("transit", "k")
	for range 3 {
		if _, err := p.WrapKey(t.Context(), doc(t, "keyName", "k"), dataKey()); !errors.Is(err, kms.ErrDenied) {
			t.Errorf("forbidden: got %v", err)
		}
	}
	logins := 0
	for _, c := range s.Calls() {
		if strings.HasSuffix(c.Path, "/login") {
			logins++
		}
	}
	if logins != 2 {
		t.Errorf("%d logins", logins)
	}
}

// While the token lives, a Vault that cannot renew it now is no reason to fail.
func TestRenewalFails(t *testing.T) {
	c := newClock()
	s := run(t, mock.Options{Now: c.Now, AppRole: role(mock.Token{TTL: time.Hour}), Intercept: func(_ context.Context, c mock.Call) *mock.Answer {
		if strings.HasSuffix(c.Path, "renew-self") {
			return &mock.Answer{Status: 500, Errors: []string{"internal error"}}
		}
		return nil
	}})
	p := open(t, vault.WithClock(vault.Type{HTTPClient: s.HTTPClient()}, c.Now), "vault", appRole(s))
	roundTrip(t, p, "vault", doc(t, "keyName", "k"))
	c.move(45 * time.Minute)
	roundTrip(t, p, "vault", doc(t, "keyName", "k"))
	if n := count(t, s, "renew-self"); n != 4 {
		t.Errorf("%d renewals: the attempts of one", n)
	}
	c.move(20 * time.Minute)
	roundTrip(t, p, "vault", doc(t, "keyName", "k"))
	if n := count(t, s, "/login"); n != 2 {
		t.Errorf("%d logins", n)
	}
}

// A token that was given ends at its longest life; Vault then refuses it.
func TestEndOfToken(t *testing.T) {
	c := newClock()
	s := run(t, mock.Options{Now: c.Now, Tokens: []mock.Token{{ID: "CANARY-token", TTL: time.Hour, MaxTTL: 90 * time.Minute}}})
	p := open(t, vault.WithClock(vault.Type{HTTPClient: s.HTTPClient()}, c.Now), "vault", given(s, "CANARY-token"))
	for range 9 {
		roundTrip(t, p, "vault", doc(t, "keyName", "k"))
		c.move(10 * time.Minute)
	}
	if n := count(t, s, "renew-self"); n < 1 || n > 6 {
		t.Errorf("%d renewals", n)
	}
	for range 2 {
		if _, err := p.WrapKey(t.Context(), doc(t, "keyName", "k"), dataKey()); !errors.Is(err, kms.ErrDenied) {
			t.Errorf("got %v", err)
		}
	}
}

// A token's policy may keep it from looking at itself.
func TestNoLookup(t *testing.T) {
	s := run(t, mock.Options{Tokens: []mock.Token{{ID: "CANARY-token", TTL: time.Hour, NoLookup: true}}})
	p := open(t, vault.Type{HTTPClient: s.HTTPClient()}, "vault", given(s, "CANARY-token"))
	roundTrip(t, p, "vault", doc(t, "keyName", "k"))
	roundTrip(t, p, "vault", doc(t, "keyName", "k"))
	if n := count(t, s, "lookup-self"); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// A caller who leaves during the lookup or the renewal must not end the keeping of the token.
func TestCancelledRenewal(t *testing.T) {
	c := newClock()
	var hold sync.Map
	asked := make(chan struct{})
	s := run(t, mock.Options{Now: c.Now, Tokens: []mock.Token{{ID: "CANARY-token", TTL: time.Hour}}, Intercept: func(ctx context.Context, c mock.Call) *mock.Answer {
		if _, held := hold.Load(c.Path); held {
			asked <- struct{}{}
			<-ctx.Done()
			return &mock.Answer{Drop: true}
		}
		return nil
	}})
	p := open(t, vault.WithClock(vault.Type{HTTPClient: s.HTTPClient()}, c.Now), "vault", given(s, "CANARY-token"))
	for _, path := range []string{"auth/token/lookup-self", "auth/token/renew-self"} {
		hold.Store(path, true)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-asked; cancel() }()
		if _, err := p.WrapKey(ctx, doc(t, "keyName", "k"), dataKey()); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", path, err)
		}
		hold.Delete(path)
		roundTrip(t, p, "vault", doc(t, "keyName", "k"))
		c.move(50 * time.Minute)
	}
	roundTrip(t, p, "vault", doc(t, "keyName", "k"))
	if n := count(t, s, "renew-self"); n != 3 {
		t.Errorf("%d renewals, one of them cancelled", n)
	}
}
