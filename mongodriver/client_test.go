package mongodriver

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
)

// fixture is a scripted server with a key vault and a collection db.c that encrypts ssn; what is inserted is what is found.
type fixture struct {
	*server
	key    bson.Binary
	vault  *keyvault.MemoryStore
	stored bson.Raw
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{vault: keyvault.NewMemoryStore()}
	ce, err := fieldcrypt.NewClientEncryption(nil, fieldcrypt.ClientEncryptionOptions{KeyVault: f.vault, KmsProviders: minimal().KmsProviders})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ce.Close(t.Context()) }()
	if f.key, err = ce.CreateDataKey(t.Context(), "local", fieldcrypt.DataKeyOptions{}); err != nil {
		t.Fatal(err)
	}
	f.server = serve(t, f.respond)
	return f
}

func (f *fixture) respond(cmd bson.Raw) bson.D {
	switch commandName(cmd) {
	case "listCollections":
		if cmd.Lookup("$db").StringValue() != "db" {
			return batch()
		}
		return batch(bson.D{{Key: "name", Value: "c"}, {Key: "options", Value: bson.D{{Key: "validator", Value: bson.D{{Key: "$jsonSchema", Value: bson.D{
			{Key: "bsonType", Value: "object"},
			{Key: "properties", Value: bson.D{{Key: "ssn", Value: bson.D{{Key: "encrypt", Value: bson.D{
				{Key: "bsonType", Value: "string"},
				{Key: "algorithm", Value: "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"},
				{Key: "keyId", Value: bson.A{f.key}},
			}}}}}},
		}}}}}}})
	case "insert":
		doc, ok := cmd.Lookup("documents", "0").DocumentOK()
		if !ok {
			f.t.Error("THE DRIVER DOES NOT ENCRYPT: it sent documents in a sequence of their own, as it does without a hook")
		}
		f.stored = doc
		return bson.D{{Key: "n", Value: int32(1)}}
	case "find":
		if cmd.Lookup("$db").StringValue() == "db" {
			return batch(f.stored)
		}
		keys, err := f.vault.Find(context.Background(), bson.D{})
		if err != nil {
			f.t.Error(err)
			return nil
		}
		return batch(keys[0])
	}
	return nil
}

func (f *fixture) connect(t *testing.T, clientOpts *options.ClientOptions, opts fieldcrypt.AutoEncryptionOptions) *mongo.Client {
	t.Helper()
	client, err := Connect(clientOpts.ApplyURI(f.uri()), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client
}

// insertAndFind sends one document through the client and compares what comes back.
func insertAndFind(ctx context.Context, t *testing.T, client *mongo.Client) {
	t.Helper()
	coll := client.Database("db").Collection("c")
	doc := bson.D{{Key: "_id", Value: int32(1)}, {Key: "ssn", Value: "canary-123"}}
	if _, err := coll.InsertOne(ctx, doc); err != nil {
		t.Fatal(err)
	}
	got, err := coll.FindOne(ctx, bson.D{{Key: "_id", Value: int32(1)}}).Raw()
	if err != nil || !bytes.Equal(got, marshal(t, doc)) {
		t.Errorf("got %v, %v, want %v", got, err, doc)
	}
}

// If a driver stops calling the hook, plaintext reaches the server, and this is the test that says so.
func TestTheServerSeesCiphertext(t *testing.T) {
	for name, connect := range map[string]func(f *fixture) (*mongo.Client, error){
		"Connect": func(f *fixture) (*mongo.Client, error) { return Connect(options.Client().ApplyURI(f.uri()), minimal()) },
		"SetAutoEncryption": func(f *fixture) (*mongo.Client, error) {
			opts := options.Client().ApplyURI(f.uri())
			if err := SetAutoEncryption(opts, minimal()); err != nil {
				return nil, err
			}
			return mongo.Connect(opts)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			client, err := connect(f)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = client.Disconnect(context.Background()) }()
			insertAndFind(t.Context(), t, client)
			if subtype, _, ok := f.stored.Lookup("ssn").BinaryOK(); !ok || subtype != 6 {
				t.Fatalf("THE DRIVER DOES NOT ENCRYPT: the server got ssn as %s", f.stored.Lookup("ssn").Type)
			}
			for _, cmd := range f.sent("insert") {
				if bytes.Contains(cmd, []byte("canary")) {
					t.Error("plaintext in a command")
				}
			}
		})
	}
}

// The package comment warns of it: monitors see commands encrypted and replies decrypted.
func TestWhatMonitorsSee(t *testing.T) {
	f := newFixture(t)
	var started, succeeded bytes.Buffer
	client := f.connect(t, options.Client().SetMonitor(&event.CommandMonitor{
		Started:   func(_ context.Context, e *event.CommandStartedEvent) { started.Write(e.Command) },
		Succeeded: func(_ context.Context, e *event.CommandSucceededEvent) { succeeded.Write(e.Reply) },
	}), minimal())
	insertAndFind(t.Context(), t, client)
	if bytes.Contains(started.Bytes(), []byte("canary")) {
		t.Error("plaintext in a CommandStartedEvent")
	}
	if !bytes.Contains(succeeded.Bytes(), []byte("canary")) {
		t.Error("no plaintext in CommandSucceededEvents any more: correct the package comment")
	}
}

func TestRefusalsReachTheApplication(t *testing.T) {
	f := newFixture(t)
	client := f.connect(t, options.Client(), minimal())
	var refused *analyze.RefusedError
	_, err := client.Database("db").Collection("c").Find(t.Context(), bson.D{{Key: "ssn", Value: bson.D{{Key: "$gt", Value: "1"}}}})
	if !errors.As(err, &refused) || refused.Path != "ssn" {
		t.Errorf("got %#v, want a *RefusedError", err)
	}
	_, err = client.BulkWrite(t.Context(), []mongo.ClientBulkWrite{
		{Database: "db", Collection: "c", Model: mongo.NewClientInsertOneModel().SetDocument(bson.D{{Key: "ssn", Value: "canary"}})},
		{Database: "db", Collection: "c", Model: mongo.NewClientDeleteOneModel().SetFilter(bson.D{{Key: "ssn", Value: bson.D{{Key: "$gt", Value: "1"}}}})},
	})
	if !errors.As(err, &refused) {
		t.Errorf("client bulk write: got %#v, want a *RefusedError", err)
	}
	if n := len(f.sent("find")) + len(f.sent("bulkWrite")); n != 0 {
		t.Errorf("%d refused commands reached the server", n)
	}
}

// With one connection, look-ups need an internal client; with a session of the encrypted client, it must not get it.
func TestOneConnectionAndASession(t *testing.T) {
	f := newFixture(t)
	client := f.connect(t, options.Client().SetMaxPoolSize(1), minimal())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := client.UseSession(ctx, func(ctx context.Context) error {
		insertAndFind(ctx, t, client)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	id := f.sent("insert")[0].Lookup("lsid")
	for _, cmd := range append(f.sent("listCollections"), f.sent("find")...) {
		if db := cmd.Lookup("$db").StringValue(); (db == "db" && commandName(cmd) == "find") != cmd.Lookup("lsid").Equal(id) {
			t.Errorf("%s on %s: wrong session", commandName(cmd), db)
		}
	}
}

func TestBypass(t *testing.T) {
	f := newFixture(t)
	insertAndFind(t.Context(), t, f.connect(t, options.Client(), minimal()))
	opts := minimal()
	opts.BypassAutoEncryption = true
	client := f.connect(t, options.Client(), opts)
	got, err := client.Database("db").Collection("c").FindOne(t.Context(), bson.D{{Key: "ssn", Value: bson.D{{Key: "$gt", Value: "x"}}}}).Raw()
	if err != nil || got.Lookup("ssn").StringValue() != "canary-123" {
		t.Errorf("got %v, %v: replies must still be decrypted", got, err)
	}
	if n := len(f.sent("listCollections")); n != 1 {
		t.Errorf("listCollections was sent %d times, want once, by the first client", n)
	}
}

func TestOldServersAreRefused(t *testing.T) {
	f := newFixture(t)
	f.wireVersion = 7
	client := f.connect(t, options.Client().SetServerSelectionTimeout(time.Second), minimal())
	_, err := client.Database("db").Collection("c").InsertOne(t.Context(), bson.D{{Key: "ssn", Value: "canary"}})
	if err == nil || !strings.Contains(err.Error(), "reports wire version 7, but this version of the Go driver requires at least") {
		t.Errorf("got %v", err)
	}
}

func TestUnreachableKeyVaultIsTyped(t *testing.T) {
	f := newFixture(t)
	opts := minimal()
	vaultClient, err := mongo.Connect(nowhere())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = vaultClient.Disconnect(t.Context()) }()
	opts.KeyVaultClient = vaultClient
	client := f.connect(t, options.Client(), opts)
	_, err = client.Database("db").Collection("c").InsertOne(t.Context(), bson.D{{Key: "ssn", Value: "canary"}})
	var vaultErr *keyvault.Error
	if !errors.As(err, &vaultErr) || vaultErr.Namespace != opts.KeyVaultNamespace {
		t.Errorf("got %#v, want a *keyvault.Error", err)
	}
	if n := len(f.sent("insert")); n != 0 {
		t.Error("the insert reached the server")
	}
}
