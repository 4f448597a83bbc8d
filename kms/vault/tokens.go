package vault

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/fieldcrypt/fieldcrypt/internal/flight"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

// tokens keeps a token alive. It works only while somebody asks for it: nothing runs in the background.
type tokens struct {
	client *client
	now    func() time.Time
	login  *login // nil when the token was given

	mu      sync.Mutex
	current token
	group   flight.Group[struct{}, token]
}

// token is one of Vault's.
type token struct {
	text      string
	known     bool // its life is: a token that was given is asked about first
	renewable bool
	life      time.Duration // at the login
	refresh   time.Time     // when to renew or replace it; zero is never
	expires   time.Time     // zero is never
}

func newTokens(c *client, now func() time.Time, given string, l *login) *tokens {
	return &tokens{client: c, now: now, login: l, current: token{text: given}, group: flight.Group[struct{}, token]{}}
}

// send sends r with a token that lives, and once more with another when Vault no longer knows the first.
func (t *tokens) send(ctx context.Context, r request, answer any) (err error) {
	if r.token, err = t.get(ctx); err != nil {
		return err
	}
	err = t.client.do(ctx, r, answer)
	if err == nil || !t.forget(ctx, r.token, err) {
		return err
	}
	if r.token, err = t.get(ctx); err != nil {
		return err
	}
	return t.client.do(ctx, r, answer)
}

func (t *tokens) isFresh(k token) bool {
	return k.known && (k.refresh.IsZero() || t.now().Before(k.refresh))
}

func (t *tokens) isAlive(k token) bool {
	return k.known && (k.expires.IsZero() || t.now().Before(k.expires))
}

// get returns a token that lives. What must be asked of Vault for it is asked once for all callers.
func (t *tokens) get(ctx context.Context) (string, error) {
	k := t.read()
	if t.isFresh(k) {
		return k.text, nil
	}
	k, err := t.group.Do(ctx, &t.mu, struct{}{}, t.next)
	return k.text, err
}

func (t *tokens) read() token {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current
}

// next finds the token to use from now on.
func (t *tokens) next(ctx context.Context) (token, error) {
	old := t.read()
	if t.isFresh(old) { // since the caller looked
		return old, nil
	}
	k, err := t.replace(ctx, old)
	if err != nil {
		if !t.isAlive(old) || ctx.Err() != nil {
			return token{}, err
		}
		k = old
		if !k.expires.IsZero() { // halfway to its end, so that not every call asks
			k.refresh = t.now().Add(k.expires.Sub(t.now()) / 2)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current = k
	return k, nil
}

func (t *tokens) replace(ctx context.Context, old token) (token, error) {
	if !old.known && t.login == nil {
		return t.lookUp(ctx, old)
	}
	if old.renewable && t.isAlive(old) {
		k, err := t.renew(ctx, old)
		// A token near the longest life that Vault allows it is renewed for less and less.
		if err == nil && (t.login == nil || k.life == 0 || k.life >= old.life/2) {
			k.life = old.life
			return k, nil
		}
		if err != nil && !errors.Is(err, kms.ErrDenied) {
			return token{}, err
		}
	}
	if t.login != nil {
		return t.logIn(ctx)
	}
	old.refresh = time.Time{} // it is used until Vault refuses it
	return old, nil
}

// auth is Vault's answer to a login and to a renewal.
type auth struct {
	Auth struct {
		ClientToken   string `json:"client_token"`
		Renewable     bool   `json:"renewable"`
		LeaseDuration int64  `json:"lease_duration"` // seconds; 0 is for ever
	} `json:"auth"`
}

func (t *tokens) logIn(ctx context.Context) (token, error) {
	body, secrets, err := t.login.body()
	if err != nil {
		return token{}, &kms.Error{Operation: t.login.path, Endpoint: t.client.endpoint, Message: err.Error()}
	}
	return t.ask(ctx, request{operation: t.login.path, body: body, secrets: secrets})
}

func (t *tokens) renew(ctx context.Context, old token) (token, error) {
	return t.ask(ctx, request{operation: "auth/token/renew-self", token: old.text, body: map[string]any{}})
}

func (t *tokens) ask(ctx context.Context, r request) (token, error) {
	asked := t.now()
	var answer auth
	if err := t.client.do(ctx, r, &answer); err != nil {
		return token{}, err
	}
	got := answer.Auth
	if got.ClientToken == "" || strings.ContainsFunc(got.ClientToken, notVisible) {
		return token{}, &kms.Error{Operation: r.operation, Endpoint: t.client.endpoint, Message: "the reply has no token"}
	}
	return newToken(got.ClientToken, got.Renewable, asked, got.LeaseDuration), nil
}

// lookUp asks about a token that was given. One that is not allowed to ask is used until Vault refuses it.
func (t *tokens) lookUp(ctx context.Context, given token) (token, error) {
	asked := t.now()
	var answer struct {
		Data struct {
			TTL       int64 `json:"ttl"` // seconds; 0 is for ever
			Renewable bool  `json:"renewable"`
		} `json:"data"`
	}
	if err := t.client.do(ctx, lookUpSelf(given.text), &answer); err != nil && !isForbidden(err) {
		return token{}, err
	}
	return newToken(given.text, answer.Data.Renewable, asked, answer.Data.TTL), nil
}

func lookUpSelf(text string) request {
	return request{method: http.MethodGet, operation: "auth/token/lookup-self", token: text}
}

func newToken(text string, renewable bool, asked time.Time, seconds int64) token {
	const longest = 100 * 365 * 24 * 3600
	k := token{text: text, known: true, renewable: renewable}
	if seconds > 0 {
		k.life = time.Duration(min(seconds, longest)) * time.Second
		k.refresh, k.expires = asked.Add(k.life*2/3), asked.Add(k.life)
	}
	return k
}

// forget says whether err comes from Vault not knowing the token any more, and another login could help: that it was revoked, or that Vault's
// clock is ahead.
func (t *tokens) forget(ctx context.Context, text string, err error) bool {
	if t.login == nil || !isForbidden(err) || !isForbidden(t.client.do(ctx, lookUpSelf(text), new(struct{}))) {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current.text == text {
		t.current = token{}
	}
	return true
}

func isForbidden(err error) bool {
	var e *kms.Error
	return errors.As(err, &e) && e.Status == http.StatusForbidden && errors.Is(e, kms.ErrDenied)
}
