package clients

import (
	"bytes"
	"context"
	"encoding/hex"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/mongodriver"
)

const (
	keyVault      = "encryption.__keyVault"
	deterministic = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"
	random        = "AEAD_AES_256_CBC_HMAC_SHA_512-Random"
)

// engine is this module on a server: the other side of a client.
type engine struct {
	uri       string
	dataKey   bson.Binary
	keys      *fieldcrypt.ClientEncryption
	encrypted *mongo.Collection // by automatic encryption
	stored    *mongo.Collection // as the server has it
}

// startEngine makes a data key. The databases hr and encryption must have nothing of anybody else's, and are empty again when the test ends.
func startEngine(t *testing.T, uri string, s service) *engine {
	t.Helper()
	plain := connect(t, uri)
	t.Cleanup(func() { _ = plain.Disconnect(context.Background()) })
	e := &engine{uri: uri, stored: plain.Database("hr").Collection("employees")}
	claim(t, plain.Database("hr"))
	claim(t, plain.Database("encryption"))
	var err error
	e.keys, err = fieldcrypt.NewClientEncryption(connect(t, uri), fieldcrypt.ClientEncryptionOptions{
		KeyVaultNamespace: keyVault, KmsProviders: s.providers, KmsTypes: s.types,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.keys.Close(context.Background()) }) // disconnects its client
	opts := fieldcrypt.DataKeyOptions{}
	if s.masterKey != nil {
		opts.MasterKey = s.masterKey
	}
	if e.dataKey, err = e.keys.CreateDataKey(t.Context(), s.name, opts); err != nil {
		t.Fatal(err)
	}
	client, err := mongodriver.Connect(options.Client().ApplyURI(uri), fieldcrypt.AutoEncryptionOptions{
		KeyVaultNamespace: keyVault, KmsProviders: s.providers, KmsTypes: s.types, SchemaMap: map[string]any{"hr.employees": e.schema()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	e.encrypted = client.Database("hr").Collection("employees")
	return e
}

func connect(t *testing.T, uri string) *mongo.Client {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// claim takes a database that holds nothing, and drops it when the test ends.
func claim(t *testing.T, db *mongo.Database) {
	t.Helper()
	names, err := db.ListCollectionNames(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	if len(names) > 0 {
		t.Fatalf("the server has a database %s already, of %d collections: give the tests a server of their own", db.Name(), len(names))
	}
	t.Cleanup(func() {
		if err := db.Drop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func (e *engine) environment() []string {
	id := hex.EncodeToString(e.dataKey.Data)
	uuid := id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
	return []string{"MONGODB_URI=" + e.uri, "KEY_VAULT=" + keyVault, "DATA_KEY=" + uuid}
}

func (e *engine) schema() bson.D {
	field := func(algorithm, bsonType string) bson.D {
		return bson.D{{Key: "encrypt", Value: bson.D{
			{Key: "bsonType", Value: bsonType}, {Key: "algorithm", Value: algorithm}, {Key: "keyId", Value: bson.A{e.dataKey}},
		}}}
	}
	return bson.D{{Key: "bsonType", Value: "object"}, {Key: "properties", Value: bson.D{
		{Key: "ssn", Value: field(deterministic, "string")},
		{Key: "salary", Value: field(random, "int")},
		{Key: "address", Value: bson.D{{Key: "bsonType", Value: "object"}, {Key: "properties", Value: bson.D{
			{Key: "zip", Value: field(deterministic, "string")},
		}}}},
		{Key: "visits", Value: field(random, "array")},
	}}}
}

// employee is the document that either side writes.
func (*engine) employee(name string) bson.D {
	return bson.D{
		{Key: "name", Value: name},
		{Key: "ssn", Value: "457-55-5462"},
		{Key: "salary", Value: int32(5200)},
		{Key: "address", Value: bson.D{{Key: "zip", Value: "10115"}, {Key: "city", Value: "Berlin"}}},
		{Key: "visits", Value: bson.A{"2026-01-02", bson.D{{Key: "ward", Value: "B"}}}},
	}
}

func (e *engine) insert(t *testing.T, employee bson.D) {
	t.Helper()
	if _, err := e.encrypted.InsertOne(t.Context(), employee); err != nil {
		t.Fatal(err)
	}
}

// find finds an employee by name and by a field that is encrypted.
func (e *engine) find(t *testing.T, employee bson.D) bson.Raw { return e.findBy(t, employee[:2]) }

func (e *engine) findBy(t *testing.T, filter bson.D) bson.Raw {
	t.Helper()
	found, err := e.encrypted.FindOne(t.Context(), filter).Raw()
	if err != nil {
		t.Fatalf("this module does not find the client's document: %v", err)
	}
	return found
}

// checkStored checks that the server has ciphertexts where the schema says so, and that deterministic ones are what this module makes: in the fields
// that the employee has.
func (e *engine) checkStored(t *testing.T, employee bson.D) {
	t.Helper()
	stored, err := e.stored.FindOne(t.Context(), employee[:1]).Raw()
	if err != nil {
		t.Fatal(err)
	}
	plain := marshal(t, employee)
	for _, field := range []struct {
		kind byte // 1 deterministic, 2 random
		path []string
	}{
		{1, []string{"ssn"}}, {2, []string{"salary"}}, {1, []string{"address", "zip"}}, {2, []string{"visits"}},
	} {
		value, err := plain.LookupErr(field.path...)
		if err != nil {
			continue
		}
		subtype, data, ok := stored.Lookup(field.path...).BinaryOK()
		if !ok || subtype != 6 || len(data) < 18 || data[0] != field.kind || !bytes.Equal(data[1:17], e.dataKey.Data) {
			t.Errorf("%v is stored as %v, expected a ciphertext of kind %d by the data key", field.path, stored.Lookup(field.path...), field.kind)
			continue
		}
		if field.kind == 2 {
			continue
		}
		want, err := e.keys.Encrypt(t.Context(), value, fieldcrypt.EncryptOptions{Algorithm: deterministic, KeyID: &e.dataKey})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(data, want.Data) {
			t.Errorf("%v is stored as %x, and this module makes %x", field.path, data, want.Data)
		}
	}
	if city, err := plain.LookupErr("address", "city"); err == nil && !stored.Lookup("address", "city").Equal(city) { // is not encrypted
		t.Errorf("address is stored as %v", stored.Lookup("address"))
	}
}
