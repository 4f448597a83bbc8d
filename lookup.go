package fieldcrypt

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// lookupKey marks a context in which an engine looks something up (keys, collections) to serve a command. The look-up may go
// through the very client that this engine serves; the mark keeps it from asking for keys in order to fetch keys.
type lookupKey struct{ engine *AutoEncryption }

func (e *AutoEncryption) markLookup(ctx context.Context) context.Context {
	return context.WithValue(withoutSession(ctx), lookupKey{e}, true)
}

func (e *AutoEncryption) isLookup(ctx context.Context) bool { return ctx.Value(lookupKey{e}) != nil }

// withoutSession hides an explicit session: it may belong to another client, and a look-up must not join its transaction.
func withoutSession(ctx context.Context) context.Context {
	if mongo.SessionFromContext(ctx) == nil {
		return ctx
	}
	return mongo.NewSessionContext(ctx, nil)
}

// lookupStore is a key vault whose fetches run in a context of their own.
type lookupStore struct {
	keyvault.Store
	context func(context.Context) context.Context
}

func (s lookupStore) Fetch(ctx context.Context, ids []payload.KeyID, altNames []string) ([]*keyvault.DataKey, error) {
	return s.Store.Fetch(s.context(ctx), ids, altNames)
}
