package migrate

import (
	"bytes"
	"context"
	"os"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
)

// world is a server with a key vault, a data key and a collection of people.
type world struct {
	uri    string
	people *mongo.Collection
	vault  string // DB.COLL
	master []byte
	ce     *fieldcrypt.ClientEncryption
	key    bson.Binary
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{uri: os.Getenv(testserver.URIVariable), master: bytes.Repeat([]byte{7}, 96)}
	if w.uri == "" {
		t.Skip(testserver.URIVariable + " names no server; interop/run starts one")
	}
	client, err := mongo.Connect(options.Client().ApplyURI(w.uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	w.people = client.Database(testserver.Database(t)).Collection("people")
	w.vault = w.people.Database().Name() + ".datakeys"
	if w.ce, err = fieldcrypt.NewClientEncryption(client, fieldcrypt.ClientEncryptionOptions{KeyVaultNamespace: w.vault, KmsProviders: w.providers()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.ce.Close(context.Background()) })
	if w.key, err = w.ce.CreateDataKey(t.Context(), "local", fieldcrypt.DataKeyOptions{}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) providers() map[string]map[string]any {
	return map[string]map[string]any{"local": {"key": w.master}}
}

// schema encrypts ssn, deterministically, and salary.
func (w *world) schema() bson.D {
	encrypt := func(bsonType, algorithm string) bson.D {
		return bson.D{{Key: "encrypt", Value: bson.D{
			{Key: "bsonType", Value: bsonType}, {Key: "algorithm", Value: "AEAD_AES_256_CBC_HMAC_SHA_512-" + algorithm}, {Key: "keyId", Value: bson.A{w.key}},
		}}}
	}
	return bson.D{{Key: "bsonType", Value: "object"}, {Key: "properties", Value: bson.D{
		{Key: "ssn", Value: encrypt("string", "Deterministic")}, {Key: "salary", Value: encrypt("double", "Random")},
	}}}
}

// fill makes documents with the _ids 0 to n-1.
func (w *world) fill(t testing.TB, n int, document func(i int) bson.D) {
	t.Helper()
	for from := 0; from < n; from += 1000 {
		docs := make([]any, min(1000, n-from))
		for i := range docs {
			docs[i] = document(from + i)
		}
		if _, err := w.people.InsertMany(t.Context(), docs); err != nil {
			t.Fatal(err)
		}
	}
}
