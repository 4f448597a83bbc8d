package azure

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
)

// How often and after how long the official drivers ask again.
const (
	maxAttempts = 4
	firstWait   = 200 * time.Millisecond // doubles
	longestWait = 20 * time.Second
)

// ask makes a request until it is answered, or trying again makes no sense; sent is what the request carries and must not be repeated in errors. Each
// attempt, and all of them if ctx has no deadline, have the time that the official Go driver gives a KMS.
func (p *provider) ask(ctx context.Context, operation string, m masterKey, sent []byte, request func(context.Context, *azkeys.Client) error) error {
	ctx, cancel := kmsconfig.WithTimeout(ctx, kmsconfig.Timeout)
	defer cancel()
	for attempt := 0; ; attempt++ {
		x := &exchange{}
		err := p.try(context.WithValue(ctx, exchangeKey{}, x), m, x, request)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil || attempt == maxAttempts-1 || !x.temporary() || !sleep(ctx, rand.N(min(firstWait<<attempt, longestWait))) {
			return p.failure(ctx, operation, m, x, err, sent)
		}
	}
}

func (p *provider) try(ctx context.Context, m masterKey, x *exchange, request func(context.Context, *azkeys.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, kmsconfig.Timeout)
	defer cancel()
	client, err := p.client(m.url)
	if err != nil {
		return err
	}
	token, err := p.token(ctx, m.domain)
	if err != nil {
		x.tokenFailed = true
		if errors.Is(err, context.DeadlineExceeded) {
			x.err = err // others were in front all the time
		}
		return err
	}
	x.forget()
	return request(context.WithValue(ctx, tokenKey{}, token), client)
}

// sleep waits; it says false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
