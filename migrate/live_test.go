package migrate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// application writes new revisions of documents, two fields by one update, as plaintext or encrypted, and reads them.
type application struct {
	*world
	*collection
	current []atomic.Int64 // the revision that is there, or is being written
	locks   []sync.Mutex   // of writers: two would not know who was last
	writes  atomic.Int64
	reads   atomic.Int64
}

func text(i int, rev int64) string { return fmt.Sprintf("%d/%d", i, rev) }

func (a *application) write(ctx context.Context) {
	for ctx.Err() == nil {
		i := rand.N(len(a.current))
		a.locks[i].Lock()
		rev := a.current[i].Add(1)
		ssn, any := value(text(i, rev)), value(float64(rev))
		if rand.N(2) == 0 {
			ssn, any = a.sealed(ssn, det, a.now, ""), a.sealed(any, random, a.now, "")
		}
		doc, _ := bson.Marshal(bson.D{{Key: "_id", Value: i}, {Key: "ssn", Value: ssn}, {Key: "any", Value: any}})
		a.put(doc)
		a.locks[i].Unlock()
		a.writes.Add(1)
		time.Sleep(time.Millisecond)
	}
}

func (a *application) read(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil && !t.Failed() {
		a.check(t, rand.N(len(a.current)))
		a.reads.Add(1)
	}
}

// check reads a document. Its revision lies between what was current, or being written, before and after.
func (a *application) check(t *testing.T, i int) {
	before := a.current[i].Load()
	found := a.find(bson.D{{Key: "_id", Value: i}})
	after := a.current[i].Load()
	if len(found) != 1 {
		t.Errorf("%d documents with _id %d", len(found), i)
		return
	}
	doc := a.opened(found[0])
	rev := int64(doc.Lookup("any").Double())
	if doc.Lookup("ssn").StringValue() != text(i, rev) || rev < before-1 || rev > after {
		t.Errorf("document %d: %v, the revision was %d and is %d", i, doc, before, after)
	}
}

// Applications read and write while several workers migrate. Every value that is read is the one that was written last, or is being written.
func TestLive(t *testing.T) {
	const documents = 40
	w := newWorld(t)
	a := &application{world: w, collection: &collection{}, current: make([]atomic.Int64, documents), locks: make([]sync.Mutex, documents)}
	for i := range documents {
		doc, err := bson.Marshal(bson.D{{Key: "_id", Value: i}, {Key: "ssn", Value: text(i, 0)}, {Key: "any", Value: 0.0}})
		if err != nil {
			t.Fatal(err)
		}
		a.put(doc)
	}
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range 2 {
		clients.Go(func() { a.write(ctx) })
		clients.Go(func() { a.read(ctx, t) })
	}
	migration := func(passes int) *Migration {
		m, err := newMigration(Options{Schema: w.schema, Encryption: w.ce, Workers: 3, Ranges: 6, BatchSize: 7, Passes: passes}, a.collection)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	report, err := migration(3).Run(t.Context())
	stop()
	clients.Wait()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("while others wrote %d and read %d documents: %d changed, %d conflicts", a.writes.Load(), a.reads.Load(), report.Changed, report.Conflicts)
	if report, err = migration(0).Run(t.Context()); err != nil || !report.OK() {
		t.Fatalf("%+v %v", report, err)
	}
	if report, err = migration(0).Verify(t.Context()); err != nil || !report.OK() || report.Documents != documents {
		t.Fatalf("%+v %v", report, err)
	}
	for i := range documents {
		a.check(t, i)
	}
}
