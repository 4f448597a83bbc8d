package spec

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt/integration/shim"
	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
)

// server is the server of all tests of one format: the embedded one, a proxy that remembers validators, and the replies that the
// running test has scripted. It reports itself as MongoDB 7.0, newer than every minServerVersion in the files.
type server struct {
	proxy  *shim.Proxy
	setUp  *mongo.Client // through the proxy, so that it learns validators
	direct *mongo.Client // to the embedded server: sees what is stored, and meets no script
	kms    *services
	expect func(want bson.Raw) (bson.Raw, error) // what the running test expects otherwise than its file

	mu      sync.Mutex
	script  []scripted
	playing bool
}

func startServer(t *testing.T, files []testFile) *server {
	t.Helper()
	s := &server{kms: startServices(t, files)}
	uri := testserver.Start(t)
	var err error
	if s.proxy, err = shim.Run(context.Background(), uri, shim.Rules{Intercept: s.intercept}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.proxy.Stop)
	s.setUp, s.direct = connect(t, options.Client().ApplyURI(s.proxy.URI())), connect(t, options.Client().ApplyURI(uri))
	return s
}

func connect(t *testing.T, opts *options.ClientOptions) *mongo.Client {
	t.Helper()
	client, err := mongo.Connect(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client
}

// limited returns a context that ends when a test hangs. It has no deadline, of which the driver would tell the server.
func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	timer := time.AfterFunc(30*time.Second, cancel)
	t.Cleanup(func() { timer.Stop(); cancel() })
	return ctx
}

// play makes script the one of the running test, which must have used it up when it ends.
func (s *server) play(t *testing.T, script script) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script, s.playing = script.replies, false
	t.Cleanup(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.script) > 0 && !t.Failed() {
			t.Errorf("%d scripted replies were not used, first for the command %s", len(s.script), s.script[0].command)
		}
		s.script = nil
	})
}

// act begins the part of a test in which the script counts: its operations, not what prepares them.
func (s *server) act() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.playing = true
}

func (s *server) intercept(ctx context.Context, cmd shim.Command) (bson.D, error) {
	s.mu.Lock()
	if !s.playing || len(s.script) == 0 || s.script[0].command != cmd.Name {
		s.mu.Unlock()
		return nil, nil
	}
	next := s.script[0]
	s.script = s.script[1:]
	s.mu.Unlock()
	return next.reply(ctx, s.direct, cmd)
}

// fill makes a collection that holds just these documents; with a schema, also one that listCollections shows it for.
func (s *server) fill(t *testing.T, db, collection string, schema bson.Raw, documents []bson.Raw) {
	t.Helper()
	ctx := t.Context()
	coll := s.setUp.Database(db).Collection(collection)
	opts := options.CreateCollection()
	if schema != nil {
		opts.SetValidator(bson.D{{Key: "$jsonSchema", Value: schema}})
	}
	err := errors.Join(coll.Drop(ctx), s.setUp.Database(db).CreateCollection(ctx, collection, opts))
	if len(documents) > 0 {
		_, insertErr := coll.InsertMany(ctx, documents)
		err = errors.Join(err, insertErr)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// stored returns what a collection holds, in the order of _id.
func (s *server) stored(t *testing.T, db, collection string) []bson.Raw {
	t.Helper()
	docs := []bson.Raw{}
	cursor, err := s.direct.Database(db).Collection(collection).Find(t.Context(), bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	if err == nil {
		err = cursor.All(t.Context(), &docs)
	}
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

// checkStored compares what a collection holds.
func (s *server) checkStored(t *testing.T, m matcher, db, collection string, want []bson.Raw) {
	t.Helper()
	wanted, err := valueOf(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := valueOf(s.stored(t, db, collection))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.exact(wanted, got); err != nil {
		t.Errorf("stored in %s.%s: %v", db, collection, err)
	}
}
