package migrate

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// phase is where a document is in its life.
type phase int64

const (
	unborn phase = iota // or being inserted
	alive
	dying // being deleted
	gone  // for ever
)

// state is a document's revision and phase: what is there, or is being written.
type state int64

func stateOf(revision int64, p phase) state { return state(revision<<2 | int64(p)) }
func (s state) revision() int64             { return int64(s) >> 2 }
func (s state) phase() phase                { return phase(s & 3) }

// application is what uses a collection meanwhile, and remembers what it wrote. Each value says which document and which revision it is of.
type application struct {
	states []atomic.Int64
	locks  [1024]sync.Mutex // of writers of a document, by its _id modulo their number

	writes, reads atomic.Int64
}

// newApplication knows n documents, and may insert some more.
func newApplication(n int) *application {
	a := &application{states: make([]atomic.Int64, n+n/10)}
	for i := range n {
		a.states[i].Store(int64(stateOf(0, alive)))
	}
	return a
}

func (a *application) at(i int) state     { return state(a.states[i].Load()) }
func (a *application) set(i int, s state) { a.states[i].Store(int64(s)) }

func ssn(i int, revision int64) string { return fmt.Sprintf("%d/%d", i, revision) }

// salary is no double that a server takes for equal to another, since those are changed one by one.
func salary(revision int64) float64 { return float64(revision) + 0.5 }

func person(i int, revision int64) bson.D {
	return bson.D{{Key: "_id", Value: i}, {Key: "ssn", Value: ssn(i, revision)}, {Key: "salary", Value: salary(revision)}, {Key: "number", Value: i}}
}

// write changes documents by chance until stop is closed.
func (a *application) write(t *testing.T, people *mongo.Collection, stop <-chan struct{}) {
	for ; ; time.Sleep(2 * time.Millisecond) {
		select {
		case <-stop:
			return
		default:
		}
		i := rand.N(len(a.states))
		lock := &a.locks[i%len(a.locks)]
		lock.Lock()
		err := a.change(t, people, i)
		lock.Unlock()
		if err != nil {
			t.Errorf("writing document %d: %v", i, err)
			return
		}
		a.writes.Add(1)
	}
}

func (a *application) change(t *testing.T, people *mongo.Collection, i int) error {
	ctx := t.Context()
	id, revision := bson.D{{Key: "_id", Value: i}}, a.at(i).revision()
	var n int64
	switch kind := rand.N(20); {
	case a.at(i).phase() == gone:
		return nil
	case a.at(i).phase() == unborn:
		if _, err := people.InsertOne(ctx, person(i, revision)); err != nil {
			return err
		}
		a.set(i, stateOf(revision, alive))
		return nil
	case kind == 0:
		a.set(i, stateOf(revision, dying))
		result, err := people.DeleteOne(ctx, id)
		if err != nil {
			return err
		}
		a.set(i, stateOf(revision, gone))
		n = result.DeletedCount
	default:
		revision++
		a.set(i, stateOf(revision, alive))
		var result *mongo.UpdateResult
		var err error
		if kind%2 == 0 {
			result, err = people.ReplaceOne(ctx, id, person(i, revision))
		} else {
			result, err = people.UpdateOne(ctx, id, bson.D{{Key: "$set", Value: bson.D{{Key: "ssn", Value: ssn(i, revision)}, {Key: "salary", Value: salary(revision)}}}})
		}
		if err != nil {
			return err
		}
		n = result.MatchedCount
	}
	if n != 1 {
		return fmt.Errorf("%d documents were there", n)
	}
	return nil
}

// read reads documents by chance, one or some hundred in a row, until stop is closed. What it sees is what was written last, or is being written.
func (a *application) read(t *testing.T, people *mongo.Collection, stop <-chan struct{}) {
	for ; !t.Failed(); time.Sleep(2 * time.Millisecond) {
		select {
		case <-stop:
			return
		default:
		}
		first, documents := rand.N(len(a.states)), 1
		if rand.N(50) == 0 {
			documents = 300
		}
		a.readFrom(t, people, first, min(documents, len(a.states)-first))
	}
}

func (a *application) readFrom(t *testing.T, people *mongo.Collection, first, documents int) {
	before := make([]state, documents)
	for k := range before {
		before[k] = a.at(first + k)
	}
	filter := bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: first}, {Key: "$lt", Value: first + documents}}}}
	if documents == 1 {
		filter = bson.D{{Key: "_id", Value: first}}
	}
	cursor, err := people.Find(t.Context(), filter, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		t.Errorf("reading: %v", err)
		return
	}
	var found []bson.Raw
	if err := cursor.All(t.Context(), &found); err != nil {
		t.Errorf("reading: %v", err)
		return
	}
	seen := map[int]bson.Raw{}
	for _, doc := range found {
		seen[int(doc.Lookup("_id").AsInt64())] = doc
	}
	for k := range before {
		a.judge(t, first+k, before[k], seen[first+k], a.at(first+k))
		a.reads.Add(1)
	}
}

// judge says whether doc, nil for none, may have been seen when the state went from before to after. The server may show a document in the middle of
// an update, so that each value is judged alone.
func (a *application) judge(t *testing.T, i int, before state, doc bson.Raw, after state) {
	if doc == nil {
		if before.phase() == alive && after.phase() == alive {
			t.Errorf("document %d was not found", i)
		}
		return
	}
	if before.phase() == gone {
		t.Errorf("document %d was deleted and is there", i)
	}
	var of int
	var revision int64
	if _, err := fmt.Sscanf(doc.Lookup("ssn").StringValue(), "%d/%d", &of, &revision); err != nil || of != i {
		t.Errorf("document %d: it reads %v", i, doc)
	}
	for name, got := range map[string]int64{"ssn": revision, "salary": int64(doc.Lookup("salary").Double())} {
		if got < before.revision()-1 || got > after.revision() {
			t.Errorf("document %d: %s is of revision %d, while %d became %d", i, name, got, before.revision(), after.revision())
		}
	}
	if doc.Lookup("number").AsInt64() != int64(i) {
		t.Errorf("document %d: its other field reads %v", i, doc.Lookup("number"))
	}
}
