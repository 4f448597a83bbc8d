package aws_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/aws"
	"github.com/fieldcrypt/fieldcrypt/kms/aws"
)

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTimeout(t *testing.T) {
	t.Parallel()
	var got time.Time
	var given bool
	client := &http.Client{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
		got, given = r.Context().Deadline()
		return nil, errors.New("no network here")
	})}
	p := open(t, aws.Type{HTTPClient: client}, "aws", static(mock.Access()))
	begun := time.Now()
	if _, err := p.WrapKey(t.Context(), specKey(t), dataKey()); err == nil || !given || got.Sub(begun) < 10*time.Second {
		t.Errorf("got the deadline %v, %v; error %v", got, given, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	if _, err := p.UnwrapKey(ctx, specKey(t), []byte{1}); err == nil || got.Sub(begun) < time.Hour {
		t.Errorf("got the deadline %v; error %v", got, err)
	}
}
