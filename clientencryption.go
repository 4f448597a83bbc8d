package fieldcrypt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/local"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// ClientEncryptionOptions configures explicit encryption.
type ClientEncryptionOptions struct {
	// KeyVaultNamespace is the key vault's collection as "db.collection". Required with a key vault client.
	KeyVaultNamespace string
	// KeyVault is a key vault to use instead of a client and a namespace, such as keyvault.NewMemoryStore().
	KeyVault keyvault.Store

	// KmsProviders holds, by provider id ("local", "aws", "local:tenant1"), what the KMS needs to be reached. Required.
	KmsProviders map[string]map[string]any
	// KmsTypes are the kinds of KMS that KmsProviders may name, besides local, which is always there.
	KmsTypes []kms.Type

	// KeyExpiration is how long an unwrapped data key is kept in memory. Default (nil) 60 s; 0 means for ever.
	KeyExpiration *time.Duration
	// KeyStale is how much longer a data key is used while it is fetched again in the background, so that nobody waits for a key that is used
	// all the time. A deleted key may work that much longer. Default 0.
	KeyStale time.Duration
	// KeyCacheSize is how many unwrapped data keys are kept in memory, of about 3 kB each. Default 0: 10,000.
	KeyCacheSize int
	// KeyCaches, if set, is shared by clients of this process that use the same key vault: a data key that one of them deletes, shreds or
	// renames leaves the memory of all. Default nil.
	KeyCaches *keyvault.Group
	// Logger gets warnings with key ids, never values. Default nil: nothing is logged.
	Logger *slog.Logger
}

// ClientEncryption encrypts and decrypts single values and manages data keys. Its methods are those of the official driver's type
// of that name, with structs for options. It is safe for concurrent use.
//
// After Close every method returns [mongo.ErrClientDisconnected].
type ClientEncryption struct {
	client    *mongo.Client // nil when the key vault was given
	store     keyvault.Store
	providers *kms.Providers
	keys      *keyvault.Cache
	remembers time.Duration // how long a data key stays usable in memory after it was fetched; 0 is for ever
	closed    atomic.Bool
}

// NewClientEncryption makes a ClientEncryption on the key vault collection that keyVaultClient and opts.KeyVaultNamespace name, or,
// when keyVaultClient is nil, on opts.KeyVault. keyVaultClient should not encrypt automatically; Close disconnects it.
//
// The key vault needs a unique index on keyAltNames: EnsureKeyVault makes it.
func NewClientEncryption(keyVaultClient *mongo.Client, opts ClientEncryptionOptions) (*ClientEncryption, error) {
	providers, err := openProviders(opts.KmsProviders, opts.KmsTypes)
	if err != nil {
		return nil, err
	}
	store, err := openStore(keyVaultClient, opts)
	if err != nil {
		return nil, err
	}
	return &ClientEncryption{
		client:    keyVaultClient,
		store:     store,
		providers: providers,
		keys: keyvault.NewCache(lookupStore{store, withoutSession}, providers, keyvault.CacheOptions{
			Namespace:  opts.KeyVaultNamespace,
			Expiration: opts.KeyExpiration,
			Stale:      opts.KeyStale,
			Size:       opts.KeyCacheSize,
			Group:      opts.KeyCaches,
			Logger:     opts.Logger,
		}),
		remembers: opts.remembers(),
	}, nil
}

func (o ClientEncryptionOptions) remembers() time.Duration {
	stale := max(o.KeyStale, 0)
	switch {
	case o.KeyExpiration == nil:
		return 60*time.Second + stale
	case *o.KeyExpiration == 0:
		return 0
	}
	return max(*o.KeyExpiration, time.Nanosecond) + stale
}

func openStore(client *mongo.Client, opts ClientEncryptionOptions) (keyvault.Store, error) {
	switch {
	case opts.KeyVault == nil && client == nil:
		return nil, errors.New("keyVaultClient must not be nil, unless the option KeyVault is set")
	case opts.KeyVault == nil:
		return keyvault.NewMongoStore(client, opts.KeyVaultNamespace)
	case client != nil || opts.KeyVaultNamespace != "":
		return nil, errors.New("the option KeyVault excludes keyVaultClient and KeyVaultNamespace")
	}
	return opts.KeyVault, nil
}

// openProviders opens the configured KMS providers; local is always among the types.
func openProviders(config map[string]map[string]any, types []kms.Type) (*kms.Providers, error) {
	return kms.Open(config, append([]kms.Type{local.Type{}}, types...)...)
}

// EncryptOptions says how a value is encrypted: with one data key, named by id or by alt name, and an algorithm.
type EncryptOptions struct {
	// KeyID is the data key's _id: binary of subtype 4 with 16 bytes. Exactly one of KeyID and KeyAltName is required.
	KeyID *bson.Binary
	// KeyAltName is one of the data key's alternative names.
	KeyAltName string
	// Algorithm is "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic" or "AEAD_AES_256_CBC_HMAC_SHA_512-Random". Required.
	Algorithm string
}

// Encrypt encrypts a BSON value and returns binary of subtype 6, to be stored or queried in its place. bson.MarshalValue makes a
// BSON value of a Go value.
//
// Deterministic encryption takes neither double, decimal, bool, object, array nor javascriptWithScope; null, undefined, minKey, maxKey
// and binary of subtype 6 are never encrypted: such errors are a *[payload.TypeError]. An error about the data key is a *[keyvault.KeyError].
func (ce *ClientEncryption) Encrypt(ctx context.Context, val bson.RawValue, opts EncryptOptions) (bson.Binary, error) {
	data, err := ce.AppendEncrypt(ctx, nil, val, opts)
	if err != nil {
		return bson.Binary{}, err
	}
	return bson.Binary{Subtype: payload.Subtype, Data: data}, nil
}

// AppendEncrypt appends the content of the binary that Encrypt returns to dst: with [payload.Overhead] + 16 bytes more than the value to spare there, nothing
// is allocated. The spare capacity of dst must not overlap val. On error it returns dst as it was.
func (ce *ClientEncryption) AppendEncrypt(ctx context.Context, dst []byte, val bson.RawValue, opts EncryptOptions) ([]byte, error) {
	if ce.closed.Load() {
		return dst, mongo.ErrClientDisconnected
	}
	alg, err := opts.check()
	if err != nil {
		return dst, err
	}
	id, key, err := ce.encryptionKey(ctx, &opts)
	if err != nil {
		return dst, err
	}
	return key.AppendEncrypt(dst, alg, id, val)
}

func (o *EncryptOptions) check() (payload.Algorithm, error) {
	switch {
	case o.KeyID == nil && o.KeyAltName == "":
		return 0, errors.New("either key id or key alt name required")
	case o.KeyID != nil && o.KeyAltName != "":
		return 0, errors.New("cannot have both key id and key alt name")
	case o.Algorithm == "":
		return 0, errors.New("algorithm or index type required")
	}
	return payload.ParseAlgorithm(o.Algorithm)
}

func (ce *ClientEncryption) encryptionKey(ctx context.Context, opts *EncryptOptions) (payload.KeyID, *payload.Key, error) {
	if opts.KeyID != nil {
		id, err := keyID(*opts.KeyID)
		if err != nil {
			return id, nil, err
		}
		key, err := ce.key(ctx, id)
		return id, key, err
	}
	if id, key, ok := ce.keys.LookupAltName(opts.KeyAltName); ok {
		return id, key, nil
	}
	keys, err := ce.keys.Load(ctx, keyvault.Request{AltNames: []string{opts.KeyAltName}})
	if err != nil {
		return payload.KeyID{}, nil, fmt.Errorf("loading the data key with alt name %q: %w", opts.KeyAltName, err)
	}
	return keys.KeyByAltName(opts.KeyAltName)
}

// key gives a data key from memory or from the key vault.
func (ce *ClientEncryption) key(ctx context.Context, id payload.KeyID) (*payload.Key, error) {
	if key, ok := ce.keys.Lookup(id); ok {
		return key, nil
	}
	keys, err := ce.keys.Load(ctx, keyvault.Request{IDs: []payload.KeyID{id}})
	if err != nil {
		return nil, fmt.Errorf("loading data key %s: %w", id, err)
	}
	return keys.Key(id)
}

// Decrypt decrypts binary of subtype 6 and returns the BSON value. A value that was altered or belongs to another key is an error that
// wraps [payload.ErrAuthentication]; an error about the data key is a *[keyvault.KeyError].
func (ce *ClientEncryption) Decrypt(ctx context.Context, val bson.Binary) (bson.RawValue, error) {
	value, t, err := ce.AppendDecrypt(ctx, nil, val)
	if err != nil {
		return bson.RawValue{}, err
	}
	return bson.RawValue{Type: t, Value: value}, nil
}

// AppendDecrypt appends the bytes of the value that Decrypt returns to dst, and also returns its type: with as many bytes to spare there as val has, nothing
// is allocated. The spare capacity of dst must not overlap val. On error it returns dst as it was.
func (ce *ClientEncryption) AppendDecrypt(ctx context.Context, dst []byte, val bson.Binary) ([]byte, bson.Type, error) {
	if ce.closed.Load() {
		return dst, 0, mongo.ErrClientDisconnected
	}
	if val.Subtype != payload.Subtype {
		return dst, 0, fmt.Errorf("decryption expected BSON binary subtype 6, got %d", val.Subtype)
	}
	if decryptable(val.Data) && !inCSFLE(val.Data) {
		return dst, 0, fmt.Errorf("decrypting a value: %w", errQueryable)
	}
	c, err := payload.ParseCiphertext(val.Data)
	if err != nil {
		return dst, 0, err
	}
	key, err := ce.key(ctx, c.KeyID)
	if err != nil {
		return dst, 0, err
	}
	out, t, err := key.AppendDecryptContent(dst, val.Data)
	if err != nil {
		return dst, 0, fmt.Errorf("decrypting a value of data key %s: %w", c.KeyID, err)
	}
	return out, t, nil
}

// Close drops the data keys from memory and, like the official driver, disconnects the key vault client.
func (ce *ClientEncryption) Close(ctx context.Context) error {
	if ce.closed.Swap(true) {
		return mongo.ErrClientDisconnected
	}
	ce.keys.Close()
	if ce.client == nil {
		return nil
	}
	return ce.client.Disconnect(ctx)
}
