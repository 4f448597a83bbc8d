package aws

import (
	"context"
	"crypto/fips140"
	"errors"
	"fmt"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
)

// checkSecret refuses what package crypto/hmac panics on in FIPS 140-only mode: a key of less than 112 bits, 4 bytes of which are AWS's.
func checkSecret(c sdk.Credentials) error {
	if fips140.Enabled() && len(c.SecretAccessKey) < 112/8-4 {
		return fmt.Errorf("the secret access key is too short to sign with in FIPS 140 mode: got %d bytes, AWS gives 40", len(c.SecretAccessKey))
	}
	return nil
}

// early is how long before their expiry credentials are renewed: they must last for the call.
const early = time.Minute

// cache keeps credentials until they are about to expire. It is in place of the SDK's, which asks without the caller's cancellation and renews at
// the expiry only.
type cache struct {
	source sdk.CredentialsProvider
	now    func() time.Time
	turn   chan struct{} // held by the one who reads or renews kept
	kept   sdk.Credentials
}

func newCache(source sdk.CredentialsProvider, now func() time.Time) *cache {
	if now == nil {
		now = time.Now
	}
	return &cache{source: source, now: now, turn: make(chan struct{}, 1)}
}

func (c *cache) retrieve(ctx context.Context) (sdk.Credentials, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return sdk.Credentials{}, ctx.Err()
	}
	if c.lasts(c.kept, early) {
		return c.kept, nil
	}
	got, err := c.renew(ctx)
	switch {
	case err == nil:
		c.kept = got
	case c.lasts(c.kept, 0):
		return c.kept, nil
	}
	return got, err
}

func (c *cache) renew(ctx context.Context) (sdk.Credentials, error) {
	got, err := c.source.Retrieve(ctx)
	switch {
	case err != nil:
		return sdk.Credentials{}, err
	case !got.HasKeys():
		return sdk.Credentials{}, errors.New("those given have no access key id or no secret access key")
	case got.CanExpire && !c.lasts(got, 0):
		return sdk.Credentials{}, fmt.Errorf("those given expired at %s", got.Expires.UTC().Format(time.RFC3339))
	}
	return got, checkSecret(got)
}

// lasts says whether credentials are there that expire, but not within d.
func (c *cache) lasts(have sdk.Credentials, d time.Duration) bool {
	return have.HasKeys() && have.CanExpire && c.now().Add(d).Before(have.Expires)
}
