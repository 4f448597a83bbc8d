package migrate

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
	"github.com/fieldcrypt/fieldcrypt/migrate"
)

var size = flag.Int("documents", 2000, "how many documents TestLive has")

// Applications read and write while a collection is migrated, those that encrypt and those that do not yet. Every value that is read is the one that was
// written last, or is being written; in the end all are.
//
// Only a server that updates atomically can pass: FerretDB on SQLite, which is embedded here, loses concurrent updates by itself.
func TestLive(t *testing.T) {
	if os.Getenv(testserver.URIVariable) == "" {
		t.Skip("the embedded server does not update atomically: set " + testserver.URIVariable + " to one that does")
	}
	w := newWorld(t)
	c := w.db.Collection("c")
	app := &application{world: w, c: c, current: make([]atomic.Int64, *size), locks: make([]sync.Mutex, *size)}
	for from := 0; from < *size; from += 1000 {
		var docs []any
		for i := from; i < min(from+1000, *size); i++ {
			docs = append(docs, bson.D{{Key: "_id", Value: i}, {Key: "ssn", Value: text(i, 0)}, {Key: "any", Value: 0.0}, {Key: "rest", Value: "x"}})
		}
		insert(t, c, docs...)
	}
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range 2 {
		clients.Go(func() { app.write(ctx, t) })
		clients.Go(func() { app.read(ctx, t) })
	}
	report, err := w.migration(t, c, migrate.Options{Passes: 2}).Run(t.Context())
	stop()
	clients.Wait()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("while others wrote %d and read %d documents: %d changed, %d conflicts, in %s", app.writes.Load(), app.reads.Load(), report.Changed, report.Conflicts, report.Elapsed)
	if report, err = w.migration(t, c, migrate.Options{}).Run(t.Context()); err != nil || !report.OK() {
		t.Fatalf("%+v %v", report, err)
	}
	if report, err = w.migration(t, c, migrate.Options{}).Verify(t.Context()); err != nil || !report.OK() || report.Documents != int64(*size) {
		t.Fatalf("%+v %v", report, err)
	}
	for i := range *size {
		app.check(t.Context(), t, i)
	}
}

func text(i int, rev int64) string { return fmt.Sprintf("%d/%d", i, rev) }

// application writes a new revision of a document, ssn and any, by one update, as plaintext or encrypted.
type application struct {
	*world
	c             *mongo.Collection
	current       []atomic.Int64 // the revision that is there, or is being written
	locks         []sync.Mutex   // of writers: two would not know who was last
	writes, reads atomic.Int64
}

func (a *application) write(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil {
		i := rand.N(len(a.current))
		a.locks[i].Lock()
		rev := a.current[i].Add(1)
		var ssn, any any = text(i, rev), float64(rev)
		if rand.N(2) == 0 {
			ssn, any = a.sealed(t, ssn, det), a.sealed(t, any, random)
		}
		_, err := a.c.UpdateOne(context.WithoutCancel(ctx), bson.D{{Key: "_id", Value: i}}, bson.D{{Key: "$set", Value: bson.D{{Key: "ssn", Value: ssn}, {Key: "any", Value: any}}}})
		a.locks[i].Unlock()
		if err != nil {
			t.Error(err)
			return
		}
		a.writes.Add(1)
	}
}

func (a *application) sealed(t *testing.T, v any, alg string) bson.Binary {
	kind, data, err := bson.MarshalValue(v)
	if err != nil {
		t.Error(err)
	}
	sealed, err := a.ce.Encrypt(context.Background(), bson.RawValue{Type: kind, Value: data}, fieldcrypt.EncryptOptions{KeyID: &a.key, Algorithm: alg})
	if err != nil {
		t.Error(err)
	}
	return sealed
}

func (a *application) read(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil && !t.Failed() {
		a.check(context.WithoutCancel(ctx), t, rand.N(len(a.current)))
		a.reads.Add(1)
	}
}

// check reads a document. Its revision lies between what was current before and after.
func (a *application) check(ctx context.Context, t *testing.T, i int) {
	before := a.current[i].Load()
	doc, err := a.c.FindOne(ctx, bson.D{{Key: "_id", Value: i}}).Raw()
	if err != nil {
		t.Error(err)
		return
	}
	after := a.current[i].Load()
	ssn, any := a.opened(ctx, t, doc.Lookup("ssn")), a.opened(ctx, t, doc.Lookup("any"))
	rev := int64(any.Double())
	if ssn.StringValue() != text(i, rev) || rev < before-1 || rev > after || before == after && rev < before-1 {
		t.Errorf("document %d: revision %d with %s, was %d, is %d", i, rev, ssn, before, after)
	}
}

func (a *application) opened(ctx context.Context, t *testing.T, v bson.RawValue) bson.RawValue {
	subtype, data, ok := v.BinaryOK()
	if !ok {
		return v
	}
	opened, err := a.ce.Decrypt(ctx, bson.Binary{Subtype: subtype, Data: data})
	if err != nil {
		t.Error(err)
	}
	return opened
}
