package fieldcrypt

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// EncryptionKeyID is the id of the data key with which Encrypt would encrypt now, binary of subtype 4. The key is there and can be unwrapped:
// otherwise the error is the one that Encrypt would return. It tells whether a ciphertext is under the key that an alt name means.
func (ce *ClientEncryption) EncryptionKeyID(ctx context.Context, opts EncryptOptions) (bson.Binary, error) {
	if ce.closed.Load() {
		return bson.Binary{}, mongo.ErrClientDisconnected
	}
	if _, err := opts.check(); err != nil {
		return bson.Binary{}, err
	}
	id, _, err := ce.encryptionKey(ctx, &opts)
	if err != nil {
		return bson.Binary{}, err
	}
	return id.Binary(), nil
}
