package interop

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/mongodriver"
)

// A document that fieldcrypt encrypted by a schema, with keys of either side, is decrypted by pymongo's automatic decryption. One key is named by a
// field of the document.
func TestDocuments(t *testing.T) {
	c := everything(t)
	h, p := both(t, c)
	database, _, _ := strings.Cut(h.namespace, ".")
	client := encryptingClient(t, h, database+".patients", bson.D{{Key: "bsonType", Value: "object"}, {Key: "properties", Value: bson.D{
		{Key: "ssn", Value: encrypted(deterministic, "string", bson.A{p.create(t, c.wrappings[0])})},
		{Key: "seen", Value: encrypted(random, "array", bson.A{h.create(t, c.wrappings[len(c.wrappings)-1])})},
		{Key: "address", Value: bson.D{{Key: "bsonType", Value: "object"}, {Key: "properties", Value: bson.D{
			{Key: "street", Value: encrypted(random, "string", "/person")},
		}}}},
	}}})
	p.create(t, c.wrappings[1], "jane")
	coll := client.Database(database).Collection("patients")
	want := bson.D{
		{Key: "_id", Value: int32(1)}, {Key: "person", Value: "jane"}, {Key: "ssn", Value: "457-55-5462"},
		{Key: "seen", Value: bson.A{bson.DateTime(1), "ward 3"}}, {Key: "address", Value: bson.D{{Key: "street", Value: "Main St"}, {Key: "no", Value: int32(1)}}},
	}
	if _, err := coll.InsertOne(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if err := coll.FindOne(t.Context(), bson.D{{Key: "ssn", Value: "457-55-5462"}}).Err(); err != nil {
		t.Error(err)
	}
	theirs, err := p.ask(t, "find", bson.E{Key: "database", Value: database}, bson.E{Key: "collection", Value: "patients"}, bson.E{Key: "decrypt", Value: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := bson.Raw(asBinary(theirs).Data); !bytes.Equal(got, document(t, want)) {
		t.Errorf("pymongo reads %v, expected %v", got, want)
	}
	stored, err := p.ask(t, "find", bson.E{Key: "database", Value: database}, bson.E{Key: "collection", Value: "patients"}, bson.E{Key: "decrypt", Value: false})
	if err != nil {
		t.Fatal(err)
	}
	for _, plain := range []string{"457-55-5462", "ward 3", "Main St"} {
		if bytes.Contains(asBinary(stored).Data, []byte(plain)) {
			t.Errorf("%q is stored in clear", plain)
		}
	}
}

func encrypted(algorithm, bsonType string, keyID any) bson.D {
	return bson.D{{Key: "encrypt", Value: bson.D{{Key: "bsonType", Value: bsonType}, {Key: "algorithm", Value: algorithm}, {Key: "keyId", Value: keyID}}}}
}

func encryptingClient(t *testing.T, h *here, namespace string, schema bson.D) *mongo.Client {
	t.Helper()
	client, err := mongodriver.Connect(options.Client().ApplyURI(h.uri), fieldcrypt.AutoEncryptionOptions{
		KeyVaultNamespace: h.namespace, KmsProviders: h.c.providers, KmsTypes: h.c.types(), SchemaMap: map[string]any{namespace: schema},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client
}
