package equivalence

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/integration/shim"
	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
	"github.com/fieldcrypt/fieldcrypt/mongodriver"
)

// TestServerSeesNoPlaintext records all bytes that a server receives during a broad workload: of what belongs to encrypted
// fields, and of data keys, nothing is among them.
func TestServerSeesNoPlaintext(t *testing.T) {
	for name, rewrite := range map[string]analyze.Rewrite{"minimal": analyze.Minimal, "exact": analyze.Exact} {
		t.Run(name, func(t *testing.T) {
			proxy, err := shim.Run(context.Background(), testserver.Start(t), shim.Rules{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(proxy.Stop)
			w := startWire(t, proxy.URI(), rewrite)
			w.insert(t)
			w.call(t)
			for _, command := range commands {
				w.run(t, command)
			}
			w.check(t, proxy.Commands())
		})
	}
}

// wire is an encrypted client whose server is watched.
type wire struct {
	birds
	coll             *mongo.Collection
	stored           map[string][]byte // secrets of documents that must come back
	replies          []byte            // after decryption
	passed, refused  int
	failed           int    // by the server
	material, master []byte // of the data key, of the KMS
}

func startWire(t *testing.T, uri string, rewrite analyze.Rewrite) *wire {
	t.Helper()
	w := &wire{birds: birds{secret: map[string][]byte{}, open: map[string][]byte{}}}
	db := testserver.Database(t)
	w.material, w.master = bytes.Repeat([]byte("material"), 12), bytes.Repeat([]byte("master"), 16)
	providers := map[string]map[string]any{"local": {"key": w.master}}
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	ce, err := fieldcrypt.NewClientEncryption(client, fieldcrypt.ClientEncryptionOptions{KeyVaultNamespace: db + ".datakeys", KmsProviders: providers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ce.Close(context.Background()) })
	key, err := ce.CreateDataKey(t.Context(), "local", fieldcrypt.DataKeyOptions{KeyMaterial: w.material})
	if err != nil {
		t.Fatal(err)
	}
	var schema bson.D
	if err := bson.UnmarshalExtJSON([]byte(wireSchema), true, &schema); err != nil {
		t.Fatal(err)
	}
	schema[0].Value.(bson.D)[0].Value = bson.A{key}
	encrypted, err := mongodriver.Connect(options.Client().ApplyURI(uri), fieldcrypt.AutoEncryptionOptions{
		KeyVaultNamespace: db + ".datakeys", KmsProviders: providers, SchemaMap: map[string]any{db + ".c": schema}, Rewrite: rewrite,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := encrypted.Disconnect(context.Background()); err != nil {
			t.Error(err)
		}
	})
	w.coll = encrypted.Database(db).Collection("c")
	return w
}

const wireSchema = `{"encryptMetadata": {"keyId": [], "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"}, "bsonType": "object",
	"properties": {"ssn": {"encrypt": {"bsonType": "string"}}, "number": {"encrypt": {"bsonType": "long"}}, "born": {"encrypt": {"bsonType": "date"}},
		"ref": {"encrypt": {"bsonType": "objectId"}}, "photo": {"encrypt": {"bsonType": "binData"}},
		"phone": {"encrypt": {"bsonType": "string", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random"}},
		"weight": {"encrypt": {"bsonType": "double", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random"}},
		"bank": {"encrypt": {"bsonType": "object", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random"}},
		"marks": {"encrypt": {"bsonType": "array", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random"}},
		"addr": {"bsonType": "object", "properties": {"zip": {"encrypt": {"bsonType": "string"}}}}},
	"patternProperties": {"^x_": {"encrypt": {"bsonType": "string"}}}}`

const person = `{"ssn": "@text", "number": "@long", "born": "@date", "ref": "@id", "photo": "@binary", "phone": "@text", "weight": "@double",
	"bank": {"iban": "@text", "balance": "@long"}, "marks": ["@text", {"grade": "@double"}], "addr": {"zip": "@text", "street": "@open"},
	"x_1": "@text", "name": "@open", "tags": ["@open"]}`

// insert stores documents, and reads them in the ways there are: those values come back decrypted.
func (w *wire) insert(t *testing.T) {
	t.Helper()
	var docs []any
	for range 4 {
		docs = append(docs, w.document(t, person))
	}
	w.stored = maps.Clone(w.secret)
	_, err := w.coll.InsertMany(t.Context(), docs)
	w.must(t, "insertMany", err)
	_, err = w.coll.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: bson.D{{Key: "ssn", Value: 1}}, Options: options.Index().SetUnique(true)})
	w.must(t, "createIndexes", err)
	cursor, err := w.coll.Find(t.Context(), bson.D{}, options.Find().SetBatchSize(1))
	var found []bson.Raw
	if err == nil {
		err = cursor.All(t.Context(), &found)
	}
	w.must(t, "find", err)
	for _, doc := range found {
		w.replies = append(w.replies, doc...)
	}
	for _, doc := range docs {
		var got bson.D
		w.must(t, "findOne", w.coll.FindOne(t.Context(), bson.D{{Key: "ssn", Value: doc.(bson.D)[0].Value}}, options.FindOne().SetProjection(bson.D{{Key: "_id", Value: 0}})).Decode(&got))
		if diff := gocmp.Diff(doc, any(got)); diff != "" {
			t.Error(diff)
		}
	}
	if _, err = w.coll.InsertOne(t.Context(), docs[1]); !mongo.IsDuplicateKeyError(err) {
		t.Errorf("second insert: %v, want E11000", err)
	}
}

// call goes through the helpers of the driver.
func (w *wire) call(t *testing.T) {
	t.Helper()
	ctx, c, doc := t.Context(), w.coll, func(text string) bson.D { return w.document(t, text) }
	_, err := c.InsertOne(ctx, doc(person))
	w.must(t, "insertOne", err)
	_, err = c.UpdateOne(ctx, doc(`{"name": "@open"}`), doc(`{"$set": {"ssn": "@text", "x_2": "@text", "addr": {"zip": "@text"}}, "$setOnInsert": {"phone": "@text"}}`), options.UpdateOne().SetUpsert(true))
	w.must(t, "updateOne", err)
	_, err = c.UpdateMany(ctx, doc(`{"ssn": {"$in": ["@text", "@text"]}}`), doc(`{"$set": {"number": "@long", "addr.zip": "@text", "weight": "@double"}, "$unset": {"born": ""}, "$rename": {"x_1": "x_2"}}`))
	w.must(t, "updateMany", err)
	_, err = c.ReplaceOne(ctx, doc(`{"number": "@long"}`), doc(person), options.Replace().SetUpsert(true))
	w.must(t, "replaceOne", err)
	_, err = c.BulkWrite(ctx, []mongo.WriteModel{
		mongo.NewInsertOneModel().SetDocument(doc(person)),
		mongo.NewUpdateOneModel().SetFilter(doc(`{"born": "@date"}`)).SetUpdate(doc(`{"$set": {"ref": "@id"}}`)).SetUpsert(true),
		mongo.NewReplaceOneModel().SetFilter(doc(`{"photo": "@binary"}`)).SetReplacement(doc(person)),
		mongo.NewDeleteOneModel().SetFilter(doc(`{"ref": {"$ne": "@id"}, "name": "@open"}`)),
	})
	w.must(t, "bulkWrite", err)
	for name, res := range map[string]*mongo.SingleResult{
		"findOneAndUpdate":  c.FindOneAndUpdate(ctx, doc(`{"ssn": "@text"}`), doc(`{"$set": {"phone": "@text", "bank": {"iban": "@text"}}}`), options.FindOneAndUpdate().SetUpsert(true).SetReturnDocument(options.After)),
		"findOneAndReplace": c.FindOneAndReplace(ctx, doc(`{"addr.zip": "@text"}`), doc(person)),
		"findOneAndDelete":  c.FindOneAndDelete(ctx, doc(`{"x_5": {"$in": ["@text"]}}`)),
	} {
		if err := res.Err(); !errors.Is(err, mongo.ErrNoDocuments) {
			w.must(t, name, err)
		}
	}
	// FerretDB does not know the command that this sends.
	_, _ = c.Database().Client().BulkWrite(ctx, []mongo.ClientBulkWrite{
		{Database: c.Database().Name(), Collection: c.Name(), Model: mongo.NewClientInsertOneModel().SetDocument(doc(`{"ssn": "@text"}`))},
		{Database: c.Database().Name(), Collection: c.Name(), Model: mongo.NewClientUpdateOneModel().SetFilter(doc(`{"ssn": "@text"}`)).SetUpdate(doc(`{"$set": {"phone": "@text"}}`))},
	})
}

func (w *wire) must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	w.passed++
}

// run sends one of commands, which may be refused, or fail.
func (w *wire) run(t *testing.T, text string) {
	t.Helper()
	command := w.document(t, strings.ReplaceAll(text, "@ns", w.coll.Database().Name()+".c"))
	reply, err := w.coll.Database().RunCommand(t.Context(), command).Raw()
	w.replies = append(w.replies, reply...)
	var refused *analyze.RefusedError
	switch {
	case err == nil:
		w.passed++
	case errors.As(err, &refused):
		w.refused++
	case mongo.IsNetworkError(err):
		t.Errorf("%s: %v", text, err)
	default:
		w.failed++
	}
}

// check searches what the server received and what came back.
func (w *wire) check(t *testing.T, received []shim.Command) {
	t.Helper()
	w.secret["data key"], w.secret["master key"] = w.material[:16], w.master[:16]
	var sent []byte
	for _, command := range received {
		sent = append(sent, command.Message...)
		for name, pattern := range w.secret {
			if bytes.Contains(command.Message, pattern) {
				t.Errorf("%s was sent in clear: %v", name, command.Body)
			}
		}
	}
	for name, pattern := range w.open {
		if !bytes.Contains(sent, pattern) {
			t.Errorf("%s, which is not secret, was not found in what was sent", name)
		}
	}
	for name, pattern := range w.stored {
		if !bytes.Contains(w.replies, pattern) {
			t.Errorf("%s was stored, but did not come back", name)
		}
	}
	t.Logf("%d bytes in %d commands to the server; %d secrets, %d of them stored and read back; %d calls and commands passed, %d refused, %d failed on the server",
		len(sent), len(received), len(w.secret), len(w.stored), w.passed, w.refused, w.failed)
	if w.passed < 30 || w.refused < 40 {
		t.Error("too few commands passed, or were refused, for the test to mean anything")
	}
}
