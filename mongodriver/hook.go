package mongodriver

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/mongocrypt/options"

	"github.com/fieldcrypt/fieldcrypt"
)

// hook is an engine as the driver's operations call it.
type hook struct {
	engine  *fieldcrypt.AutoEncryption
	clients *clients
	bypass  bool
}

var _ driver.Crypt = (*hook)(nil)

// Encrypt implements driver.Crypt.
func (h *hook) Encrypt(ctx context.Context, db string, cmd bsoncore.Document) (bsoncore.Document, error) {
	out, err := h.engine.Encrypt(ctx, db, bson.Raw(cmd))
	return bsoncore.Document(out), err
}

// Decrypt implements driver.Crypt.
func (h *hook) Decrypt(ctx context.Context, reply bsoncore.Document) (bsoncore.Document, error) {
	out, err := h.engine.Decrypt(ctx, bson.Raw(reply))
	return bsoncore.Document(out), err
}

// BypassAutoEncryption implements driver.Crypt: true keeps the driver from calling Encrypt, and from the limits that go with it.
func (h *hook) BypassAutoEncryption() bool { return h.bypass }

// Close implements driver.Crypt; mongo.Client.Disconnect calls it.
func (h *hook) Close() {
	h.engine.Close()
	h.clients.close()
}

// errExplicit answers the rest of driver.Crypt, which the driver only calls on the hook of its own ClientEncryption.
var errExplicit = errors.New("the hook of a client does automatic encryption only: use fieldcrypt.ClientEncryption")

// CreateDataKey implements driver.Crypt; it is an error.
func (*hook) CreateDataKey(context.Context, string, *options.DataKeyOptions) (bsoncore.Document, error) {
	return nil, errExplicit
}

// EncryptExplicit implements driver.Crypt; it is an error.
func (*hook) EncryptExplicit(context.Context, bsoncore.Value, *options.ExplicitEncryptionOptions) (byte, []byte, error) {
	return 0, nil, errExplicit
}

// EncryptExplicitExpression implements driver.Crypt; it is an error.
func (*hook) EncryptExplicitExpression(context.Context, bsoncore.Document, *options.ExplicitEncryptionOptions) (bsoncore.Document, error) {
	return nil, errExplicit
}

// DecryptExplicit implements driver.Crypt; it is an error.
func (*hook) DecryptExplicit(context.Context, byte, []byte) (bsoncore.Value, error) {
	return bsoncore.Value{}, errExplicit
}

// RewrapDataKey implements driver.Crypt; it is an error.
func (*hook) RewrapDataKey(context.Context, []byte, *options.RewrapManyDataKeyOptions) ([]bsoncore.Document, error) {
	return nil, errExplicit
}
