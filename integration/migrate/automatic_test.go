package migrate

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
	"github.com/fieldcrypt/fieldcrypt/migrate"
	"github.com/fieldcrypt/fieldcrypt/mongodriver"
)

// The collection of a client that encrypts or decrypts automatically is refused: to rekey, for one, it would seem that there is no ciphertext.
func TestAutomaticEncryption(t *testing.T) {
	w := newWorld(t)
	uri := testserver.Start(t)
	plain, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = plain.Disconnect(context.Background()) })
	db := testserver.Database(t)
	providers := map[string]map[string]any{"local": {"key": bytes.Repeat([]byte{7}, 96)}}
	if w.ce, err = fieldcrypt.NewClientEncryption(plain, fieldcrypt.ClientEncryptionOptions{KeyVaultNamespace: db + ".keys", KmsProviders: providers}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.ce.Close(context.Background()) })
	if w.key, err = w.ce.CreateDataKey(t.Context(), "local", fieldcrypt.DataKeyOptions{}); err != nil {
		t.Fatal(err)
	}
	c := plain.Database(db).Collection("c")
	for i := range 10 {
		insert(t, c, bson.D{{Key: "_id", Value: i}, {Key: "ssn", Value: "a"}, {Key: "any", Value: bson.A{bson.Binary{Data: []byte{1}}}}})
	}
	if report, err := w.migration(t, c, migrate.Options{}).Run(t.Context()); err != nil || !report.OK() {
		t.Fatalf("%+v %v", report, err)
	}
	insert(t, c, bson.D{{Key: "_id", Value: 10}, {Key: "ssn", Value: "a"}})
	before := all(t, c)
	for name, opts := range map[string]fieldcrypt.AutoEncryptionOptions{
		"encrypting": {SchemaMap: map[string]any{db + ".c": w.schemaDocument()}},
		"decrypting": {BypassAutoEncryption: true},
	} {
		opts.KeyVaultNamespace, opts.KmsProviders = db+".keys", providers
		client, err := mongodriver.Connect(options.Client().ApplyURI(uri), opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
		m := w.migration(t, client.Database(db).Collection("c"), migrate.Options{})
		for job, do := range map[string]func(context.Context) (*migrate.Report, error){"plan": m.Plan, "run": m.Run, "rekey": m.Rekey, "decrypt": m.Decrypt, "verify": m.Verify} {
			if report, err := do(t.Context()); err == nil || !strings.Contains(err.Error(), "of a client with automatic encryption") {
				t.Errorf("%s with a client that is %s: %+v %v", job, name, report, err)
			}
		}
	}
	for id, doc := range all(t, c) {
		if !bytes.Equal(doc, before[id]) {
			t.Errorf("%v became %v", before[id], doc)
		}
	}
}
