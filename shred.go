package fieldcrypt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// ShredOptions says what goes into the receipt.
type ShredOptions struct {
	// RequestedBy says who asked for it, such as the number of an erasure request. It stands in the receipt as it is. Default "".
	RequestedBy string
	// KeyExpiration is the longest that any client of this key vault, in any process, uses an unwrapped key for: its KeyExpiration and
	// KeyStale. 0 is for ever. Default (nil): what this client has.
	KeyExpiration *time.Duration
}

// ShredReceipt says that a data key was destroyed. It holds no key material, wrapped or not, and can be marshalled as BSON and JSON.
type ShredReceipt struct {
	KeyID       string    `bson:"keyId" json:"keyId"` // the UUID's canonical text
	KeyAltNames []string  `bson:"keyAltNames" json:"keyAltNames"`
	RequestedBy string    `bson:"requestedBy" json:"requestedBy"`
	DeletedAt   time.Time `bson:"deletedAt" json:"deletedAt"` // by this machine's clock, after the deletion; UTC, milliseconds
	// Verified says that a read with majority read concern found neither the key nor another one with any of its alt names.
	Verified bool `bson:"verified" json:"verified"`
	// CachesExpire is until when clients that had unwrapped the key before may still use it from memory, if their KeyExpiration is that of
	// ShredOptions. nil: until they are closed.
	CachesExpire *time.Time `bson:"cachesExpire" json:"cachesExpire"`
	// DocumentSHA256 is the SHA-256 of the deleted document's BSON, all its bytes as the server stored them, in hexadecimal digits: proves which
	// document of a backup it was. In a mongodump of the key vault, DB/COLL.bson, documents stand one after the other, each beginning with its
	// length (int32, little-endian): hash each of them.
	DocumentSHA256 string `bson:"documentSHA256" json:"documentSHA256"`
}

// ShredError says that a data key was deleted but that the proof is missing: the receipt that comes with it has Verified false.
type ShredError struct {
	KeyID payload.KeyID
	Left  []payload.KeyID // data keys that have its id or one of its alt names: part of the data may be encrypted with them
	Err   error           // why the key vault could not be read afterwards, or nil
}

func (e *ShredError) Error() string {
	text := fmt.Sprintf("data key %s was deleted, but that is not verified: ", e.KeyID)
	switch {
	case e.Err != nil:
		return text + e.Err.Error()
	case len(e.Left) > 0 && e.Left[0] != e.KeyID:
		return text + fmt.Sprintf("data key %s has one of its alt names; see whether it must be shredded too", e.Left[0])
	}
	return text + "it is in the key vault again or still"
}

// Unwrap returns Err.
func (e *ShredError) Unwrap() error { return e.Err }

// ShredKey destroys a data key, and with it everything that it encrypted (crypto-shredding): it deletes the key's document whatever its shape,
// drops the key from the memory of this client and of those that share its KeyCaches, and verifies with a majority read that neither the
// key nor another one with any of its alt names is there.
//
// Two places it does not reach. Clients in other processes that have unwrapped the key use it until their KeyExpiration is over: the receipt says when
// (CachesExpire); until then they can also encrypt with it. And backups of the key vault have its document: the receipt's hash finds it there.
// Whoever may not wait for either must destroy the master key in the KMS.
//
// The error wraps [keyvault.ErrNotFound] when there is no such key; it is a *[ShredError], with a receipt, when the key was deleted but that
// could not be verified. After another error of the key vault it is not known whether the key was deleted: call it again.
//
// A receipt cannot be made later, so the verification goes on for 10 seconds at most when ctx ends during the deletion. When the key vault's
// answer to the deletion is lost and the key turns out to be gone, the receipt is about the document as it was read immediately before.
func (ce *ClientEncryption) ShredKey(ctx context.Context, id bson.Binary, opts ShredOptions) (*ShredReceipt, error) {
	if ce.closed.Load() {
		return nil, mongo.ErrClientDisconnected
	}
	parsed, err := keyID(id)
	if err != nil {
		return nil, err
	}
	doc, unverified, err := ce.takeKey(ctx, parsed)
	if err != nil {
		return nil, fmt.Errorf("shredding data key %s: %w", parsed, err)
	}
	names := altNames(doc)
	hash := sha256.Sum256(doc)
	receipt := &ShredReceipt{
		KeyID:          parsed.String(),
		KeyAltNames:    names,
		RequestedBy:    opts.RequestedBy,
		DeletedAt:      time.Now().UTC().Truncate(time.Millisecond),
		DocumentSHA256: hex.EncodeToString(hash[:]),
	}
	remembers := ce.remembers
	if opts.KeyExpiration != nil {
		remembers = *opts.KeyExpiration
	}
	if remembers != 0 {
		end := receipt.DeletedAt.Add(remembers + time.Millisecond) // rounded up
		receipt.CachesExpire = &end
	}
	receipt.Verified = unverified == nil
	return receipt, unverified
}

// takeKey deletes a data key and returns the document; unverified says why it is not certain that it is gone, and is nil if it is.
func (ce *ClientEncryption) takeKey(ctx context.Context, id payload.KeyID) (doc bson.Raw, unverified, err error) {
	var before bson.Raw
	err = ce.store.Scan(ctx, bson.D{{Key: "_id", Value: id.Binary()}}, func(doc bson.Raw) error {
		before = bytes.Clone(doc)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	doc, err = ce.store.Take(ctx, id)
	ce.keys.Forget(id, altNames(doc)...)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), outcomeTimeout)
	defer cancel()
	if err != nil {
		if before == nil || !unanswered(err) || ce.verifyGone(ctx, id, nil) != nil {
			return nil, nil, err
		}
		doc = before
	}
	return doc, ce.verifyGone(ctx, id, altNames(doc)), nil
}

func (ce *ClientEncryption) verifyGone(ctx context.Context, id payload.KeyID, names []string) error {
	left, err := ce.store.Fetch(ctx, []payload.KeyID{id}, names)
	if len(left) == 0 && err == nil {
		return nil
	}
	gone := &ShredError{KeyID: id, Err: err}
	for _, key := range left {
		gone.Left = append(gone.Left, key.ID)
	}
	return gone
}

// altNames reads what can be read of a document's names; the document may be damaged.
func altNames(doc bson.Raw) []string {
	names := []string{}
	list, ok := doc.Lookup("keyAltNames").ArrayOK()
	if !ok {
		return names
	}
	values, _ := list.Values()
	for _, v := range values {
		if name, ok := v.StringValueOK(); ok {
			names = append(names, name)
		}
	}
	return names
}

// ForgetKey drops a data key from the engine's memory: for one that was deleted or shredded by other means than a client that shares its
// KeyCaches. Commands that have got the key already finish with it.
func (e *AutoEncryption) ForgetKey(id bson.Binary) error {
	parsed, err := keyID(id)
	if err != nil {
		return err
	}
	e.keys.Forget(parsed)
	return nil
}
