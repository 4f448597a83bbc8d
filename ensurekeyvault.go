package fieldcrypt

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
)

// EnsureKeyVault creates the unique index on keyAltNames that a key vault needs, and with it the collection; it changes nothing where they
// exist. See [keyvault.MongoStore.EnsureIndex] for servers without partial indexes. It returns the index that there is now.
//
// When two data keys have the same alt name already it is an error for which mongo.IsDuplicateKeyError is true: CheckKeyVault finds them.
func (ce *ClientEncryption) EnsureKeyVault(ctx context.Context) (keyvault.Index, error) {
	if ce.closed.Load() {
		return "", mongo.ErrClientDisconnected
	}
	indexer, ok := ce.store.(keyvault.Indexer)
	if !ok {
		return "", fmt.Errorf("ensuring the key vault: a %T has no indexes", ce.store)
	}
	if index, err := indexer.Index(ctx); err != nil || index != keyvault.IndexMissing {
		return index, err
	}
	partial, err := indexer.EnsureIndex(ctx)
	var server mongo.ServerError
	const optionsConflict, keySpecsConflict = 85, 86
	switch {
	case mongo.IsDuplicateKeyError(err):
		return keyvault.IndexMissing, fmt.Errorf("ensuring the key vault: two data keys have the same alt name, CheckKeyVault says which: %w", err)
	case errors.As(err, &server) && (server.HasErrorCode(optionsConflict) || server.HasErrorCode(keySpecsConflict)):
		return keyvault.IndexMissing, fmt.Errorf("ensuring the key vault: there is another index on keyAltNames, which is not unique; drop it and try again: %w", err)
	case err != nil:
		return "", fmt.Errorf("ensuring the key vault: %w", err)
	case partial:
		return keyvault.IndexPartial, nil
	}
	return keyvault.IndexSparse, nil
}
