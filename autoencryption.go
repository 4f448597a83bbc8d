package fieldcrypt

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// Undecryptable says what automatic decryption does with a value whose data key is not in the key vault, whose KMS denies access or
// is not configured, or which belongs to Queryable Encryption. Whatever this says, a value that fails authentication or is
// malformed is an error, and so is a key vault or KMS that cannot be reached.
type Undecryptable int

const (
	// Keep leaves the value the BSON binary (subtype 6) it is, logs a warning with its key id and path, and counts it. This is what
	// lets a person's data be shredded by deleting a key, and readers hold only some of the keys.
	Keep Undecryptable = iota
	// Fail makes the command an error, as MongoDB's own drivers do.
	Fail
)

// AutoEncryptionOptions configures automatic encryption. Names and meanings follow AutoEncryptionOptions of the official driver.
//
// Some of the driver's options do not exist here: ExtraOptions, because commands are analysed in this process, without mongocryptd
// or crypt_shared; EncryptedFieldsMap, because it belongs to Queryable Encryption; TLS, HTTP and credential options, because each
// KMS type carries its own (see KmsTypes).
type AutoEncryptionOptions struct {
	// KeyVaultClient reaches the key vault. Default nil: the encrypted client's own deployment. It is not disconnected here, and
	// should not encrypt automatically itself. Used by package mongodriver.
	KeyVaultClient *mongo.Client
	// KeyVaultNamespace is the key vault's collection as "db.collection". Required by package mongodriver.
	KeyVaultNamespace string

	// KmsProviders holds, by provider id ("local", "aws", "local:tenant1"), what the KMS needs to be reached. Required.
	KmsProviders map[string]map[string]any
	// KmsTypes are the kinds of KMS that KmsProviders may name, besides local, which is always there.
	KmsTypes []kms.Type

	// SchemaMap holds encryption schemas by "db.collection": anything that bson.Marshal makes a document of, or a bson.Raw. A schema here
	// replaces the one in the collection's validator and is safe from a server that lies about it.
	SchemaMap map[string]any
	// Migrating holds, by "db.collection", the collections whose documents hold plaintext in encrypted fields, because they are being encrypted
	// while applications use them, and the step that each is in; docs/migration.md has the steps. Each needs an entry in SchemaMap. Default nil: a value of
	// an encrypted field is ciphertext, and plaintext is found by no query.
	//
	// Queries for a value of a deterministically encrypted field then ask for ciphertext and plaintext: the values that they compare with reach the
	// server IN CLEAR, as the documents do that are not encrypted yet. What cannot be right for both is refused (distinct, grouping and joins by
	// such a field, and upserts that leave it to the server to copy the value), and Allow has no effect. With schema.ReadBothWritePlain
	// new values are WRITTEN IN CLEAR, too; Logger gets a warning of it.
	Migrating map[string]schema.Migration

	// BypassAutoEncryption sends commands as they are, for explicit encryption; replies are still decrypted. Default false.
	BypassAutoEncryption bool
	// BypassQueryAnalysis sends commands with the values that are already encrypted and encrypts nothing itself, but still refuses
	// commands that automatic encryption never lets through. No schema is looked up. Default false.
	BypassQueryAnalysis bool

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
	// Undecryptable is what happens to values that cannot be decrypted. Default Keep.
	Undecryptable Undecryptable
	// UndecryptableCount, if set, is increased by the values that Keep leaves as they are: a metric to watch, since a key that is gone by
	// mistake shows there first. Default nil: counted by AutoEncryption.Undecryptable only.
	UndecryptableCount *atomic.Uint64
	// Rewrite is how much of a command changes. Default analyze.Minimal: only the encrypted values.
	Rewrite analyze.Rewrite
	// Allow lets pass what is refused because the server would answer by ciphertext. Default none.
	Allow analyze.Relaxation
	// Logger gets warnings with key ids and paths, never values. Default nil: nothing is logged.
	Logger *slog.Logger
}

// Collections tells what a database knows about its collections.
type Collections interface {
	// ListCollections runs the listCollections command with this filter and returns the documents of the answer.
	ListCollections(ctx context.Context, db string, filter bson.Raw) ([]bson.Raw, error)
}

// AutoEncryption encrypts commands and decrypts replies. It knows nothing about connections; package mongodriver plugs it into the
// official driver. It is safe for concurrent use.
//
// Errors are typed where a program can act: *[analyze.RefusedError] for a command that is not let through, *[schema.Error] for an
// unusable schema, *[keyvault.KeyError] for a data key that cannot be had; and [mongo.ErrClientDisconnected] after Close. Errors of the
// key vault's database and of a KMS are wrapped. No error holds a value, a ciphertext or key bytes.
type AutoEncryption struct {
	bypass         bool
	bypassAnalysis bool
	undecryptable  Undecryptable
	analysis       analyze.Options
	logger         *slog.Logger
	keys           *keyvault.Cache
	schemas        *schemaSource
	kept           *atomic.Uint64
	closed         atomic.Bool
	openers        sync.Pool // of *opener
	sealings       sync.Pool // of *sealing
}

// NewAutoEncryption makes an engine that takes data keys from store and, for collections without an entry in SchemaMap, the
// encryption schema from the collection's validator. With nil collections, a command on a collection without an entry is an error.
// KeyVaultClient is not used, and KeyVaultNamespace in errors only: they are for making a store.
func NewAutoEncryption(opts AutoEncryptionOptions, store keyvault.Store, collections Collections) (*AutoEncryption, error) {
	if store == nil {
		return nil, errors.New("automatic encryption needs a key vault")
	}
	if opts.Undecryptable != Keep && opts.Undecryptable != Fail {
		return nil, errors.New("the option Undecryptable must be Keep or Fail")
	}
	providers, err := openProviders(opts.KmsProviders, opts.KmsTypes)
	if err != nil {
		return nil, err
	}
	local, err := localSchemas(opts.SchemaMap)
	if err != nil {
		return nil, err
	}
	if err := migrate(local, opts); err != nil {
		return nil, err
	}
	e := &AutoEncryption{
		bypass:         opts.BypassAutoEncryption,
		bypassAnalysis: opts.BypassQueryAnalysis,
		undecryptable:  opts.Undecryptable,
		kept:           opts.UndecryptableCount,
		analysis:       analyze.Options{Rewrite: opts.Rewrite, Allow: opts.Allow},
		logger:         orDiscard(opts.Logger),
	}
	warnOfPlaintext(e.logger, opts.Migrating)
	if e.kept == nil {
		e.kept = new(atomic.Uint64)
	}
	e.schemas = newSchemaSource(local, collections, e.markLookup)
	e.keys = keyvault.NewCache(lookupStore{store, e.markLookup}, providers, keyvault.CacheOptions{
		Namespace:  opts.KeyVaultNamespace,
		Expiration: opts.KeyExpiration,
		Stale:      opts.KeyStale,
		Size:       opts.KeyCacheSize,
		Group:      opts.KeyCaches,
		Logger:     opts.Logger,
	})
	return e, nil
}

// Undecryptable is how many values were left as they are because they could not be decrypted: since the start, or by all engines that share
// an UndecryptableCount.
func (e *AutoEncryption) Undecryptable() uint64 { return e.kept.Load() }

// Close drops the data keys from memory. Commands, and replies with a ciphertext in them, are errors from then on.
func (e *AutoEncryption) Close() {
	if !e.closed.Swap(true) {
		e.keys.Close()
		e.schemas.close()
	}
}

func orDiscard(logger *slog.Logger) *slog.Logger {
	if logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return logger
}
