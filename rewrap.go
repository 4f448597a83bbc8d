package fieldcrypt

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"golang.org/x/sync/errgroup"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// RewrapManyDataKeyOptions says under which master key data keys are wrapped anew; the zero value means under their present ones, which
// is how they follow a rotation inside the KMS.
type RewrapManyDataKeyOptions struct {
	// Provider is the KMS provider id to wrap with. Default: each key's present provider and master key.
	Provider string
	// MasterKey names the master key, as in DataKeyOptions. Only together with Provider.
	MasterKey any
}

// RewrapManyDataKeyResult is what the key vault did; BulkWriteResult is nil when no key matched.
type RewrapManyDataKeyResult struct {
	*mongo.BulkWriteResult
}

// rewrapParallel bounds how many keys are at their KMS at one time.
const rewrapParallel = 8

// RewrapManyDataKey unwraps every data key that filter matches and wraps it under another, or the present, master key. The data keys themselves
// do not change, so no data needs to be encrypted again. filter is any value that the driver can marshal to a document; bson.D{} means all.
//
// Nothing is written unless every key could be unwrapped and wrapped. The write itself is not atomic over several keys: after an error,
// run it again.
func (ce *ClientEncryption) RewrapManyDataKey(ctx context.Context, filter any, opts RewrapManyDataKeyOptions) (*RewrapManyDataKeyResult, error) {
	if ce.closed.Load() {
		return nil, mongo.ErrClientDisconnected
	}
	if opts.MasterKey != nil && opts.Provider == "" {
		return nil, errors.New("expected 'Provider' to be set to identify type of 'MasterKey'")
	}
	found, err := ce.store.Find(ctx, filter)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return &RewrapManyDataKeyResult{}, nil
	}
	rewrapped := make([]keyvault.Rewrapped, len(found))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(rewrapParallel)
	for i, key := range found {
		group.Go(func() (err error) {
			rewrapped[i], err = ce.rewrap(groupCtx, key, opts)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	res, err := ce.store.Rewrap(ctx, rewrapped)
	return &RewrapManyDataKeyResult{res}, err
}

// rewrap makes the new wrapping of one key.
func (ce *ClientEncryption) rewrap(ctx context.Context, key *keyvault.DataKey, opts RewrapManyDataKeyOptions) (keyvault.Rewrapped, error) {
	if err := ctx.Err(); err != nil {
		return keyvault.Rewrapped{}, err
	}
	material, err := ce.unwrap(ctx, key)
	if err != nil {
		return keyvault.Rewrapped{}, fmt.Errorf("rewrapping data key %s: %w", key.ID, err)
	}
	defer clear(material)
	provider, masterKey := opts.Provider, opts.MasterKey
	if provider == "" {
		provider, masterKey = key.Provider(), key.MasterKey
	}
	wrapped, err := ce.wrap(ctx, provider, masterKey, material)
	if err != nil {
		return keyvault.Rewrapped{}, fmt.Errorf("rewrapping data key %s: %w", key.ID, err)
	}
	return keyvault.Rewrapped{ID: key.ID, KeyMaterial: wrapped.KeyMaterial, MasterKey: wrapped.MasterKey}, nil
}

// unwrap decrypts a data key; the caller wipes it.
func (ce *ClientEncryption) unwrap(ctx context.Context, key *keyvault.DataKey) ([]byte, error) {
	provider, err := ce.providers.Provider(key.Provider())
	if err != nil {
		return nil, err
	}
	material, err := provider.UnwrapKey(ctx, key.MasterKey, key.KeyMaterial)
	if err != nil {
		return nil, err
	}
	if len(material) != payload.KeySize {
		clear(material)
		return nil, fmt.Errorf("decrypted key is incorrect length: got %d bytes, want %d", len(material), payload.KeySize)
	}
	return material, nil
}
