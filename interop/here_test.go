package interop

import (
	"context"
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
)

// side is one implementation, on the key vault that it shares with the other.
type side interface {
	create(t *testing.T, w wrapping, altNames ...string) bson.Binary
	encrypt(t *testing.T, v bson.RawValue, algorithm string, key bson.E) (bson.Binary, error)
	decrypt(t *testing.T, b bson.Binary) (bson.RawValue, error)
	rewrap(t *testing.T, key bson.Binary, w *wrapping) // nil: under the present master key
	byAltName(t *testing.T, name string) *bson.Binary
	addAltName(t *testing.T, key bson.Binary, name string)
	forget(t *testing.T)
}

// both returns fieldcrypt and libmongocrypt on a new key vault.
func both(t *testing.T, c *configuration) (*here, *peer) {
	t.Helper()
	uri, database := testserver.Start(t), testserver.Database(t)
	h := &here{c: c, uri: uri, namespace: database + ".__keyVault"}
	h.open(t)
	t.Cleanup(func() { _ = h.ce.Close(context.Background()) })
	return h, startPeer(t, c, uri, h.namespace)
}

// here is fieldcrypt.
type here struct {
	c              *configuration
	uri, namespace string
	ce             *fieldcrypt.ClientEncryption
}

func (h *here) open(t *testing.T) {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(h.uri))
	if err != nil {
		t.Fatal(err)
	}
	h.ce, err = fieldcrypt.NewClientEncryption(client, fieldcrypt.ClientEncryptionOptions{
		KeyVaultNamespace: h.namespace, KmsProviders: h.c.providers, KmsTypes: h.c.types(),
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (h *here) create(t *testing.T, w wrapping, altNames ...string) bson.Binary {
	t.Helper()
	id, err := h.ce.CreateDataKey(t.Context(), w.provider, fieldcrypt.DataKeyOptions{MasterKey: w.masterKey, KeyAltNames: altNames})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (h *here) encrypt(t *testing.T, v bson.RawValue, algorithm string, key bson.E) (bson.Binary, error) {
	t.Helper()
	opts := fieldcrypt.EncryptOptions{Algorithm: algorithm}
	switch named := key.Value.(type) {
	case bson.Binary:
		opts.KeyID = &named
	case string:
		opts.KeyAltName = named
	}
	return h.ce.Encrypt(t.Context(), v, opts)
}

func (h *here) decrypt(t *testing.T, b bson.Binary) (bson.RawValue, error) {
	t.Helper()
	return h.ce.Decrypt(t.Context(), b)
}

func (h *here) rewrap(t *testing.T, key bson.Binary, w *wrapping) {
	t.Helper()
	var opts fieldcrypt.RewrapManyDataKeyOptions
	if w != nil {
		opts.Provider, opts.MasterKey = w.provider, w.masterKey
	}
	if r, err := h.ce.RewrapManyDataKey(t.Context(), bson.D{{Key: "_id", Value: key}}, opts); err != nil || r.ModifiedCount != 1 {
		t.Fatalf("rewrapped %v, %v; expected 1", r, err)
	}
}

func (h *here) byAltName(t *testing.T, name string) *bson.Binary {
	t.Helper()
	key, err := h.ce.GetKeyByAltName(t.Context(), name)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	id := key.ID.Binary()
	return &id
}

func (h *here) addAltName(t *testing.T, key bson.Binary, name string) {
	t.Helper()
	if _, err := h.ce.AddKeyAltName(t.Context(), key, name); err != nil {
		t.Fatal(err)
	}
}

func (h *here) forget(t *testing.T) {
	t.Helper()
	if err := h.ce.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	h.open(t)
}
