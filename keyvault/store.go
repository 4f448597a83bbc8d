package keyvault

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// ErrNotFound is wrapped by errors about a data key that is not in the key vault.
//
// errors.Is also takes it for [mongo.ErrNoDocuments], which the official driver returns in its place.
var ErrNotFound error = absent{}

type absent struct{}

func (absent) Error() string        { return "no such data key in the key vault" }
func (absent) Is(target error) bool { return target == mongo.ErrNoDocuments }

// Store is a key vault. It is safe for concurrent use; every method returns promptly when ctx ends.
//
// An error of type *Error says that the vault could not be reached or refused the operation. Other errors are about a document
// or an argument.
type Store interface {
	// Fetch returns every data key whose _id is in ids or that carries one of altNames.
	Fetch(ctx context.Context, ids []payload.KeyID, altNames []string) ([]*DataKey, error)
	// Find returns every data key that filter matches: any value that the driver can marshal to a document; nil is an error.
	Find(ctx context.Context, filter any) ([]*DataKey, error)
	// Insert adds a data key. A key or an alt name that exists already is an error for which mongo.IsDuplicateKeyError is true,
	// as far as the server enforces it.
	Insert(ctx context.Context, key *DataKey) error
	// Delete removes a data key and returns how many there were: 0 or 1.
	Delete(ctx context.Context, id payload.KeyID) (deleted int64, err error)
	// AddKeyAltName gives a data key one more name. It returns the data key as it was before; ErrNotFound when there is none.
	// A name that the key already has changes nothing.
	AddKeyAltName(ctx context.Context, id payload.KeyID, name string) (*DataKey, error)
	// RemoveKeyAltName takes a name from a data key. It returns the data key as it was before; ErrNotFound when there is none. A name that
	// the key does not have changes nothing.
	RemoveKeyAltName(ctx context.Context, id payload.KeyID, name string) (*DataKey, error)
	// Rewrap stores new wrappings, in order, and sets updateDate to the server's time. It is not atomic: after an error the keys
	// counted in the result have their new wrapping, the others the old one. Keys that no longer exist are passed over.
	Rewrap(ctx context.Context, keys []Rewrapped) (*mongo.BulkWriteResult, error)
}

// Rewrapped is the new wrapping of a data key.
type Rewrapped struct {
	ID          payload.KeyID
	KeyMaterial []byte
	MasterKey   bson.Raw // with "provider"
}

// check refuses what would make the data key unreadable.
func (r Rewrapped) check() error {
	if len(r.KeyMaterial) == 0 {
		return fmt.Errorf("data key %s: no new key material", r.ID)
	}
	if err := bsonraw.Validate(r.MasterKey); err != nil {
		return fmt.Errorf("data key %s: new masterKey: %w", r.ID, err)
	}
	if _, err := parseMasterKey(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: r.MasterKey}); err != nil {
		return fmt.Errorf("data key %s: new wrapping: %w", r.ID, err)
	}
	return nil
}

func checkRewrapped(keys []Rewrapped) error {
	for _, k := range keys {
		if err := k.check(); err != nil {
			return err
		}
	}
	return nil
}

func notFound(id payload.KeyID) error {
	return fmt.Errorf("data key %s: %w", id, ErrNotFound)
}
