package fieldcrypt

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// DataKeyOptions configures a new data key; the zero value is useful with a local master key.
type DataKeyOptions struct {
	// MasterKey names the master key in the KMS: any value that bson.Marshal makes a document of, with the fields the provider asks for
	// (for aws: region, key, endpoint). Default nil, which only the local provider accepts.
	MasterKey any
	// KeyAltNames are other names of the data key, unique in the key vault. Default none.
	KeyAltNames []string
	// KeyMaterial is the data key itself, 96 bytes, for keys that must come from elsewhere. Default nil: random bytes.
	KeyMaterial []byte
}

// CreateDataKey makes a data key, wraps it with the KMS provider of that id and inserts it into the key vault. It returns the key's _id,
// binary of subtype 4 (a random UUID). An alt name that is taken is an error for which mongo.IsDuplicateKeyError is true, if the key vault
// has its unique index.
//
// When the key vault's answer is lost it is asked whether it has the key. If that is not known then either, or the key is not there (yet), the
// _id comes alongside the error: GetKey tells later.
func (ce *ClientEncryption) CreateDataKey(ctx context.Context, kmsProvider string, opts DataKeyOptions) (bson.Binary, error) {
	if ce.closed.Load() {
		return bson.Binary{}, mongo.ErrClientDisconnected
	}
	if err := opts.check(); err != nil {
		return bson.Binary{}, err
	}
	material := opts.KeyMaterial
	if material == nil {
		material = make([]byte, payload.KeySize)
		defer clear(material)
		if _, err := rand.Read(material); err != nil {
			return bson.Binary{}, err
		}
	}
	id, err := newKeyID()
	if err != nil {
		return bson.Binary{}, err
	}
	wrapped, err := ce.wrap(ctx, kmsProvider, opts.MasterKey, material)
	if err != nil {
		return bson.Binary{}, fmt.Errorf("creating a data key: %w", err)
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	defer ce.keys.ForgetAltNames(opts.KeyAltNames...) // they may have been another key's
	key := &keyvault.DataKey{
		ID:           id,
		KeyAltNames:  opts.KeyAltNames,
		KeyMaterial:  wrapped.KeyMaterial,
		CreationDate: now,
		UpdateDate:   now,
		MasterKey:    wrapped.MasterKey,
	}
	err = ce.store.Insert(ctx, key)
	switch {
	case err == nil, ce.isStored(ctx, key, err):
		return id.Binary(), nil
	case unanswered(err):
		return id.Binary(), fmt.Errorf("creating data key %s, which may be in the key vault now or not: %w", id, err)
	}
	return bson.Binary{}, fmt.Errorf("creating a data key: %w", err)
}

// isStored says whether key is in the key vault although its insertion failed: the answer may have been lost, and the driver may have sent
// it again and found it a duplicate of itself.
func (ce *ClientEncryption) isStored(ctx context.Context, key *keyvault.DataKey, err error) bool {
	if !unanswered(err) && !mongo.IsDuplicateKeyError(err) {
		return false
	}
	found, err := ce.store.Fetch(ctx, []payload.KeyID{key.ID}, nil)
	return err == nil && len(found) == 1 && bytes.Equal(found[0].KeyMaterial, key.KeyMaterial)
}

// unanswered says that it is not known whether a write of the key vault was done.
func unanswered(err error) bool {
	var vault *keyvault.Error
	return errors.As(err, &vault) && !answered(vault)
}

func (o DataKeyOptions) check() error {
	if o.KeyMaterial != nil && len(o.KeyMaterial) != payload.KeySize {
		return fmt.Errorf("keyMaterial should have length %d, but has length %d", payload.KeySize, len(o.KeyMaterial))
	}
	seen := make(map[string]bool)
	for _, name := range o.KeyAltNames {
		if err := checkAltName(name); err != nil {
			return err
		}
		if seen[name] {
			return errors.New("duplicate keyAltNames found")
		}
		seen[name] = true
	}
	return nil
}

// checkAltName refuses the empty name: options and schemas mean no name by it, so such a key could not be asked for. Servers take text that is
// not UTF-8, but nobody can read a key with such a name.
func checkAltName(name string) error {
	switch {
	case name == "":
		return errors.New("key alt name must not be empty")
	case !utf8.ValidString(name):
		return errors.New("key alt name must be UTF-8")
	}
	return nil
}

// wrap encrypts a data key. The result's master key has its provider, as the key vault stores it.
func (ce *ClientEncryption) wrap(ctx context.Context, kmsProvider string, masterKey any, material []byte) (kms.Wrapped, error) {
	provider, err := ce.providers.Provider(kmsProvider)
	if err != nil {
		return kms.Wrapped{}, err
	}
	doc, err := masterKeyFields(kmsProvider, masterKey)
	if err != nil {
		return kms.Wrapped{}, err
	}
	w, err := provider.WrapKey(ctx, doc, material)
	if err != nil {
		return kms.Wrapped{}, fmt.Errorf("wrapping a data key with KMS provider %s: %w", kmsProvider, err)
	}
	if w.MasterKey, err = withProvider(kmsProvider, w.MasterKey); err != nil {
		return kms.Wrapped{}, err
	}
	return w, nil
}

// masterKeyFields is a user's masterKey as BSON without "provider", which the KMS's own code does not want; nil when there is none.
func masterKeyFields(kmsProvider string, masterKey any) (bson.Raw, error) {
	if masterKey == nil {
		return nil, nil
	}
	raw, err := marshalDocument(masterKey)
	if err != nil {
		return nil, fmt.Errorf("masterKey: %w", err)
	}
	dst, start := bsonraw.Begin(nil)
	it := bsonraw.Iterate(raw)
	for it.Next() {
		if string(it.Element.Key) != "provider" {
			dst = append(dst, it.Element.Raw...)
			continue
		}
		if named, ok := it.Element.RawValue().StringValueOK(); !ok || named != kmsProvider {
			return nil, fmt.Errorf("masterKey: its provider is not %q, the KMS provider asked for", kmsProvider)
		}
	}
	return bsonraw.End(dst, start), it.Err
}

func withProvider(kmsProvider string, masterKey bson.Raw) (bson.Raw, error) {
	doc := bson.D{{Key: "provider", Value: kmsProvider}}
	if len(masterKey) > 0 {
		it := bsonraw.Iterate(masterKey)
		for it.Next() {
			doc = append(doc, bson.E{Key: string(it.Element.Key), Value: it.Element.RawValue()})
		}
		if it.Err != nil {
			return nil, fmt.Errorf("the master key that KMS provider %s returned: %w", kmsProvider, it.Err)
		}
	}
	return bson.Marshal(doc)
}

// marshalDocument makes BSON of a document that a user gave. bson.Raw is taken as it is.
func marshalDocument(doc any) (bson.Raw, error) {
	raw, ok := doc.(bson.Raw)
	if !ok {
		var err error
		if raw, err = bson.Marshal(doc); err != nil {
			return nil, fmt.Errorf("a %T cannot be written as a BSON document", doc)
		}
	}
	return raw, bsonraw.Validate(raw)
}

// newKeyID makes a random (version 4) UUID.
func newKeyID() (id payload.KeyID, err error) {
	_, err = rand.Read(id[:])
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id, err
}

func keyID(id bson.Binary) (payload.KeyID, error) {
	parsed, err := payload.KeyIDFromBinary(id)
	if err != nil {
		return parsed, fmt.Errorf("key id: expected 16 byte UUID: %w", err)
	}
	return parsed, nil
}

// GetKey returns the data key of that _id; an error that wraps [keyvault.ErrNotFound] when there is none.
func (ce *ClientEncryption) GetKey(ctx context.Context, id bson.Binary) (*keyvault.DataKey, error) {
	parsed, err := keyID(id)
	if err != nil {
		return nil, err
	}
	return ce.findOne(ctx, bson.D{{Key: "_id", Value: parsed.Binary()}}, "data key "+parsed.String())
}

// GetKeyByAltName returns the data key of that name; an error that wraps [keyvault.ErrNotFound] when there is none.
func (ce *ClientEncryption) GetKeyByAltName(ctx context.Context, keyAltName string) (*keyvault.DataKey, error) {
	return ce.findOne(ctx, bson.D{{Key: "keyAltNames", Value: keyAltName}}, fmt.Sprintf("data key with alt name %q", keyAltName))
}

func (ce *ClientEncryption) findOne(ctx context.Context, filter bson.D, what string) (*keyvault.DataKey, error) {
	if ce.closed.Load() {
		return nil, mongo.ErrClientDisconnected
	}
	keys, err := ce.store.Find(ctx, filter)
	switch {
	case err != nil:
		return nil, err
	case len(keys) == 0:
		return nil, fmt.Errorf("%s: %w", what, keyvault.ErrNotFound)
	case len(keys) > 1:
		return nil, fmt.Errorf("%s: the key vault has %d of them; a unique index on keyAltNames prevents this", what, len(keys))
	}
	return keys[0], nil
}

// GetKeys returns all data keys of the key vault. A *[keyvault.UnreadableError] comes alongside them: it names the documents that are not data
// keys.
func (ce *ClientEncryption) GetKeys(ctx context.Context) ([]*keyvault.DataKey, error) {
	if ce.closed.Load() {
		return nil, mongo.ErrClientDisconnected
	}
	return ce.store.Find(ctx, bson.D{})
}

// AddKeyAltName gives a data key one more name and returns the data key as it was before; an error that wraps
// [keyvault.ErrNotFound] when there is none.
func (ce *ClientEncryption) AddKeyAltName(ctx context.Context, id bson.Binary, keyAltName string) (*keyvault.DataKey, error) {
	return ce.changeAltName(ctx, id, keyAltName, ce.store.AddKeyAltName)
}

// RemoveKeyAltName takes a name from a data key and returns the data key as it was before; an error that wraps
// [keyvault.ErrNotFound] when there is none.
func (ce *ClientEncryption) RemoveKeyAltName(ctx context.Context, id bson.Binary, keyAltName string) (*keyvault.DataKey, error) {
	return ce.changeAltName(ctx, id, keyAltName, ce.store.RemoveKeyAltName)
}

func (ce *ClientEncryption) changeAltName(ctx context.Context, id bson.Binary, name string,
	change func(context.Context, payload.KeyID, string) (*keyvault.DataKey, error),
) (*keyvault.DataKey, error) {
	if ce.closed.Load() {
		return nil, mongo.ErrClientDisconnected
	}
	parsed, err := keyID(id)
	if err != nil {
		return nil, err
	}
	if err := checkAltName(name); err != nil {
		return nil, err
	}
	defer ce.keys.ForgetAltNames(name)
	return change(ctx, parsed, name)
}

// DeleteKey removes a data key and returns how many there were: 0 or 1. What it encrypted cannot be decrypted any more, by anybody, once no
// backup of the key vault and no client's memory holds the key (clients keep keys for KeyExpiration). ShredKey does the same with proof.
func (ce *ClientEncryption) DeleteKey(ctx context.Context, id bson.Binary) (int64, error) {
	if ce.closed.Load() {
		return 0, mongo.ErrClientDisconnected
	}
	parsed, err := keyID(id)
	if err != nil {
		return 0, err
	}
	defer ce.keys.Forget(parsed)
	return ce.store.Delete(ctx, parsed)
}
