//go:build unix

package migrate

import (
	"context"
	"flag"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/mongodriver"
)

var documents = flag.Int("documents", 30_000, "how many documents TestUnderLoad migrates; a million take some minutes, and a Java heap of 6 GB")

// The program migrates a collection while one application encrypts, another does not yet, and both insert, change and delete documents; a third checks
// whatever it reads. In the end all is encrypted, and each document is there as it was written last. The memory that the program needs does not depend
// on how large the collection is.
func TestUnderLoad(t *testing.T) {
	small := underLoad(t, *documents/10)
	large := underLoad(t, *documents)
	const slack = 32 << 20
	if large > small+small/2+slack {
		t.Errorf("with ten times the documents the program needs %d MiB, not %d MiB", large>>20, small>>20)
	}
}

func underLoad(t *testing.T, n int) (peak int64) {
	t.Helper()
	w := newWorld(t)
	w.fill(t, n, func(i int) bson.D { return person(i, 0) })
	o, a := newOperator(t, w), newApplication(n)
	encrypted := w.encrypted(t)

	var old, others sync.WaitGroup
	stopOld, stopOthers := make(chan struct{}), make(chan struct{})
	old.Go(func() { a.write(t, w.people, stopOld) })
	others.Go(func() { a.write(t, encrypted, stopOthers) })
	others.Go(func() { a.read(t, encrypted, stopOthers) })

	args := []string{"--yes", "--json", "--checkpoints", w.people.Database().Name() + ".checkpoints"}
	began := time.Now()
	first := o.run(t, "run", append(args, "--passes", "2")...)
	close(stopOld)
	old.Wait()
	second := o.run(t, "run", args...)
	verified := o.run(t, "verify", "--json")
	close(stopOthers)
	others.Wait()

	if !first.report.Complete || first.report.Found != 0 {
		t.Errorf("the first run: %+v", first)
	}
	if second.code != 0 || !second.report.OK {
		t.Errorf("the second run: %+v", second)
	}
	if verified.code != 0 || !verified.report.OK {
		t.Errorf("verify: %+v", verified)
	}
	a.check(t, w)
	peak = max(first.peak, second.peak, verified.peak)
	t.Logf("%d documents: %d changed in %.1f s and %d passes, with %d conflicts; then %d in %.1f s and %d passes; verified in %.1f s; all in %s, while others wrote %d and read %d documents; at most %d MiB",
		n, first.report.Changed, first.report.Seconds, first.report.Passes, first.report.Conflicts+second.report.Conflicts, second.report.Changed, second.report.Seconds,
		second.report.Passes, verified.report.Seconds, time.Since(began).Round(time.Second), a.writes.Load(), a.reads.Load(), peak>>20)
	return peak
}

// encrypted is the collection of a client that encrypts automatically.
func (w *world) encrypted(t *testing.T) *mongo.Collection {
	t.Helper()
	db := w.people.Database().Name()
	client, err := mongodriver.Connect(options.Client().ApplyURI(w.uri), fieldcrypt.AutoEncryptionOptions{
		KeyVaultNamespace: w.vault, KmsProviders: w.providers(), SchemaMap: map[string]any{db + "." + w.people.Name(): w.schema()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client.Database(db).Collection(w.people.Name())
}

// check opens every value: each document is there, encrypted, and of the last revision.
func (a *application) check(t *testing.T, w *world) {
	t.Helper()
	cursor, err := w.people.Find(t.Context(), bson.D{}, options.Find().SetBatchSize(1000))
	if err != nil {
		t.Fatal(err)
	}
	defer cursor.Close(t.Context())
	seen := 0
	for ; cursor.Next(t.Context()) && !t.Failed(); seen++ {
		var doc struct {
			ID          int `bson:"_id"`
			SSN, Salary bson.Binary
			Number      int
		}
		if err := cursor.Decode(&doc); err != nil {
			t.Fatal(err)
		}
		now := a.at(doc.ID)
		name, err := w.ce.Decrypt(t.Context(), doc.SSN)
		if err != nil || name.StringValue() != ssn(doc.ID, now.revision()) {
			t.Errorf("document %d: ssn reads %v, %v; the revision is %d", doc.ID, name, err, now.revision())
		}
		pay, err := w.ce.Decrypt(t.Context(), doc.Salary)
		if err != nil || pay.Double() != salary(now.revision()) {
			t.Errorf("document %d: salary reads %v, %v; the revision is %d", doc.ID, pay, err, now.revision())
		}
		if now.phase() != alive || doc.Number != doc.ID {
			t.Errorf("document %d: its phase is %d, its number %d", doc.ID, now.phase(), doc.Number)
		}
	}
	if err := cursor.Err(); err != nil {
		t.Fatal(err)
	}
	want := 0
	for i := range a.states {
		if a.at(i).phase() == alive {
			want++
		}
	}
	if seen != want && !t.Failed() {
		t.Errorf("%d documents are there, %d should be", seen, want)
	}
}
