package migrate

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
	"github.com/fieldcrypt/fieldcrypt/migrate"
	"github.com/fieldcrypt/fieldcrypt/mongodriver"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// staff is how many documents the ladder has; the upper half of them nobody writes, so that only the migration encrypts them.
const staff = 40

// ladder is a collection in use by two instances of an application, which look documents up by a field that is being encrypted.
type ladder struct {
	*world
	uri       string
	writing   sync.Mutex // held by whoever writes: the embedded server reads, changes and writes a document in three steps
	instances [2]instance
	current   [staff]atomic.Int64 // the revision of each document that is there, or is being written
	owned     [staff]sync.Mutex   // by the instance that writes the document
}

// instance is a running instance of the application.
type instance struct {
	deploying sync.RWMutex
	employees *mongo.Collection
	done      atomic.Int64 // operations
}

func newLadder(t *testing.T) *ladder {
	t.Helper()
	l := &ladder{uri: testserver.Start(t), world: &world{}}
	client, err := mongo.Connect(l.options())
	if err != nil {
		t.Fatal(err)
	}
	l.db = client.Database(testserver.Database(t))
	opts := l.encryption()
	if l.ce, err = fieldcrypt.NewClientEncryption(client, fieldcrypt.ClientEncryptionOptions{KeyVaultNamespace: opts.KeyVaultNamespace, KmsProviders: opts.KmsProviders}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.ce.Close(context.Background()) }) // disconnects client
	if l.key, err = l.ce.CreateDataKey(t.Context(), "local", fieldcrypt.DataKeyOptions{}); err != nil {
		t.Fatal(err)
	}
	for i := range staff {
		insert(t, l.db.Collection("employees"), bson.D{{Key: "_id", Value: i}, {Key: "ssn", Value: ssn(i)}, {Key: "any", Value: int64(0)}})
	}
	return l
}

func ssn(i int) string { return fmt.Sprint("457-55-", 1000+i) }

func bySSN(i int) bson.D { return bson.D{{Key: "ssn", Value: ssn(i)}} }

func (l *ladder) encryption() fieldcrypt.AutoEncryptionOptions {
	return fieldcrypt.AutoEncryptionOptions{KeyVaultNamespace: l.db.Name() + ".datakeys", KmsProviders: map[string]map[string]any{"local": {"key": bytes.Repeat([]byte{7}, 96)}}}
}

// options are those of a client that writes when no other does.
func (l *ladder) options() *options.ClientOptions {
	writes := map[string]bool{"insert": true, "update": true, "delete": true, "findAndModify": true}
	end := func(name string) {
		if writes[name] {
			l.writing.Unlock()
		}
	}
	return options.Client().ApplyURI(l.uri).SetMonitor(&event.CommandMonitor{
		Started: func(_ context.Context, e *event.CommandStartedEvent) {
			if writes[e.CommandName] {
				l.writing.Lock()
			}
		},
		Succeeded: func(_ context.Context, e *event.CommandSucceededEvent) { end(e.CommandName) },
		Failed:    func(_ context.Context, e *event.CommandFailedEvent) { end(e.CommandName) },
	})
}

// deploy gives an instance its client for a step, waits until it has worked with it for a while, beside the other one as it is.
func (l *ladder) deploy(t *testing.T, n int, step string) {
	t.Helper()
	i := &l.instances[n]
	i.deploying.Lock()
	l.retire(t, i)
	var client *mongo.Client
	var err error
	if step == "plain" {
		client, err = mongo.Connect(l.options())
	} else {
		opts, ns := l.encryption(), l.db.Name()+".employees"
		opts.SchemaMap = map[string]any{ns: l.schemaDocument()}
		for _, m := range []schema.Migration{schema.ReadBothWritePlain, schema.ReadBothWriteEncrypted} {
			if m.String() == step {
				opts.Migrating = map[string]schema.Migration{ns: m}
			}
		}
		client, err = mongodriver.Connect(l.options(), opts)
	}
	if err != nil {
		t.Fatal(err)
	}
	i.employees = client.Database(l.db.Name()).Collection("employees")
	i.deploying.Unlock()
	l.work(t)
	t.Logf("instance %d in step %s: %d ciphertexts, %d plaintexts", n, step, l.count(t, true), l.count(t, false))
}

func (l *ladder) retire(t *testing.T, i *instance) {
	if i.employees != nil {
		if err := i.employees.Database().Client().Disconnect(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// work waits until both instances have done something.
func (l *ladder) work(t *testing.T) {
	t.Helper()
	for n := range l.instances {
		for from := l.instances[n].done.Load(); l.instances[n].employees != nil && l.instances[n].done.Load() < from+25 && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
	}
}

func (l *ladder) count(t *testing.T, encrypted bool) (n int) {
	t.Helper()
	for _, doc := range all(t, l.db.Collection("employees")) {
		subtype, _, isBinary := doc.Lookup("ssn").BinaryOK()
		if encrypted == (isBinary && subtype == 6) {
			n++
		}
	}
	return n
}

// run is the application: each operation looks documents up by ssn.
func (l *ladder) run(ctx context.Context, t *testing.T, i *instance) {
	for ctx.Err() == nil && !t.Failed() {
		i.deploying.RLock()
		if i.employees != nil {
			if err := l.operation(t, i.employees); err != nil {
				t.Error(err)
			}
			i.done.Add(1)
		}
		i.deploying.RUnlock()
		time.Sleep(time.Millisecond) // for those who wait to deploy, and to write
	}
}

func (l *ladder) operation(t *testing.T, c *mongo.Collection) error {
	ctx := context.Background()
	switch rand.N(6) {
	case 0, 1:
		return l.write(ctx, t, c, rand.N(staff/2))
	case 2:
		n, err := c.CountDocuments(ctx, bson.D{{Key: "ssn", Value: bson.D{{Key: "$ne", Value: ssn(rand.N(staff))}}}})
		if n != staff-1 {
			t.Errorf("%d documents have another ssn, want %d", n, staff-1)
		}
		return err
	case 3:
		n, err := c.CountDocuments(ctx, bson.D{{Key: "ssn", Value: bson.D{{Key: "$in", Value: bson.A{ssn(0), ssn(staff / 2), ssn(staff - 1), "none"}}}}})
		if n != 3 {
			t.Errorf("%d documents have one of three ssns", n)
		}
		return err
	case 4: // finds it, in whatever form it is there
		i := rand.N(staff)
		update := bson.D{{Key: "$setOnInsert", Value: bson.D{{Key: "_id", Value: -i}, {Key: "ssn", Value: ssn(i)}}}}
		res, err := c.UpdateOne(ctx, bySSN(i), update, options.UpdateOne().SetUpsert(true))
		if err == nil && res.UpsertedCount != 0 {
			t.Errorf("an upsert made a second document with an ssn")
		}
		return err
	}
	return l.read(ctx, t, c, rand.N(staff))
}

// write gives a document a new revision, in the form of the instance's step.
func (l *ladder) write(ctx context.Context, t *testing.T, c *mongo.Collection, i int) error {
	l.owned[i].Lock()
	defer l.owned[i].Unlock()
	set := bson.D{{Key: "ssn", Value: ssn(i)}, {Key: "any", Value: l.current[i].Add(1)}}
	res, err := c.UpdateOne(ctx, bySSN(i), bson.D{{Key: "$set", Value: set}})
	if err == nil && res.MatchedCount != 1 {
		t.Errorf("%d documents have the ssn of document %d", res.MatchedCount, i)
	}
	return err
}

// read finds a document by its ssn. Its revision lies between what was current, or being written, before and after.
func (l *ladder) read(ctx context.Context, t *testing.T, c *mongo.Collection, i int) error {
	before := l.current[i].Load()
	cursor, err := c.Find(ctx, bySSN(i))
	if err != nil {
		return err
	}
	var found []struct {
		ID  int `bson:"_id"`
		SSN string
		Any int64
	}
	if err := cursor.All(ctx, &found); err != nil {
		return err
	}
	after := l.current[i].Load()
	if len(found) != 1 || found[0].ID != i || found[0].SSN != ssn(i) || found[0].Any < before-1 || found[0].Any > after {
		t.Errorf("looking for document %d of revision %d to %d: %+v", i, before, after, found)
	}
	return nil
}

// The whole ladder, up and down again, with two instances of an application in use at every step, one of them always a step behind. Every look-up by the
// field that is being encrypted finds what it should, and no write is lost.
func TestLadder(t *testing.T) {
	l := newLadder(t)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for n := range l.instances {
		running.Go(func() { l.run(ctx, t, &l.instances[n]) })
	}
	defer func() {
		stop()
		running.Wait()
		for n := range l.instances {
			l.retire(t, &l.instances[n])
		}
	}()
	both := func(step string) {
		t.Helper()
		l.deploy(t, 0, step)
		l.deploy(t, 1, step)
	}
	migration := func(do func(*migrate.Migration, context.Context) (*migrate.Report, error)) {
		t.Helper()
		report, err := do(l.migration(t, l.db.Collection("employees"), migrate.Options{BatchSize: 5}), t.Context())
		if err != nil || !report.OK() {
			t.Fatalf("%+v %v", report, err)
		}
		l.work(t)
		t.Logf("%d documents, %d changed, %d conflicts", report.Documents, report.Changed, report.Conflicts)
	}
	stored := func(encrypted, plain bool) {
		t.Helper()
		if e, p := l.count(t, true) > 0, l.count(t, false) > 0; e != encrypted || p != plain {
			t.Errorf("ciphertext is stored: %v, want %v; plaintext: %v, want %v", e, encrypted, p, plain)
		}
	}

	both("plain")
	both(schema.ReadBothWritePlain.String())
	stored(false, true)
	both(schema.ReadBothWriteEncrypted.String())
	stored(true, true)
	migration((*migrate.Migration).Run)
	stored(true, false)
	migration((*migrate.Migration).Verify)
	both(schema.EncryptedOnly.String())
	stored(true, false)

	both(schema.ReadBothWriteEncrypted.String())
	both(schema.ReadBothWritePlain.String())
	stored(true, true)
	migration((*migrate.Migration).Decrypt)
	stored(false, true)
	both("plain")
	for i := range staff {
		if err := l.read(t.Context(), t, l.db.Collection("employees"), i); err != nil {
			t.Error(err)
		}
	}
}
