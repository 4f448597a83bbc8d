package migrate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt/migrate"
)

func all(t *testing.T, c *mongo.Collection) map[string]bson.Raw {
	t.Helper()
	cursor, err := c.Find(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	var docs []bson.Raw
	if err := cursor.All(t.Context(), &docs); err != nil {
		t.Fatal(err)
	}
	byID := map[string]bson.Raw{}
	for _, doc := range docs {
		byID[doc.Lookup("_id").String()] = doc
	}
	return byID
}

// Documents with _ids and values of all types that the server stores are found, changed, verified and changed back to the very bytes, with one range and
// with many, by one process and by three.
func TestTypes(t *testing.T) {
	w := newWorld(t)
	ids := []any{
		1, int64(2), 3.5, -1e300, "", "a", "b", bson.D{{Key: "x", Value: 1}}, bson.D{{Key: "x", Value: "1"}}, bson.Binary{Data: []byte{1}},
		bson.Binary{Subtype: 4, Data: make([]byte, 16)}, bson.NewObjectID(), bson.NewObjectID(), true, false, bson.DateTime(5), bson.Timestamp{T: 1}, nil,
	}
	values := []any{
		"a", 1, int64(1), 1.5, 0.0, true, bson.D{{Key: "k", Value: 1}}, bson.A{1, 2.5}, bson.A{}, bson.Binary{Data: []byte{1}}, bson.DateTime(1),
		bson.Timestamp{T: 1, I: 2}, bson.NewObjectID(), bson.Regex{Pattern: "^a", Options: "i"},
	}
	ids, values = w.found(t, ids, values)
	for _, processes := range []int{1, 3} {
		c := w.db.Collection(fmt.Sprint("c", processes))
		var many []any
		for i := range 100 {
			many = append(many, bson.D{{Key: "_id", Value: 1000 + i}, {Key: "any", Value: "a"}})
		}
		insert(t, c, many...)
		for i, id := range ids {
			for j, v := range values {
				if j == 0 {
					insert(t, c, bson.D{{Key: "_id", Value: id}, {Key: "ssn", Value: "a"}, {Key: "any", Value: values[i%len(values)]}, {Key: "other", Value: v}})
				} else if i == 0 {
					insert(t, c, bson.D{{Key: "_id", Value: fmt.Sprint("v", j)}, {Key: "any", Value: v}, {Key: "sub", Value: bson.D{{Key: "n", Value: v}}}})
				}
			}
		}
		before := all(t, c)
		run := func(name string, do func(*migrate.Migration, context.Context) (*migrate.Report, error)) (changed int64) {
			t.Helper()
			began := time.Now()
			reports := make(chan *migrate.Report, processes)
			for p := range processes {
				opts := migrate.Options{Partition: p, Partitions: processes, Ranges: 5, Workers: 2}
				if processes > 1 {
					opts.Checkpoints = w.db.Collection("checkpoints")
				}
				m := w.migration(t, c, opts)
				report, err := do(m, t.Context()) // one after the other: FerretDB on SQLite does not update atomically
				if err != nil || !report.OK() {
					t.Fatalf("%s %d: %+v %v", name, p, report, err)
				}
				reports <- report
			}
			documents := int64(0)
			for range processes {
				r := <-reports
				changed += r.Changed
				documents += r.Documents
			}
			if documents != int64(len(before)) {
				t.Errorf("%s: %d documents were read, of %d", name, documents, len(before))
			}
			t.Log(name, changed, time.Since(began))
			return changed
		}
		if n := run("run", (*migrate.Migration).Run); n != int64(len(before)) {
			t.Errorf("%d documents were encrypted, of %d", n, len(before))
		}
		run("verify", (*migrate.Migration).Verify)
		run("decrypt", (*migrate.Migration).Decrypt)
		after := all(t, c)
		for id, doc := range before {
			if !bytes.Equal(doc, after[id]) {
				t.Errorf("%v came back as %v", doc, after[id])
			}
		}
	}
}

// found is ids and values but for those that the server does not find by themselves, and proves that a run reports those.
func (w *world) found(t *testing.T, ids, values []any) (foundIDs, foundValues []any) {
	t.Helper()
	finds := func(id, v any) bool {
		c := w.db.Collection("finding")
		insert(t, c, bson.D{{Key: "_id", Value: id}, {Key: "ssn", Value: "a"}, {Key: "any", Value: v}})
		result, err := c.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: bson.D{{Key: "$eq", Value: id}}}, {Key: "any", Value: bson.D{{Key: "$eq", Value: v}}}},
			bson.D{{Key: "$set", Value: bson.D{{Key: "found", Value: true}}}})
		if err != nil {
			t.Fatal(err)
		}
		if result.MatchedCount == 0 {
			t.Logf("the server does not find documents with _id %v (%T) by the value %v (%T): they are not asked to come back", id, id, v, v)
			report, err := w.migration(t, c, migrate.Options{}).Run(t.Context())
			if err != nil || report.OK() || !report.Settled || len(report.Findings) == 0 || report.Findings[0].State != migrate.Unmatched {
				t.Errorf("the run says %+v %v", report, err)
			}
		}
		if err := c.Drop(t.Context()); err != nil {
			t.Fatal(err)
		}
		return result.MatchedCount > 0
	}
	for _, id := range ids {
		if finds(id, "a") {
			foundIDs = append(foundIDs, id)
		}
	}
	for _, v := range values {
		if finds(1, v) {
			foundValues = append(foundValues, v)
		}
	}
	return foundIDs, foundValues
}

// A view, and a collection that is not there, are refused.
func TestNoCollection(t *testing.T) {
	w := newWorld(t)
	if _, err := w.migration(t, w.db.Collection("nosuch"), migrate.Options{}).Run(t.Context()); err == nil {
		t.Error("accepted")
	}
}

// Checkpoints of another schema are an error, until they are to be forgotten.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	c, checkpoints := w.db.Collection("c"), w.db.Collection("checkpoints")
	insert(t, c, bson.D{{Key: "_id", Value: 1}, {Key: "ssn", Value: "a"}})
	if _, err := w.migration(t, c, migrate.Options{Checkpoints: checkpoints}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := checkpoints.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: w.db.Name() + ".c run"}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "schema", Value: "another"}}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.migration(t, c, migrate.Options{Checkpoints: checkpoints}).Run(t.Context()); err == nil {
		t.Error("accepted")
	}
	report, err := w.migration(t, c, migrate.Options{Checkpoints: checkpoints, Restart: true}).Run(t.Context())
	if err != nil || !report.OK() || report.Documents != 1 {
		t.Errorf("%+v %v", report, err)
	}
	n, err := checkpoints.CountDocuments(t.Context(), bson.D{{Key: "done", Value: true}}, options.Count())
	if err != nil || n == 0 {
		t.Error(n, err)
	}
}

// A process that is at work when another one forgets the checkpoints stops: the ranges that it goes on with are not those of the others any more.
func TestRestartMeanwhile(t *testing.T) {
	w := newWorld(t)
	c, checkpoints := w.db.Collection("c"), w.db.Collection("checkpoints")
	for i := range 20 {
		insert(t, c, bson.D{{Key: "_id", Value: i}, {Key: "ssn", Value: "a"}})
	}
	restarted := false
	opts := migrate.Options{Checkpoints: checkpoints, Ranges: 2, BatchSize: 5, Workers: 1}
	opts.Progress = func(migrate.Progress) {
		if restarted {
			return
		}
		restarted = true
		insert(t, c, bson.D{{Key: "_id", Value: -1}, {Key: "ssn", Value: "a"}}) // so that the ranges will be others
		report, err := w.migration(t, c, migrate.Options{Checkpoints: checkpoints, Ranges: 4, Restart: true}).Run(t.Context())
		if err != nil || !report.OK() {
			t.Errorf("the second: %+v %v", report, err)
		}
	}
	if report, err := w.migration(t, c, opts).Run(t.Context()); err == nil || report.OK() || !restarted {
		t.Errorf("the first goes on: %+v %v", report, err)
	}
	report, err := w.migration(t, c, migrate.Options{Checkpoints: checkpoints}).Run(t.Context())
	if err != nil || !report.OK() || report.Documents != 21 {
		t.Errorf("the third: %+v %v", report, err)
	}
}

// Checkpoints of a collection that was dropped do not count for another one of the same name.
func TestCollectionMadeAnew(t *testing.T) {
	w := newWorld(t)
	c, checkpoints := w.db.Collection("c"), w.db.Collection("checkpoints")
	run := func() error {
		report, err := w.migration(t, c, migrate.Options{Checkpoints: checkpoints}).Run(t.Context())
		if err == nil && !report.OK() {
			t.Errorf("%+v", report)
		}
		return err
	}
	insert(t, c, bson.D{{Key: "_id", Value: 1}, {Key: "ssn", Value: "a"}})
	specifications, err := w.db.ListCollectionSpecifications(t.Context(), bson.D{{Key: "name", Value: "c"}})
	if err != nil || len(specifications) != 1 {
		t.Fatal(specifications, err)
	}
	if specifications[0].UUID == nil {
		t.Skip("the server does not tell collections of one name apart: listCollections has no info.uuid")
	}
	if err := errors.Join(run(), run()); err != nil {
		t.Fatal(err)
	}
	if err := c.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	insert(t, c, bson.D{{Key: "_id", Value: 1}, {Key: "ssn", Value: "a"}})
	if err := run(); err == nil {
		t.Error("goes on")
	}
}
