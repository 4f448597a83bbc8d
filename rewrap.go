package fieldcrypt

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"golang.org/x/sync/errgroup"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// RewrapManyDataKeyOptions says under which master key data keys are wrapped anew; the zero value means under their present ones, in
// the version that now wraps: how they follow a rotation inside the KMS.
type RewrapManyDataKeyOptions struct {
	// Provider is the KMS provider id to wrap with. Default: each key's present provider and master key, but for its keyVersion: what was wrapped
	// under a certain version, as all keys of azure are, is wrapped under the newest. Name the master key with a version to stay with it.
	Provider string
	// MasterKey names the master key, as in DataKeyOptions. Only together with Provider.
	MasterKey any
	// BatchSize, if greater than 0, goes through the key vault in batches of so many keys: a batch is written when all of it is proven, and
	// an error stops before its batch. For vaults with so many keys that they should not be in memory at once, and for work that may be
	// interrupted. Default 0: all in one.
	BatchSize int
	// Overwrite writes the new wrapping whatever has become of the key document since it was read, with the filter {_id} that the MongoDB driver
	// specification has. Default false: a document that somebody else has rewrapped meanwhile stays as it is.
	Overwrite bool
	// Progress, if set, is called after each key whose new wrapping is proven, with their number so far; one call at a time. It must be quick.
	Progress func(proven int)
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
// Every new wrapping is proven before anything is written: the KMS unwraps it, and the result is compared with the data key. So the caller
// needs permission to decrypt with both master keys. Nothing is written (of a batch) unless all keys could be proven. A key document that
// was changed meanwhile is not overwritten (see Overwrite; on FerretDB 1.x, which executes no update atomically, this is not
// certain).
//
// The write is not atomic over several keys. After an error every key is readable, under its old or its new master key, and it can be run
// again. A *[RewrapError] says which keys were not written. A *[keyvault.UnreadableError], wrapped or joined, names documents that
// filter matches but that are not data keys; the others are rewrapped nevertheless. Both come alongside the result.
func (ce *ClientEncryption) RewrapManyDataKey(ctx context.Context, filter any, opts RewrapManyDataKeyOptions) (*RewrapManyDataKeyResult, error) {
	if ce.closed.Load() {
		return nil, mongo.ErrClientDisconnected
	}
	if opts.MasterKey != nil && opts.Provider == "" {
		return nil, errors.New("expected 'Provider' to be set to identify type of 'MasterKey'")
	}
	if opts.BatchSize > 0 {
		return ce.rewrapBatches(ctx, filter, opts)
	}
	r := &rewrapping{ce: ce, opts: opts}
	found, err := ce.store.Find(ctx, filter)
	var unreadable *keyvault.UnreadableError
	if err != nil && !errors.As(err, &unreadable) {
		return nil, err
	}
	if failed := r.batch(ctx, found); failed != nil {
		return r.result(), errors.Join(failed, err)
	}
	return &RewrapManyDataKeyResult{r.total}, err
}

func (ce *ClientEncryption) rewrapBatches(ctx context.Context, filter any, opts RewrapManyDataKeyOptions) (*RewrapManyDataKeyResult, error) {
	r := &rewrapping{ce: ce, opts: opts}
	var keys []*keyvault.DataKey
	var unreadable []keyvault.Unreadable
	err := ce.store.Scan(ctx, filter, func(doc bson.Raw) error {
		key, err := keyvault.ParseDataKey(doc)
		if err != nil {
			unreadable = append(unreadable, keyvault.NewUnreadable(doc, err))
			return nil
		}
		if keys = append(keys, key); len(keys) < opts.BatchSize {
			return nil
		}
		err = r.batch(ctx, keys)
		keys = keys[:0]
		return err
	})
	if err == nil {
		err = r.batch(ctx, keys)
	}
	if len(unreadable) > 0 {
		err = errors.Join(err, &keyvault.UnreadableError{Documents: unreadable})
	}
	if err != nil {
		return r.result(), err
	}
	return &RewrapManyDataKeyResult{r.total}, nil
}

// rewrapping is one run of RewrapManyDataKey.
type rewrapping struct {
	ce    *ClientEncryption
	opts  RewrapManyDataKeyOptions
	total *mongo.BulkWriteResult // nil as long as nothing was sent to the key vault

	mu     sync.Mutex
	proven int
}

// result is nil when nothing was sent to the key vault.
func (r *rewrapping) result() *RewrapManyDataKeyResult {
	if r.total == nil {
		return nil
	}
	return &RewrapManyDataKeyResult{r.total}
}

// batch proves the new wrappings of all keys, then writes them.
func (r *rewrapping) batch(ctx context.Context, keys []*keyvault.DataKey) error {
	if len(keys) == 0 {
		return nil
	}
	rewrapped := make([]keyvault.Rewrapped, len(keys))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(rewrapParallel)
	for i, key := range keys {
		group.Go(func() (err error) {
			if rewrapped[i], err = r.ce.rewrap(groupCtx, key, r.opts); err != nil {
				return fmt.Errorf("rewrapping data key %s: %w", key.ID, err)
			}
			r.progress()
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	res, err := r.ce.store.Rewrap(ctx, rewrapped)
	r.add(res)
	if err == nil && res.MatchedCount == int64(len(keys)) {
		return nil
	}
	if vault := (*keyvault.Error)(nil); err != nil && !errors.As(err, &vault) {
		return err // nothing was sent
	}
	written, err := r.ce.rewrapOutcome(ctx, keys, rewrapped, err)
	if res != nil {
		written -= res.MatchedCount
	}
	if written > 0 { // the answer was lost, or came in the middle
		r.add(&mongo.BulkWriteResult{Acknowledged: true, MatchedCount: written, ModifiedCount: written})
	}
	return err
}

func (r *rewrapping) progress() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.proven++; r.opts.Progress != nil {
		r.opts.Progress(r.proven)
	}
}

func (r *rewrapping) add(res *mongo.BulkWriteResult) {
	if res == nil {
		return
	}
	if r.total == nil {
		r.total = &mongo.BulkWriteResult{Acknowledged: res.Acknowledged}
	}
	r.total.MatchedCount += res.MatchedCount
	r.total.ModifiedCount += res.ModifiedCount
}

// rewrap makes the new wrapping of one key and proves it.
func (ce *ClientEncryption) rewrap(ctx context.Context, key *keyvault.DataKey, opts RewrapManyDataKeyOptions) (keyvault.Rewrapped, error) {
	if err := ctx.Err(); err != nil {
		return keyvault.Rewrapped{}, err
	}
	material, err := ce.unwrap(ctx, key)
	if err != nil {
		return keyvault.Rewrapped{}, err
	}
	defer clear(material)
	provider, masterKey := opts.Provider, opts.MasterKey
	if provider == "" {
		provider = key.Provider()
		if masterKey, err = inNewestVersion(key.MasterKey); err != nil {
			return keyvault.Rewrapped{}, err
		}
	}
	wrapped, err := ce.wrap(ctx, provider, masterKey, material)
	if err != nil {
		return keyvault.Rewrapped{}, err
	}
	// As every reader will do it: by the document, not by the options.
	again, err := ce.unwrap(ctx, &keyvault.DataKey{ID: key.ID, KeyMaterial: wrapped.KeyMaterial, MasterKey: wrapped.MasterKey})
	if err != nil {
		return keyvault.Rewrapped{}, fmt.Errorf("proving the new wrapping: %w", err)
	}
	defer clear(again)
	if subtle.ConstantTimeCompare(material, again) != 1 {
		return keyvault.Rewrapped{}, fmt.Errorf("proving the new wrapping: KMS provider `%s` unwraps it to another key", provider)
	}
	r := keyvault.Rewrapped{ID: key.ID, KeyMaterial: wrapped.KeyMaterial, MasterKey: wrapped.MasterKey}
	if !opts.Overwrite {
		r.Was = key
	}
	return r, nil
}

// inNewestVersion is a master key as stored, without the version that those of azure, gcp and vault may name.
func inNewestVersion(stored bson.Raw) (bson.Raw, error) {
	dst, start := bsonraw.Begin(nil)
	it := bsonraw.Iterate(stored)
	for it.Next() {
		if string(it.Element.Key) != "keyVersion" {
			dst = append(dst, it.Element.Raw...)
		}
	}
	return bsonraw.End(dst, start), it.Err
}

// unwrap decrypts a data key; the caller wipes it.
func (ce *ClientEncryption) unwrap(ctx context.Context, key *keyvault.DataKey) ([]byte, error) {
	provider, err := ce.providers.Provider(key.Provider())
	if err != nil {
		return nil, err
	}
	material, err := provider.UnwrapKey(ctx, key.MasterKey, key.KeyMaterial)
	if err != nil {
		clear(material)
		return nil, err
	}
	if len(material) != payload.KeySize {
		clear(material)
		return nil, fmt.Errorf("decrypted key is incorrect length: got %d bytes, want %d", len(material), payload.KeySize)
	}
	return material, nil
}
