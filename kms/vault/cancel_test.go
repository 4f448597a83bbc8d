package vault_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/vault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/vault"
)

func TestUnreachable(t *testing.T) {
	s := run(t, mock.Options{})
	p := openDefault(t, s)
	s.Close()
	_, err := p.WrapKey(t.Context(), doc(t, "keyName", "k"), dataKey())
	var e *kms.Error
	if !errors.As(err, &e) || !e.Temporary() || e.Operation != "auth/token/lookup-self" || !strings.Contains(e.Message, "connection refused") {
		t.Errorf("got %v", err)
	}
}

func TestCancelled(t *testing.T) {
	asked := make(chan struct{}, 1)
	s := run(t, mock.Options{Intercept: func(ctx context.Context, c mock.Call) *mock.Answer {
		if strings.HasPrefix(c.Path, "auth/") {
			return nil
		}
		asked <- struct{}{}
		<-ctx.Done()
		return &mock.Answer{Drop: true}
	}})
	p := openDefault(t, s)
	for name, call := range map[string]func(context.Context) error{
		"wrap": func(ctx context.Context) error {
			_, err := p.WrapKey(ctx, doc(t, "keyName", "k"), dataKey())
			return err
		},
		"unwrap": func(ctx context.Context) error {
			_, err := p.UnwrapKey(ctx, doc(t, "keyName", "k"), []byte("vault:v1:AAAA"))
			return err
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-asked; cancel() }()
		if err := call(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: in flight: %v", name, err)
		}
		if err := call(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, kms.ErrDenied) {
			t.Errorf("%s: before: %v", name, err)
		}
	}
}

func TestDeadline(t *testing.T) {
	s := run(t, mock.Options{Intercept: func(ctx context.Context, _ mock.Call) *mock.Answer {
		<-ctx.Done()
		return &mock.Answer{Drop: true}
	}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := openDefault(t, s).WrapKey(ctx, doc(t, "keyName", "k"), dataKey())
	var e *kms.Error
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &e) || !e.Temporary() {
		t.Errorf("got %v", err)
	}
}

// hung is a network from which nothing comes back.
type hung struct{}

func (hung) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// Without a deadline of the caller's there is that of the official Go driver, and the error says so.
func TestDefaultDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, vault.Type{HTTPClient: &http.Client{Transport: hung{}}}, "vault", map[string]any{"endpoint": "vault.example.org", "token": "token"})
		for limit, message := range map[time.Duration]string{0: "no answer within 10s, the limit for calls without a deadline", time.Minute: "context deadline exceeded"} {
			ctx, want := t.Context(), 10*time.Second
			if limit != 0 {
				limited, cancel := context.WithTimeout(ctx, limit)
				defer cancel()
				ctx, want = limited, limit
			}
			start := time.Now()
			_, err := p.UnwrapKey(ctx, doc(t, "keyName", "k"), []byte("vault:v1:AAAA"))
			var e *kms.Error
			if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &e) || !e.Temporary() || e.Message != message || time.Since(start) != want {
				t.Errorf("limit %v: after %v: %v", limit, time.Since(start), err)
			}
		}
	})
}

func TestRetries(t *testing.T) {
	for failures, works := range map[int]bool{3: true, 4: false} {
		n := 0
		s := run(t, mock.Options{Intercept: func(_ context.Context, c mock.Call) *mock.Answer {
			if strings.HasPrefix(c.Path, "auth/") {
				return nil
			}
			if n++; n <= failures {
				return &mock.Answer{Status: http.StatusServiceUnavailable, Drop: n == 1}
			}
			return nil
		}})
		_, err := openDefault(t, s).WrapKey(t.Context(), doc(t, "keyName", "k"), dataKey())
		if (err == nil) != works || n != 4 {
			t.Errorf("%d failures: %d attempts, error %v", failures, n, err)
		}
	}
}
