package migrate

import (
	"bytes"
	"context"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.uber.org/goleak"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/migrate"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a database, and data keys.
type world struct {
	db  *mongo.Database
	ce  *fieldcrypt.ClientEncryption
	key bson.Binary
}

func newWorld(t testing.TB) *world {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(testserver.Start(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	w := &world{db: client.Database(testserver.Database(t))}
	if w.ce, err = fieldcrypt.NewClientEncryption(nil, fieldcrypt.ClientEncryptionOptions{
		KeyVault: keyvault.NewMemoryStore(), KmsProviders: map[string]map[string]any{"local": {"key": bytes.Repeat([]byte{7}, 96)}},
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.ce.Close(context.Background()) })
	if w.key, err = w.ce.CreateDataKey(t.Context(), "local", fieldcrypt.DataKeyOptions{}); err != nil {
		t.Fatal(err)
	}
	return w
}

const (
	det    = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"
	random = "AEAD_AES_256_CBC_HMAC_SHA_512-Random"
)

// schema encrypts ssn deterministically, any and sub.n randomly.
func (w *world) schema(t testing.TB) *schema.Schema {
	t.Helper()
	raw, err := bson.Marshal(w.schemaDocument())
	if err != nil {
		t.Fatal(err)
	}
	s, err := schema.Parse(raw, schema.Local)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) schemaDocument() bson.D {
	encrypt := func(alg string, types ...string) bson.D {
		e := bson.D{{Key: "algorithm", Value: alg}, {Key: "keyId", Value: bson.A{w.key}}}
		for _, name := range types {
			e = append(e, bson.E{Key: "bsonType", Value: name})
		}
		return bson.D{{Key: "encrypt", Value: e}}
	}
	return bson.D{{Key: "bsonType", Value: "object"}, {Key: "properties", Value: bson.D{
		{Key: "ssn", Value: encrypt(det, "string")}, {Key: "any", Value: encrypt(random)},
		{Key: "sub", Value: bson.D{{Key: "bsonType", Value: "object"}, {Key: "properties", Value: bson.D{{Key: "n", Value: encrypt(random)}}}}},
	}}}
}

func (w *world) migration(t testing.TB, c *mongo.Collection, opts migrate.Options) *migrate.Migration {
	t.Helper()
	opts.Collection, opts.Encryption, opts.Schema = c, w.ce, w.schema(t)
	m, err := migrate.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func insert(t testing.TB, c *mongo.Collection, docs ...any) {
	t.Helper()
	if _, err := c.InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
}
