package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.uber.org/goleak"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/integration/shim"
	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
	"github.com/fieldcrypt/fieldcrypt/mongodriver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	det    = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"
	random = "AEAD_AES_256_CBC_HMAC_SHA_512-Random"
)

// LOCAL_MASTERKEY, external-key.json and external-schema.json of the MongoDB driver specification "Client Side Encryption", tests.
const (
	localMasterKey = "Mng0NCt4ZHVUYUJCa1kxNkVyNUR1QURhZ2h2UzR2d2RrZzh0cFBwM3R6NmdWMDFBMUN3YkQ5aXRRMkhGRGdQV09wOGVNYUMxT2k3NjZKelhaQmRCZGJkTXVyZG9uSjFk"
	externalKey    = `{"status": 1, "_id": {"$binary": {"base64": "LOCALAAAAAAAAAAAAAAAAA==", "subType": "04"}},
		"masterKey": {"provider": "local"}, "updateDate": {"$date": {"$numberLong": "1557827033449"}},
		"keyMaterial": {"$binary": {"base64": "Ce9HSz/HKKGkIt4uyy+jDuKGA+rLC2cycykMo6vc8jXxqa1UVDYHWq1r+vZKbnnSRBfB981akzRKZCFpC05CTyFqDhXv6OnMjpG97OZEREGIsHEYiJkBW0jJJvfLLgeLsEpBzsro9FztGGXASxyxFRZFhXvHxyiLOKrdWfs7X1O/iK3pEoHMx6uSNSfUOgbebLfIqW7TO++iQS5g1xovXA==", "subType": "00"}},
		"creationDate": {"$date": {"$numberLong": "1557827033449"}}, "keyAltNames": ["local"]}`
	externalSchema = `{"bsonType": "object", "properties": {"encrypted": {"encrypt": {
		"keyId": [{"$binary": {"base64": "LOCALAAAAAAAAAAAAAAAAA==", "subType": "04"}}],
		"bsonType": "string", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"}}}}`
)

func kmsProviders() map[string]map[string]any {
	return map[string]map[string]any{"local": {"key": localMasterKey}, "local:tenant": {"key": bytes.Repeat([]byte{7}, 96)}}
}

func fromJSON(t *testing.T, text string) bson.D {
	t.Helper()
	var doc bson.D
	if err := bson.UnmarshalExtJSON([]byte(text), true, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func plainClient(t *testing.T, uri string) *mongo.Client {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client
}

func encryptedClient(t *testing.T, clientOpts *options.ClientOptions, opts fieldcrypt.AutoEncryptionOptions) *mongo.Client {
	t.Helper()
	client, err := mongodriver.Connect(clientOpts, opts)
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

// external is a server with the key of the specification in a key vault, and its collection with a validator that encrypts.
type external struct {
	proxy     *shim.Proxy
	plain     *mongo.Client
	db, vault string
}

func startExternal(t *testing.T, rules func(db string) shim.Rules) *external {
	t.Helper()
	uri := testserver.Start(t)
	x := &external{db: testserver.Database(t), vault: testserver.Database(t)}
	var err error
	if x.proxy, err = shim.Run(context.Background(), uri, rules(x.db)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.proxy.Stop)
	x.plain = plainClient(t, x.proxy.URI())
	if _, err := x.plain.Database(x.vault).Collection("datakeys").InsertOne(t.Context(), fromJSON(t, externalKey)); err != nil {
		t.Fatal(err)
	}
	validator := bson.D{{Key: "$jsonSchema", Value: fromJSON(t, externalSchema)}}
	if err := x.plain.Database(x.db).CreateCollection(t.Context(), "coll", options.CreateCollection().SetValidator(validator)); err != nil {
		t.Fatal(err)
	}
	return x
}

func (x *external) options() fieldcrypt.AutoEncryptionOptions {
	return fieldcrypt.AutoEncryptionOptions{KeyVaultNamespace: x.vault + ".datakeys", KmsProviders: kmsProviders()}
}

// log collects command and topology events of clients.
type log struct {
	mu         sync.Mutex
	names      *strings.Replacer // database names to those of the specification
	commands   []string
	topologies int
}

func (l *log) watch(opts *options.ClientOptions) *options.ClientOptions {
	return opts.
		SetMonitor(&event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.commands = append(l.commands, e.CommandName+" "+l.names.Replace(e.DatabaseName))
		}}).
		SetServerMonitor(&event.ServerMonitor{TopologyOpening: func(*event.TopologyOpeningEvent) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.topologies++
		}})
}

// TestDeadlock is prose test 9 of the driver specification "Client Side Encryption": which client looks up what.
func TestDeadlock(t *testing.T) {
	for i, tc := range []struct {
		maxPoolSize uint64
		bypass      bool
		keyVault    bool // a key vault client is given
		clients     int
		commands    []string // of the encrypted client and its internal one
		vault       []string // of the key vault client
	}{
		{1, false, false, 2, []string{"listCollections db", "find keyvault", "insert db", "find db"}, nil},
		{1, false, true, 2, []string{"listCollections db", "insert db", "find db"}, []string{"find keyvault"}},
		{1, true, false, 2, []string{"find db", "find keyvault"}, nil},
		{1, true, true, 1, []string{"find db"}, []string{"find keyvault"}},
		{0, false, false, 1, []string{"listCollections db", "listCollections keyvault", "find keyvault", "insert db", "find db"}, nil},
		{0, false, true, 1, []string{"listCollections db", "insert db", "find db"}, []string{"find keyvault"}},
		{0, true, false, 1, []string{"find db", "find keyvault"}, nil},
		{0, true, true, 1, []string{"find db"}, []string{"find keyvault"}},
	} {
		t.Run(fmt.Sprint("case ", i+1), func(t *testing.T) {
			x := startExternal(t, func(string) shim.Rules { return shim.Rules{} })
			names := strings.NewReplacer(x.db, "db", x.vault, "keyvault")
			encrypted, vault := &log{names: names}, &log{names: names}
			opts := x.options()
			opts.BypassAutoEncryption = tc.bypass
			if tc.keyVault {
				client, err := mongo.Connect(vault.watch(options.Client().ApplyURI(x.proxy.URI()).SetMaxPoolSize(1)))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
				opts.KeyVaultClient = client
			}
			client := encryptedClient(t, encrypted.watch(options.Client().ApplyURI(x.proxy.URI()).SetMaxPoolSize(tc.maxPoolSize)), opts)

			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if tc.bypass {
				x.insertCiphertext(ctx, t)
			} else if _, err := client.Database(x.db).Collection("coll").InsertOne(ctx, bson.D{{Key: "_id", Value: 0}, {Key: "encrypted", Value: "string0"}}); err != nil {
				t.Fatal(err)
			}
			var got bson.D
			if err := client.Database(x.db).Collection("coll").FindOne(ctx, bson.D{{Key: "_id", Value: 0}}).Decode(&got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(bson.D{{Key: "_id", Value: int32(0)}, {Key: "encrypted", Value: "string0"}}, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.commands, encrypted.commands); diff != "" {
				t.Errorf("encrypted client (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.vault, vault.commands); diff != "" {
				t.Errorf("key vault client (-want +got):\n%s", diff)
			}
			if encrypted.topologies != tc.clients {
				t.Errorf("%d clients, want %d", encrypted.topologies, tc.clients)
			}
		})
	}
}

// insertCiphertext stores what the specification's test stores: "string0" encrypted explicitly under the key named "local".
func (x *external) insertCiphertext(ctx context.Context, t *testing.T) {
	t.Helper()
	ce, err := fieldcrypt.NewClientEncryption(plainClient(t, x.proxy.URI()), fieldcrypt.ClientEncryptionOptions{
		KeyVaultNamespace: x.vault + ".datakeys", KmsProviders: kmsProviders(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ce.Close(context.Background()) }()
	sealed, err := ce.Encrypt(ctx, value(t, "string0"), fieldcrypt.EncryptOptions{KeyAltName: "local", Algorithm: det})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.plain.Database(x.db).Collection("coll").InsertOne(ctx, bson.D{{Key: "_id", Value: 0}, {Key: "encrypted", Value: sealed}}); err != nil {
		t.Fatal(err)
	}
}

func value(t *testing.T, v any) bson.RawValue {
	t.Helper()
	typ, data, err := bson.MarshalValue(v)
	if err != nil {
		t.Fatal(err)
	}
	return bson.RawValue{Type: typ, Value: data}
}

// TestViewsAreProhibited is prose test 5.
func TestViewsAreProhibited(t *testing.T) {
	x := startExternal(t, func(db string) shim.Rules {
		return shim.Rules{Collections: map[string]shim.Collection{db + ".view": {Type: "view"}}}
	})
	if err := x.plain.Database(x.db).CreateCollection(t.Context(), "view"); err != nil {
		t.Fatal(err)
	}
	client := encryptedClient(t, options.Client().ApplyURI(x.proxy.URI()), x.options())
	_, err := client.Database(x.db).Collection("view").InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}})
	if err == nil || !strings.Contains(err.Error(), "cannot auto encrypt a view: "+x.db+".view") {
		t.Errorf("got %v", err)
	}
}

// TestOldServer: the driver refuses a server without encryption's wire version before a command is built.
func TestOldServer(t *testing.T) {
	proxy, err := shim.Run(context.Background(), testserver.Start(t), shim.Rules{Hello: bson.D{{Key: "maxWireVersion", Value: int32(7)}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	client := encryptedClient(t, options.Client().ApplyURI(proxy.URI()).SetServerSelectionTimeout(2*time.Second), (&external{vault: "keyvault"}).options())
	_, err = client.Database("db").Collection("c").InsertOne(t.Context(), bson.D{{Key: "a", Value: 1}})
	if err == nil || !strings.Contains(err.Error(), "reports wire version 7, but this version of the Go driver requires at least") {
		t.Errorf("got %v", err)
	}
	if n := len(proxy.Commands("insert", "listCollections")); n != 0 {
		t.Errorf("%d commands reached the server", n)
	}
}

// TestRemoteSchema: a validator on the server encrypts through a client that knows nothing of it, and no plaintext is on the wire.
func TestRemoteSchema(t *testing.T) {
	x := startExternal(t, func(string) shim.Rules { return shim.Rules{} })
	client := encryptedClient(t, options.Client().ApplyURI(x.proxy.URI()), x.options())
	coll, stored := client.Database(x.db).Collection("coll"), x.plain.Database(x.db).Collection("coll")
	ctx := t.Context()
	if _, err := coll.InsertOne(ctx, bson.D{{Key: "_id", Value: 1}, {Key: "encrypted", Value: "canary"}}); err != nil {
		t.Fatal(err)
	}
	raw, err := stored.FindOne(ctx, bson.D{}).Raw()
	if err != nil {
		t.Fatal(err)
	}
	if subtype, _, ok := raw.Lookup("encrypted").BinaryOK(); !ok || subtype != 6 {
		t.Errorf("stored: %v", raw)
	}
	var got struct{ Encrypted string }
	if err := coll.FindOne(ctx, bson.D{{Key: "encrypted", Value: "canary"}}).Decode(&got); err != nil || got.Encrypted != "canary" {
		t.Errorf("found %+v, %v", got, err)
	}
	for _, cmd := range x.proxy.Commands() {
		if bytes.Contains(cmd.Message, []byte("canary")) {
			t.Errorf("plaintext in %s", cmd.Name)
		}
	}
}

// staff is hr.employees of the MongoDB manual's story: ssn deterministic, phone random, and an object and an array encrypted whole.
type staff struct {
	coll, stored *mongo.Collection
	ce           *fieldcrypt.ClientEncryption
	phoneKey     bson.Binary
	opts         fieldcrypt.AutoEncryptionOptions
	uri          string
}

func startStaff(t *testing.T) *staff {
	t.Helper()
	s := &staff{uri: testserver.Start(t)}
	db := testserver.Database(t)
	s.opts = fieldcrypt.AutoEncryptionOptions{KeyVaultNamespace: db + ".datakeys", KmsProviders: kmsProviders()}
	var err error
	s.ce, err = fieldcrypt.NewClientEncryption(plainClient(t, s.uri), fieldcrypt.ClientEncryptionOptions{
		KeyVaultNamespace: s.opts.KeyVaultNamespace, KmsProviders: s.opts.KmsProviders,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.ce.Close(context.Background()) })
	key := func() bson.Binary {
		id, err := s.ce.CreateDataKey(t.Context(), "local", fieldcrypt.DataKeyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	ssn := key()
	s.phoneKey = key()
	field := func(bsonType, algorithm string, key bson.Binary) bson.M {
		return bson.M{"encrypt": bson.M{"bsonType": bsonType, "algorithm": algorithm, "keyId": bson.A{key}}}
	}
	s.opts.SchemaMap = map[string]any{db + ".employees": bson.M{"bsonType": "object", "properties": bson.M{
		"ssn":   field("string", det, ssn),
		"phone": field("string", random, s.phoneKey),
		"bank":  field("object", random, ssn),
		"marks": field("array", random, ssn),
	}}}
	s.coll = encryptedClient(t, options.Client().ApplyURI(s.uri), s.opts).Database(db).Collection("employees")
	s.stored = plainClient(t, s.uri).Database(db).Collection("employees")
	return s
}

func employee(id int32, ssn string) bson.D {
	return bson.D{
		{Key: "_id", Value: id}, {Key: "name", Value: "Jane"}, {Key: "ssn", Value: ssn}, {Key: "phone", Value: "555"},
		{Key: "bank", Value: bson.D{{Key: "iban", Value: "DE"}}}, {Key: "marks", Value: bson.A{int32(1), "good"}},
	}
}

// get compares one document as the application sees it.
func (s *staff) get(t *testing.T, filter, want bson.D) {
	t.Helper()
	var got bson.D
	if err := s.coll.FindOne(t.Context(), filter).Decode(&got); err != nil {
		t.Errorf("find %v: %v", filter, err)
	} else if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("find %v (-want +got):\n%s", filter, diff)
	}
}

// sealed checks that the server has ciphertext, and only ciphertext, in every encrypted field of every document.
func (s *staff) sealed(t *testing.T, documents int) {
	t.Helper()
	var docs []bson.Raw
	cursor, err := s.stored.Find(t.Context(), bson.D{})
	if err == nil {
		err = cursor.All(t.Context(), &docs)
	}
	if err != nil || len(docs) != documents {
		t.Fatalf("stored: %d documents, %v, want %d", len(docs), err, documents)
	}
	for _, doc := range docs {
		for _, field := range []string{"ssn", "phone", "bank", "marks"} {
			if v, err := doc.LookupErr(field); err == nil {
				if subtype, _, ok := v.BinaryOK(); !ok || subtype != 6 {
					t.Errorf("stored %s: %v", field, v)
				}
			}
		}
	}
}

// TestCRUD goes through the driver's ordinary API.
func TestCRUD(t *testing.T) {
	s := startStaff(t)
	ctx := t.Context()
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	must(s.coll.InsertMany(ctx, []any{employee(1, "111"), employee(2, "222"), employee(3, "333")}))
	s.sealed(t, 3)
	s.get(t, bson.D{{Key: "ssn", Value: "222"}}, employee(2, "222"))
	s.get(t, bson.D{{Key: "ssn", Value: bson.D{{Key: "$in", Value: bson.A{"x", "333"}}}}}, employee(3, "333"))

	must(s.coll.UpdateOne(ctx, bson.D{{Key: "ssn", Value: "111"}}, bson.D{{Key: "$set", Value: bson.D{{Key: "ssn", Value: "444"}, {Key: "phone", Value: "556"}}}}))
	changed := employee(1, "444")
	changed[3].Value = "556"
	s.get(t, bson.D{{Key: "ssn", Value: "444"}}, changed)

	after := options.FindOneAndUpdate().SetReturnDocument(options.After)
	var got bson.D
	must(nil, s.coll.FindOneAndUpdate(ctx, bson.D{{Key: "ssn", Value: "222"}}, bson.D{{Key: "$set", Value: bson.D{{Key: "ssn", Value: "555"}}}}, after).Decode(&got))
	if diff := cmp.Diff(employee(2, "555"), got); diff != "" {
		t.Error(diff)
	}
	must(s.coll.ReplaceOne(ctx, bson.D{{Key: "_id", Value: 3}}, employee(3, "666")))
	s.get(t, bson.D{{Key: "_id", Value: 3}}, employee(3, "666"))
	must(s.coll.BulkWrite(ctx, []mongo.WriteModel{
		mongo.NewInsertOneModel().SetDocument(employee(4, "777")),
		mongo.NewUpdateOneModel().SetFilter(bson.D{{Key: "ssn", Value: "777"}}).SetUpdate(bson.D{{Key: "$unset", Value: bson.D{{Key: "phone", Value: ""}}}}),
	}))
	s.sealed(t, 4)

	if n, err := s.coll.CountDocuments(ctx, bson.D{{Key: "ssn", Value: "666"}}); n != 1 || err != nil {
		t.Errorf("count: %d, %v", n, err)
	}
	var distinct []string
	must(nil, s.coll.Distinct(ctx, "ssn", bson.D{{Key: "ssn", Value: "666"}}).Decode(&distinct))
	if diff := cmp.Diff([]string{"666"}, distinct); diff != "" {
		t.Errorf("distinct: %s", diff)
	}
	if res, err := s.coll.DeleteOne(ctx, bson.D{{Key: "ssn", Value: "777"}}); err != nil || res.DeletedCount != 1 {
		t.Errorf("delete: %+v, %v", res, err)
	}
	s.sealed(t, 3)

	var refused *analyze.RefusedError
	if _, err := s.coll.Find(ctx, bson.D{{Key: "ssn", Value: bson.D{{Key: "$gt", Value: "1"}}}}); !errors.As(err, &refused) {
		t.Errorf("a range query: got %v, want a *RefusedError", err)
	}
}

// TestBatches: replies of several batches are decrypted in every batch, and big batches of writes are split.
func TestBatches(t *testing.T) {
	s := startStaff(t)
	var docs []any
	for i := range 50 {
		doc := employee(int32(i), fmt.Sprint(i))
		docs = append(docs, append(doc, bson.E{Key: "padding", Value: strings.Repeat("x", 60_000)}))
	}
	if _, err := s.coll.InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	s.sealed(t, 50)
	cursor, err := s.coll.Find(t.Context(), bson.D{}, options.Find().SetBatchSize(7).SetSort(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		t.Fatal(err)
	}
	var got []struct {
		ID  int32 `bson:"_id"`
		SSN string
	}
	if err := cursor.All(t.Context(), &got); err != nil || len(got) != 50 {
		t.Fatalf("%d documents, %v", len(got), err)
	}
	for i, doc := range got {
		if doc.ID != int32(i) || doc.SSN != fmt.Sprint(i) {
			t.Errorf("document %d: %+v", i, doc)
		}
	}
}

// TestShredding: after a key is deleted its values stay BinData, or are errors, and everything else still reads.
func TestShredding(t *testing.T) {
	s := startStaff(t)
	if _, err := s.coll.InsertOne(t.Context(), employee(1, "111")); err != nil {
		t.Fatal(err)
	}
	if n, err := s.ce.DeleteKey(t.Context(), s.phoneKey); n != 1 || err != nil {
		t.Fatalf("deleted %d, %v", n, err)
	}
	var kept atomic.Uint64
	find := func(policy fieldcrypt.Undecryptable) (bson.Raw, error) {
		s.opts.Undecryptable, s.opts.UndecryptableCount = policy, &kept
		client := encryptedClient(t, options.Client().ApplyURI(s.uri), s.opts) // whose memory does not hold the key
		return client.Database(s.coll.Database().Name()).Collection("employees").FindOne(t.Context(), bson.D{{Key: "ssn", Value: "111"}}).Raw()
	}
	doc, err := find(fieldcrypt.Keep)
	if err != nil {
		t.Fatal(err)
	}
	if subtype, _, ok := doc.Lookup("phone").BinaryOK(); !ok || subtype != 6 || doc.Lookup("ssn").StringValue() != "111" {
		t.Errorf("got %v", doc)
	}
	if kept.Load() != 1 {
		t.Errorf("counted %d values that were left, want 1", kept.Load())
	}
	if _, err := find(fieldcrypt.Fail); err == nil || !strings.Contains(err.Error(), "not all keys requested were satisfied") {
		t.Errorf("got %v", err)
	}
}
