package aws

import (
	"context"
	"crypto/fips140"
	"fmt"
	"sync"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
)

// chain is the SDK's default chain of credential providers, found at the first use: finding it may wait for the network.
type chain struct {
	mu    sync.Mutex
	found sdk.CredentialsProvider // caches credentials and renews them before they expire
}

func (c *chain) retrieve(ctx context.Context) (sdk.Credentials, error) {
	found, err := c.find(ctx)
	if err != nil {
		return sdk.Credentials{}, &credentialsError{err}
	}
	got, err := found.Retrieve(ctx)
	if err == nil {
		err = checkSecret(got)
	}
	if err != nil {
		return sdk.Credentials{}, &credentialsError{err}
	}
	return got, nil
}

// checkSecret refuses what package crypto/hmac panics on in FIPS 140-only mode: a key of less than 112 bits, 4 bytes of which are AWS's.
func checkSecret(c sdk.Credentials) error {
	if fips140.Enabled() && len(c.SecretAccessKey) < 112/8-4 {
		return fmt.Errorf("the secret access key is too short to sign with in FIPS 140 mode: got %d bytes, AWS gives 40", len(c.SecretAccessKey))
	}
	return nil
}

// credentialsError tells the answers of those who give credentials, such as STS, from the KMS's.
type credentialsError struct{ error }

func (e *credentialsError) Unwrap() error { return e.error }

// find does not hold the lock while it looks: callers who come at the same time look too, and the first one's find is kept.
func (c *chain) find(ctx context.Context) (sdk.CredentialsProvider, error) {
	if found := c.keep(nil); found != nil {
		return found, nil
	}
	// Only the credentials are taken: the endpoint is the masterKey's to name, not the environment's.
	loaded, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	return c.keep(loaded.Credentials), nil
}

func (c *chain) keep(found sdk.CredentialsProvider) sdk.CredentialsProvider {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.found == nil {
		c.found = found
	}
	return c.found
}
