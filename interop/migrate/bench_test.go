package migrate

import (
	"bytes"
	"context"
	"encoding/binary"
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
	loops     = flag.Int("loops", 1, "of the plain program of BenchmarkRun, at the same time")
	workers   = flag.Int("workers", 0, "of the migration of BenchmarkRun; 0 is its default")
	batchSize = flag.Int("batch", 500, "documents that both sides read and write at a time")
)

// BenchmarkRun measures a run that encrypts, side by side with a plain program that finds the same documents and updates them in bulk by _id, with values of
// the same length: the least that any program has to do that updates documents one by one. It encrypts nothing, sets no conditions and checks nothing. It is one
// loop, as one writes it; -loops has it divide the collection. Both sides find a collection that was filled just before, and take turns: plain, migrated,
// migrated, plain.
//
//	FIELDCRYPT_TEST_URI=mongodb://… GOWORK=off go test ./migrate -run '^$' -bench Run -benchtime 100000x -count 5
//
// It tells the documents a second of both sides and their ratio.
func BenchmarkRun(b *testing.B) {
	document := func(i int) bson.D {
		return bson.D{{Key: "_id", Value: objectID(i)}, {Key: "ssn", Value: "457-55-5462"}, {Key: "salary", Value: 1.5}, {Key: "rest", Value: bytes.Repeat([]byte{1}, 200)}}
	}
	var plain, migrated time.Duration
	for _, side := range []struct {
		do   func(*world, int) error
		took *time.Duration
	}{{plainly, &plain}, {encrypting, &migrated}, {encrypting, &migrated}, {plainly, &plain}} {
		w := newWorld(b)
		w.fill(b, b.N, document)
		began := time.Now()
		if err := side.do(w, b.N); err != nil {
			b.Fatal(err)
		}
		*side.took += time.Since(began)
		if err := w.people.Drop(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	rate := func(d time.Duration) float64 { return float64(2*b.N) / d.Seconds() }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(rate(plain), "plain-docs/s")
	b.ReportMetric(rate(migrated), "migrated-docs/s")
	b.ReportMetric(float64(plain)/float64(migrated), "ratio")
}

// objectID is the _id of document i.
func objectID(i int) (id bson.ObjectID) {
	binary.BigEndian.PutUint64(id[4:], uint64(i))
	return id
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
		Collection: w.people, Encryption: w.ce, Schema: s, Passes: 1, Workers: *workers, BatchSize: *batchSize,
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
	for loop := range *loops {
		group.Go(func() error {
			return plainRange(ctx, w.people, objectID(loop*n / *loops), objectID((loop+1)*n / *loops))
		})
	}
	return group.Wait()
}

func plainRange(ctx context.Context, people *mongo.Collection, from, to bson.ObjectID) error {
	filter := bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: from}, {Key: "$lt", Value: to}}}}
	cursor, err := people.Find(ctx, filter, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetBatchSize(int32(*batchSize)))
	if err != nil {
		return err
	}
	defer cursor.Close(ctx)
	for more := true; more; {
		var models []mongo.WriteModel
		for len(models) < *batchSize {
			if more = cursor.Next(ctx); !more {
				break
			}
			models = append(models, plainUpdate(cursor.Current))
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

// plainUpdate puts something as long as a ciphertext in the place of both values.
func plainUpdate(doc bson.Raw) mongo.WriteModel {
	const sealed = 82
	value := func(of bson.RawValue) bson.Binary {
		data := make([]byte, sealed)
		copy(data, of.Value)
		return bson.Binary{Subtype: 6, Data: data}
	}
	set := bson.D{{Key: "ssn", Value: value(doc.Lookup("ssn"))}, {Key: "salary", Value: value(doc.Lookup("salary"))}}
	return mongo.NewUpdateOneModel().SetFilter(bson.D{{Key: "_id", Value: doc.Lookup("_id")}}).SetUpdate(bson.D{{Key: "$set", Value: set}})
}
