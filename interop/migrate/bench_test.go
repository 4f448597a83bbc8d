package migrate

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"github.com/fieldcrypt/fieldcrypt/migrate"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

var (
	workers   = flag.Int("workers", 4, "of both sides of BenchmarkRun")
	batchSize = flag.Int("batch", 500, "documents that both sides read and write at a time")
	perWorker = flag.Int("ranges", 4, "of _id for each worker of both sides")
)

// first is the side that begins; they take turns.
var first = 1

const sealed = 82 // bytes of a ciphertext of a short value

// BenchmarkRun measures a pass that encrypts, side by side with a plain program that finds the same documents and updates them in bulk by _id, with values
// of the same length: the least that any program has to do. Both work on ranges of _id, and read and write as many documents at a time.
//
//	FIELDCRYPT_TEST_URI=mongodb://… GOWORK=off go test ./migrate -run '^$' -bench Run -benchtime 100000x -count 5
//
// It tells the documents a second of both sides and their ratio.
func BenchmarkRun(b *testing.B) {
	document := func(i int) bson.D {
		return bson.D{{Key: "_id", Value: i}, {Key: "ssn", Value: "457-55-5462"}, {Key: "salary", Value: 1.5}, {Key: "rest", Value: bytes.Repeat([]byte{1}, 200)}}
	}
	var took [2]time.Duration
	if b.N > 1 { // not the trial before
		first = 1 - first
	}
	sides := []func(*world, int) error{plainly, encrypting}
	for i := range sides {
		side := (i + first) % len(sides)
		do := sides[side]
		w := newWorld(b)
		w.fill(b, b.N, document)
		began := time.Now()
		if err := do(w, b.N); err != nil {
			b.Fatal(err)
		}
		took[side] = time.Since(began)
		if err := w.people.Drop(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	rate := func(d time.Duration) float64 { return float64(b.N) / d.Seconds() }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(rate(took[0]), "plain-docs/s")
	b.ReportMetric(rate(took[1]), "migrated-docs/s")
	b.ReportMetric(float64(took[0])/float64(took[1]), "ratio")
}

func encrypting(w *world, n int) error {
	raw, err := bson.Marshal(w.schema())
	if err != nil {
		return err
	}
	s, err := schema.Parse(raw, schema.Local)
	if err != nil {
		return err
	}
	m, err := migrate.New(migrate.Options{
		Collection: w.people, Encryption: w.ce, Schema: s, Passes: 1, Workers: *workers, Ranges: *perWorker * *workers, BatchSize: *batchSize,
	})
	if err != nil {
		return err
	}
	report, err := m.Run(context.Background())
	if err == nil && (report.Changed != int64(n) || report.Found != 0) {
		err = fmt.Errorf("%d documents were changed, and %d values found, of %d documents", report.Changed, report.Found, n)
	}
	return err
}

// plainly is what one writes who does not care what else happens.
func plainly(w *world, n int) error {
	group, ctx := errgroup.WithContext(context.Background())
	group.SetLimit(*workers)
	ranges := *perWorker * *workers
	for r := range ranges {
		group.Go(func() error { return plainRange(ctx, w.people, r*n/ranges, (r+1)*n/ranges) })
	}
	return group.Wait()
}

func plainRange(ctx context.Context, people *mongo.Collection, from, to int) error {
	filter := bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: from}, {Key: "$lt", Value: to}}}}
	cursor, err := people.Find(ctx, filter, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetBatchSize(int32(*batchSize)))
	if err != nil {
		return err
	}
	defer cursor.Close(ctx)
	value := bson.Binary{Subtype: 6, Data: bytes.Repeat([]byte{1}, sealed)}
	update := bson.D{{Key: "$set", Value: bson.D{{Key: "ssn", Value: value}, {Key: "salary", Value: value}}}}
	for more := true; more; {
		var models []mongo.WriteModel
		for len(models) < *batchSize {
			if more = cursor.Next(ctx); !more {
				break
			}
			models = append(models, mongo.NewUpdateOneModel().SetFilter(bson.D{{Key: "_id", Value: cursor.Current.Lookup("_id")}}).SetUpdate(update))
		}
		if len(models) == 0 {
			break
		}
		if _, err := people.BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false)); err != nil {
			return err
		}
	}
	return cursor.Err()
}
