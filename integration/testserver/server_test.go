package testserver_test

import (
	"context"
	"net"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.uber.org/goleak"

	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func connect(t *testing.T, uri string) *mongo.Client {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
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

func TestServerKeepsDocuments(t *testing.T) {
	people := connect(t, testserver.Start(t)).Database(testserver.Database(t)).Collection("people")
	ctx := t.Context()
	ssn := bson.Binary{Subtype: 6, Data: []byte{1, 2, 3}}

	if _, err := people.InsertMany(ctx, []any{
		bson.M{"_id": 1, "ssn": ssn},
		bson.M{"_id": 2, "ssn": bson.Binary{Subtype: 0, Data: ssn.Data}},
		bson.M{"_id": 3, "ssn": bson.Binary{Subtype: 6, Data: []byte{1, 2, 4}}},
	}); err != nil {
		t.Fatal(err)
	}
	var found []bson.M
	if cursor, err := people.Find(ctx, bson.M{"ssn": ssn}); err != nil {
		t.Fatal(err)
	} else if err := cursor.All(ctx, &found); err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || found[0]["_id"] != int32(1) {
		t.Errorf("equality on binary subtype 6 found %v, want the document with _id 1", found)
	}

	if r, err := people.UpdateOne(ctx, bson.M{"_id": 1}, bson.M{"$set": bson.M{"x": 1}}); err != nil || r.ModifiedCount != 1 {
		t.Errorf("update: %+v, %v", r, err)
	}
	if r, err := people.DeleteOne(ctx, bson.M{"_id": 2}); err != nil || r.DeletedCount != 1 {
		t.Errorf("delete: %+v, %v", r, err)
	}
	if n, err := people.CountDocuments(ctx, bson.D{}); err != nil || n != 2 {
		t.Errorf("count: %d, %v, want 2", n, err)
	}
}

func TestServerEnforcesUniqueIndex(t *testing.T) {
	keys := connect(t, testserver.Start(t)).Database(testserver.Database(t)).Collection("keys")
	index := mongo.IndexModel{Keys: bson.M{"name": 1}, Options: options.Index().SetUnique(true)}
	if _, err := keys.Indexes().CreateOne(t.Context(), index); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.InsertOne(t.Context(), bson.M{"name": "a"}); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.InsertOne(t.Context(), bson.M{"name": "a"}); !mongo.IsDuplicateKeyError(err) {
		t.Errorf("second insert: %v, want E11000", err)
	}
}

// Two servers, started at the same time, know nothing of each other.
func TestServersAreSeparate(t *testing.T) {
	var servers [2]*testserver.Server
	var wg sync.WaitGroup
	for i := range servers {
		wg.Go(func() {
			var err error
			if servers[i], err = testserver.Run(context.Background(), testserver.Options{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, s := range servers {
		if s == nil {
			continue // reported above
		}
		t.Cleanup(func() { stop(t, s) })
		c := connect(t, s.URI()).Database("d").Collection("c")
		if _, err := c.InsertOne(t.Context(), bson.M{"_id": i}); err != nil {
			t.Fatal(err)
		}
		if n, err := c.CountDocuments(t.Context(), bson.D{}); err != nil || n != 1 {
			t.Errorf("server %d: %d documents, %v; want 1", i, n, err)
		}
	}
}

func TestStop(t *testing.T) {
	s, err := testserver.Run(context.Background(), testserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	assertLoopback(t, s.URI())
	stop(t, s)
	assertGone(t, s)
	stop(t, s) // a second time
}

func TestContextStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s, err := testserver.Run(ctx, testserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	stop(t, s)
	assertGone(t, s)

	if s, err := testserver.Run(ctx, testserver.Options{}); err == nil {
		stop(t, s)
		t.Error("a server started although the context was done")
	}
}

// Documents in a directory of the caller's outlive the server, at the address the caller chose.
func TestServerKeepsDirectory(t *testing.T) {
	opts := testserver.Options{Dir: t.TempDir()}
	for i := range 2 {
		s, err := testserver.Run(context.Background(), opts)
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(s.URI())
		opts.Addr = u.Host
		client, err := mongo.Connect(options.Client().ApplyURI(s.URI()))
		if err != nil {
			t.Fatal(err)
		}
		c := client.Database("d").Collection("c")
		if _, err := c.InsertOne(t.Context(), bson.M{"_id": i}); err != nil {
			t.Error(err)
		}
		if n, err := c.CountDocuments(t.Context(), bson.D{}); err != nil || n != int64(i+1) {
			t.Errorf("run %d: %d documents, %v", i, n, err)
		}
		if err := client.Disconnect(context.Background()); err != nil {
			t.Error(err)
		}
		stop(t, s)
	}
}

func TestRunRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, tt := range map[string]struct {
		opts testserver.Options
		want string
	}{
		"every interface":   {testserver.Options{Addr: ":0"}, "loopback"},
		"a name":            {testserver.Options{Addr: "localhost:0"}, "loopback"},
		"no port":           {testserver.Options{Addr: "127.0.0.1"}, "missing port"},
		"port in use":       {testserver.Options{Addr: taken.Addr().String()}, "in use"},
		"missing directory": {testserver.Options{Dir: t.TempDir() + "/none"}, "none"},
		"URI in directory":  {testserver.Options{Dir: t.TempDir() + "/a?mode=memory"}, "must not contain"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := testserver.Run(t.Context(), tt.opts)
			if err == nil {
				stop(t, s)
				t.Fatal("started")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q does not say %q", err, tt.want)
			}
			runtime.GC() // FerretDB panics in a finalizer when it lost something half-built
			runtime.GC()
		})
	}
}

func TestDatabaseIsUniqueAndValid(t *testing.T) {
	t.Run("Name with/odd $characters, and so long that it does not fit into a database name", func(t *testing.T) {
		a, b := testserver.Database(t), testserver.Database(t)
		if a == b {
			t.Errorf("same name twice: %s", a)
		}
		if _, err := connect(t, testserver.Start(t)).Database(a).Collection("c").InsertOne(t.Context(), bson.D{}); err != nil {
			t.Error(err)
		}
	})
}

func stop(t *testing.T, s *testserver.Server) {
	t.Helper()
	if err := s.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

func assertLoopback(t *testing.T, uri string) {
	t.Helper()
	if u, err := url.Parse(uri); err != nil || u.Hostname() != "127.0.0.1" {
		t.Errorf("URI %q, %v: want one on 127.0.0.1", uri, err)
	}
}

func assertGone(t *testing.T, s *testserver.Server) {
	t.Helper()
	if _, err := os.Stat(s.Dir()); !os.IsNotExist(err) {
		t.Errorf("directory %s: %v, want it removed", s.Dir(), err)
	}
	u, err := url.Parse(s.URI())
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", u.Host)
	if err != nil {
		t.Fatalf("port is not free: %v", err)
	}
	l.Close()
}
