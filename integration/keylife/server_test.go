package keylife

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.uber.org/goleak"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
	"github.com/fieldcrypt/fieldcrypt/mongodriver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	deterministic = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"
	random        = "AEAD_AES_256_CBC_HMAC_SHA_512-Random"

	// localMasterKey is LOCAL_MASTERKEY of the driver specification's tests.
	localMasterKey = "Mng0NCt4ZHVUYUJCa1kxNkVyNUR1QURhZ2h2UzR2d2RrZzh0cFBwM3R6NmdWMDFBMUN3YkQ5aXRRMkhGRGdQV09wOGVNYUMxT2k3NjZKelhaQmRCZGJkTXVyZG9uSjFk"
)

func kmsProviders() map[string]map[string]any {
	return map[string]map[string]any{
		"local":       {"key": localMasterKey},
		"local:name1": {"key": bytes.Repeat([]byte{1}, 96)},
		"local:name2": {"key": bytes.Repeat([]byte{2}, 96)},
	}
}

// server has a database with a key vault in it.
type server struct {
	services
	uri, db  string
	plain    *mongo.Client
	keys     *mongo.Collection
	commands []bson.Raw // that ClientEncryption sent
}

func start(t *testing.T) *server {
	t.Helper()
	s := &server{services: localServices(), uri: testserver.Start(t), db: testserver.Database(t)}
	s.plain = s.connect(t, options.Client())
	s.keys = s.plain.Database(s.db).Collection("datakeys")
	return s
}

func (s *server) connect(t *testing.T, opts *options.ClientOptions) *mongo.Client {
	t.Helper()
	client, err := mongo.Connect(opts.ApplyURI(s.uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client
}

// explicit returns a client with a memory of its own, as another process has it.
func (s *server) explicit(t *testing.T) *fieldcrypt.ClientEncryption {
	t.Helper()
	monitor := &event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) {
		s.commands = append(s.commands, bytes.Clone(e.Command))
	}}
	ce, err := fieldcrypt.NewClientEncryption(s.connect(t, options.Client().SetMonitor(monitor)), fieldcrypt.ClientEncryptionOptions{
		KeyVaultNamespace: s.db + ".datakeys", KmsProviders: s.providers, KmsTypes: s.types,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ce.Close(context.Background()) })
	return ce
}

// automatic returns a client that encrypts by this schema for the collection coll.
func (s *server) automatic(t *testing.T, schema string, opts fieldcrypt.AutoEncryptionOptions) *mongo.Collection {
	t.Helper()
	var doc bson.D
	if err := bson.UnmarshalExtJSON([]byte(schema), true, &doc); err != nil {
		t.Fatal(err)
	}
	opts.KeyVaultNamespace, opts.KmsProviders, opts.KmsTypes = s.db+".datakeys", s.providers, s.types
	opts.SchemaMap = map[string]any{s.db + ".coll": doc}
	client, err := mongodriver.Connect(options.Client().ApplyURI(s.uri), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client.Database(s.db).Collection("coll")
}

// newKey makes a data key under the provider's master key.
func (s *server) newKey(t *testing.T, ce *fieldcrypt.ClientEncryption, provider string, altNames ...string) bson.Binary {
	t.Helper()
	id, err := ce.CreateDataKey(t.Context(), provider, fieldcrypt.DataKeyOptions{KeyAltNames: altNames, MasterKey: s.masterKey(provider)})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (s *server) masterKey(provider string) any {
	if fields := s.masterKeys[provider]; fields != nil {
		return fields
	}
	return nil
}

func newKey(t *testing.T, ce *fieldcrypt.ClientEncryption, provider string, altNames ...string) bson.Binary {
	t.Helper()
	id, err := ce.CreateDataKey(t.Context(), provider, fieldcrypt.DataKeyOptions{KeyAltNames: altNames})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func value(t *testing.T, v any) bson.RawValue {
	t.Helper()
	typ, data, err := bson.MarshalValue(v)
	if err != nil {
		t.Fatal(err)
	}
	return bson.RawValue{Type: typ, Value: data}
}

func encrypt(t *testing.T, ce *fieldcrypt.ClientEncryption, v any, opts fieldcrypt.EncryptOptions) bson.Binary {
	t.Helper()
	sealed, err := ce.Encrypt(t.Context(), value(t, v), opts)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// checkError fails unless err has that text; "" is no error.
func checkError(t *testing.T, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}
