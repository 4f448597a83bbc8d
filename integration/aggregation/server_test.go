package aggregation

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.uber.org/goleak"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/integration/shim"
	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
	"github.com/fieldcrypt/fieldcrypt/internal/aggmodel"
	"github.com/fieldcrypt/fieldcrypt/mongodriver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	deterministic = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"
	random        = "AEAD_AES_256_CBC_HMAC_SHA_512-Random"
)

// server is one that answers aggregate and bulkWrite, with two data keys on it.
type server struct {
	*shim.Proxy
	db    string
	plain *mongo.Client // past the proxy: what it sends is not among the commands of the proxy
	keys  []bson.Binary
	opts  fieldcrypt.AutoEncryptionOptions // of a client that knows no schemas
}

// start starts one. views are the names of collections of db that look like views.
func start(t *testing.T, views ...string) *server {
	t.Helper()
	uri := testserver.Start(t)
	s := &server{db: testserver.Database(t), plain: connect(t, uri)}
	rules := shim.Rules{
		Collections: map[string]shim.Collection{},
		Hello:       bson.D{{Key: "maxWireVersion", Value: int32(25)}}, // MongoDB 8.0, the first with bulkWrite
		Intercept:   s.answer,
	}
	for _, view := range views {
		rules.Collections[s.db+"."+view] = shim.Collection{Type: "view"}
		if err := s.plain.Database(s.db).CreateCollection(t.Context(), view); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if s.Proxy, err = shim.Run(context.Background(), uri, rules); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	s.opts = fieldcrypt.AutoEncryptionOptions{
		KeyVaultNamespace: testserver.Database(t) + ".datakeys", KmsProviders: map[string]map[string]any{"local": {"key": bytes.Repeat([]byte{7}, 96)}},
		Undecryptable: fieldcrypt.Fail,
	}
	s.makeKeys(t, uri)
	return s
}

func (s *server) makeKeys(t *testing.T, uri string) {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(uri)) // which Close disconnects
	if err != nil {
		t.Fatal(err)
	}
	ce, err := fieldcrypt.NewClientEncryption(client, fieldcrypt.ClientEncryptionOptions{
		KeyVaultNamespace: s.opts.KeyVaultNamespace, KmsProviders: s.opts.KmsProviders,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ce.Close(context.Background()) }()
	for range 2 {
		id, err := ce.CreateDataKey(t.Context(), "local", fieldcrypt.DataKeyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s.keys = append(s.keys, id)
	}
}

// answer takes the two commands out of the hands of the embedded server.
func (s *server) answer(ctx context.Context, cmd shim.Command) (bson.D, error) {
	switch cmd.Name {
	case "aggregate":
		return s.aggregate(ctx, cmd)
	case "bulkWrite":
		return s.bulkWrite(ctx, cmd.Body)
	}
	return nil, nil
}

// The codes with which the model's two kinds of error go over the wire.
const (
	notModelled = 238   // NotImplemented
	badPipeline = 40324 // as of an unknown stage
)

// aggregate answers with what the model makes of the documents that are stored.
func (s *server) aggregate(ctx context.Context, cmd shim.Command) (bson.D, error) {
	collection, named := cmd.Body.Lookup("aggregate").StringValueOK()
	pipeline, listed := cmd.Body.Lookup("pipeline").ArrayOK()
	if cmd.Body.Lookup("let").Type != 0 || !named || !listed {
		return failure(notModelled, errors.New("aggregate wants a collection and a pipeline, and no let")), nil
	}
	stored, err := s.stored(ctx, cmd.DB)
	if err != nil {
		return nil, err
	}
	docs, err := aggmodel.Evaluate(pipeline, collection, stored)
	switch {
	case errors.Is(err, aggmodel.ErrUnsupported):
		return failure(notModelled, err), nil
	case err != nil:
		return failure(badPipeline, err), nil
	}
	batch := make(bson.A, len(docs))
	for i, doc := range docs {
		batch[i] = doc
	}
	return bson.D{{Key: "cursor", Value: bson.D{
		{Key: "id", Value: int64(0)}, {Key: "ns", Value: cmd.DB + "." + collection}, {Key: "firstBatch", Value: batch},
	}}}, nil
}

// stored reads all collections of a database as they are.
func (s *server) stored(ctx context.Context, db string) (map[string][]bson.Raw, error) {
	names, err := s.plain.Database(db).ListCollectionNames(ctx, bson.D{})
	if err != nil {
		return nil, err
	}
	all := map[string][]bson.Raw{}
	for _, name := range names {
		cursor, err := s.plain.Database(db).Collection(name).Find(ctx, bson.D{})
		if err != nil {
			return nil, err
		}
		var docs []bson.Raw
		if err := cursor.All(ctx, &docs); err != nil {
			return nil, err
		}
		all[name] = docs
	}
	return all, nil
}

func failure(code int32, err error) bson.D {
	return bson.D{{Key: "ok", Value: 0.0}, {Key: "code", Value: code}, {Key: "errmsg", Value: err.Error()}}
}

// create makes a collection, with a validator unless schema is nil.
func (s *server) create(t *testing.T, db, name string, schema bson.D) {
	t.Helper()
	opts := options.CreateCollection()
	if schema != nil {
		opts.SetValidator(bson.D{{Key: "$jsonSchema", Value: schema}})
	}
	if err := connect(t, s.URI()).Database(db).CreateCollection(t.Context(), name, opts); err != nil {
		t.Fatal(err)
	}
}

// field is the schema of an encrypted field.
func (s *server) field(bsonType, algorithm string, key int) bson.D {
	return bson.D{{Key: "encrypt", Value: bson.D{
		{Key: "keyId", Value: bson.A{s.keys[key]}}, {Key: "bsonType", Value: bsonType}, {Key: "algorithm", Value: algorithm},
	}}}
}

// object is the schema of a document.
func object(properties ...bson.E) bson.D {
	return bson.D{{Key: "bsonType", Value: "object"}, {Key: "properties", Value: bson.D(properties)}}
}

func connect(t *testing.T, uri string) *mongo.Client {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	return ended(t, client, err)
}

// encrypting connects a client that encrypts.
func (s *server) encrypting(t *testing.T, opts fieldcrypt.AutoEncryptionOptions) *mongo.Client {
	t.Helper()
	client, err := mongodriver.Connect(options.Client().ApplyURI(s.URI()), opts)
	return ended(t, client, err)
}

func ended(t *testing.T, client *mongo.Client, err error) *mongo.Client {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Disconnect(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return client
}

// fromJSON reads a document, or a list of them, of Extended JSON.
func fromJSON[V bson.D | []bson.D](t *testing.T, text string) V {
	t.Helper()
	var doc struct{ V V }
	if err := bson.UnmarshalExtJSON([]byte(`{"v":`+text+`}`), true, &doc); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return doc.V
}

// assertSealed demands ciphertext in these fields of every stored document of a collection that has them.
func (s *server) assertSealed(t *testing.T, db, collection string, fields ...string) {
	t.Helper()
	stored, err := s.stored(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	sealed := 0
	for _, doc := range stored[collection] {
		for _, field := range fields {
			v, err := doc.LookupErr(field)
			if err != nil {
				continue
			}
			if subtype, _, ok := v.BinaryOK(); ok && subtype == 6 {
				sealed++
			} else {
				t.Errorf("%s.%s: %s is stored as %s", db, collection, field, v.Type)
			}
		}
	}
	if sealed == 0 {
		t.Errorf("%s.%s: no ciphertext in %v", db, collection, fields)
	}
}

// assertNoPlaintext searches all that encrypted clients have sent.
func (s *server) assertNoPlaintext(t *testing.T, canary string) {
	t.Helper()
	for _, cmd := range s.Commands() {
		if bytes.Contains(cmd.Message, []byte(canary)) {
			t.Errorf("plaintext was sent in %s", cmd.Name)
		}
	}
}
