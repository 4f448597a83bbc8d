package keyvault

import (
	"bytes"
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
// or an argument. One of type *UnreadableError comes alongside a result: documents among those asked for are not data keys.
type Store interface {
	// Fetch returns every data key whose _id is in ids or that carries one of altNames, and perhaps an *UnreadableError.
	Fetch(ctx context.Context, ids []payload.KeyID, altNames []string) ([]*DataKey, error)
	// Find returns every data key that filter matches, and perhaps an *UnreadableError. filter is any value that the driver can marshal to a
	// document; nil is an error.
	Find(ctx context.Context, filter any) ([]*DataKey, error)
	// Scan calls each with every document that filter matches, data key or not, holding few of them in memory at a time. each must not keep
	// doc; an error of its ends the scan and is returned. A document that changes during the scan may come in either state, or twice.
	Scan(ctx context.Context, filter any, each func(doc bson.Raw) error) error
	// Insert adds a data key. A key or an alt name that exists already is an error for which mongo.IsDuplicateKeyError is true,
	// as far as the server enforces it.
	Insert(ctx context.Context, key *DataKey) error
	// Delete removes a data key and returns how many there were: 0 or 1.
	Delete(ctx context.Context, id payload.KeyID) (deleted int64, err error)
	// Take removes the document with this _id, data key or not, and returns it as it was stored; ErrNotFound when there is none.
	Take(ctx context.Context, id payload.KeyID) (bson.Raw, error)
	// AddKeyAltName gives a data key one more name. It returns the data key as it was before; ErrNotFound when there is none.
	// A name that the key already has changes nothing.
	AddKeyAltName(ctx context.Context, id payload.KeyID, name string) (*DataKey, error)
	// RemoveKeyAltName takes a name from a data key. It returns the data key as it was before; ErrNotFound when there is none. A name that
	// the key does not have changes nothing.
	RemoveKeyAltName(ctx context.Context, id payload.KeyID, name string) (*DataKey, error)
	// Rewrap stores new wrappings, in order, and sets updateDate to the server's time. It is not atomic: after an error the keys
	// counted in the result have their new wrapping, the others the old one. Keys that no longer exist, or are not what they Was, are
	// passed over.
	Rewrap(ctx context.Context, keys []Rewrapped) (*mongo.BulkWriteResult, error)
}

// Indexer is a Store that can have the unique index on keyAltNames.
type Indexer interface {
	// EnsureIndex creates the index unless it exists; partial is false if it is a sparse one, for want of partial indexes.
	EnsureIndex(ctx context.Context) (partial bool, err error)
	// Index says what index there is.
	Index(ctx context.Context) (Index, error)
}

// Index is what keeps two data keys from having the same alt name.
type Index string

const (
	IndexMissing Index = "missing" // nothing does
	IndexPartial Index = "partial" // the unique partial index of the MongoDB manual
	IndexSparse  Index = "sparse"  // a unique sparse index, which means the same on most servers; see MongoStore.EnsureIndex
)

// Rewrapped is the new wrapping of a data key.
type Rewrapped struct {
	ID          payload.KeyID
	KeyMaterial []byte
	MasterKey   bson.Raw // with "provider"
	// Was is the data key from which the new wrapping was made. If set, a document whose keyMaterial or masterKey is another one by now is
	// left as it is: somebody else has rewrapped it meanwhile, perhaps because the master key of this wrapping is to be destroyed.
	Was *DataKey
}

// replaces says whether the new wrapping may be written over key.
func (r Rewrapped) replaces(key *DataKey) bool {
	return r.Was == nil || bytes.Equal(r.Was.KeyMaterial, key.KeyMaterial) && bytes.Equal(r.Was.MasterKey, key.MasterKey)
}

// check refuses what would make the data key unreadable.
func (r Rewrapped) check() error {
	if len(r.KeyMaterial) == 0 {
		return fmt.Errorf("data key %s: no new key material", r.ID)
	}
	if r.Was != nil && (r.Was.ID != r.ID || len(r.Was.KeyMaterial) == 0) {
		return fmt.Errorf("data key %s: made from another key, or from one without key material", r.ID)
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
