package fieldcrypt

import (
	"context"
	"fmt"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// UnknownVersions is how many data keys of a KMS provider were unwrapped of which it could not be told whether their master key was rotated since,
// most often because the credentials may unwrap but not look at the master key.
type UnknownVersions struct {
	Keys   int64
	Reason error // of the first; wraps kms.ErrDenied when permission is what lacks
}

// unwrap tries whether a data key can be unwrapped, and asks providers that can tell for the version of the master key.
func (c *check) unwrap(ctx context.Context, provider kms.Provider, key *keyvault.DataKey) (kms.Version, error) {
	versioner, ok := provider.(kms.Versioner)
	if !ok {
		material, err := c.ce.unwrap(ctx, key)
		clear(material)
		return kms.Version{State: kms.VersionCurrent}, err
	}
	material, version, err := versioner.UnwrapKeyVersion(ctx, key.MasterKey, key.KeyMaterial)
	clear(material)
	if err == nil && len(material) != payload.KeySize {
		err = fmt.Errorf("decrypted key is incorrect length: got %d bytes, want %d", len(material), payload.KeySize)
	}
	return version, err
}

// unknown counts a data key. There may be as many as there are keys, so they are not findings: those would crowd out the problems.
func (c *check) unknown(provider string, reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.report.UnknownVersions == nil {
		c.report.UnknownVersions = map[string]UnknownVersions{}
	}
	u := c.report.UnknownVersions[provider]
	if u.Keys++; u.Reason == nil {
		u.Reason = reason
	}
	c.report.UnknownVersions[provider] = u
}
