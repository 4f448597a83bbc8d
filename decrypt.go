package fieldcrypt

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// Decrypt returns reply with every ciphertext in it decrypted, wherever it stands; the very slice given when there is none.
// reply is not changed. It waits only when a data key is not in memory: one find on the key vault for all that lack. Large replies are
// decrypted on as many cores as GOMAXPROCS gives.
//
// A value whose key cannot be had is treated as Undecryptable says. A ciphertext that is malformed or fails authentication, a key
// vault that cannot be reached and malformed BSON are errors; of a reply without ciphertexts only its length is checked.
func (e *AutoEncryption) Decrypt(ctx context.Context, reply bson.Raw) (bson.Raw, error) {
	out, opened, err := e.decrypt(ctx, nil, reply)
	if err != nil || opened {
		return out, err
	}
	return reply, nil
}

// AppendDecrypt appends what Decrypt returns to dst: with room for reply there, nothing is allocated for it. The spare capacity of dst must not overlap
// reply. On error it returns dst as it was.
func (e *AutoEncryption) AppendDecrypt(ctx context.Context, dst []byte, reply bson.Raw) ([]byte, error) {
	out, opened, err := e.decrypt(ctx, dst, reply)
	switch {
	case err != nil:
		clear(dst[len(dst):cap(dst)]) // of values before the one that failed
		return dst, err
	case !opened:
		return append(dst, reply...), nil
	}
	return out, nil
}

// decrypt appends reply with its values decrypted, if there are any to decrypt.
func (e *AutoEncryption) decrypt(ctx context.Context, dst []byte, reply bson.Raw) (out []byte, opened bool, err error) {
	if e.isLookup(ctx) {
		return nil, false, nil
	}
	if err := bsonraw.CheckFrame(reply); err != nil {
		return nil, false, fmt.Errorf("reading a reply: %w", err)
	}
	if !bsonraw.MayHoldEncrypted(reply, kindDecryptable) {
		return nil, false, nil
	}
	o := e.opener(reply)
	defer e.release(o)
	switch err := o.find(); {
	case err != nil:
		return nil, false, fmt.Errorf("reading a reply: %w", err)
	case !o.seen:
		return nil, false, nil
	case e.closed.Load():
		return nil, false, mongo.ErrClientDisconnected
	}
	if err := e.loadOpeningKeys(ctx, o.keys); err != nil {
		return nil, false, err
	}
	if out, err = o.open(ctx, dst); err != nil {
		return nil, false, err
	}
	o.report(ctx, e.logger)
	e.kept.Add(o.kept)
	return out, o.opened, nil
}

// decryptable says whether a subtype 6 value is something that decryption looks at, of this or of another feature.
func decryptable(content []byte) bool { return len(content) > 0 && kindDecryptable(content[0]) }

func kindDecryptable(first byte) bool { return payload.Kind(first).Decryptable() }

func inCSFLE(content []byte) bool {
	k := payload.Kind(content[0])
	return k == payload.KindDeterministic || k == payload.KindRandom
}

// openingKey is a data key, or why it cannot be had.
type openingKey struct {
	id  payload.KeyID
	key *payload.Key
	err error
}

// loadOpeningKeys fills needed, from memory if it can. What is not Undecryptable's to decide is an error.
func (e *AutoEncryption) loadOpeningKeys(ctx context.Context, needed []openingKey) error {
	complete := true
	for i := range needed {
		var ok bool
		needed[i].key, ok = e.keys.Lookup(needed[i].id)
		complete = complete && ok
	}
	if complete {
		return nil
	}
	req := keyvault.Request{IDs: make([]payload.KeyID, len(needed))}
	for i, k := range needed {
		req.IDs[i] = k.id
	}
	keys, err := e.keys.Load(ctx, req)
	if err != nil {
		return fmt.Errorf("loading the data keys for a reply: %w", err)
	}
	for i := range needed {
		k := &needed[i]
		if k.key, k.err = keys.Key(k.id); k.err != nil && !unavailable(k.err) {
			return fmt.Errorf("loading the data keys for a reply: %w", k.err)
		}
	}
	return nil
}

// unavailable says whether err means that this client is not meant to have the key, or nobody is any more; not that something is broken.
func unavailable(err error) bool {
	return errors.Is(err, keyvault.ErrNotFound) || errors.Is(err, kms.ErrDenied) || errors.Is(err, kms.ErrNotConfigured)
}
