package migrate

import (
	"bytes"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt/migrate"
)

// BenchmarkRun measures one pass that encrypts, beside a plain loop that finds the same documents and writes values of the same length to them in bulk: the
// least that any program has to do. Both read and write one batch of 500 after the other.
//
//	FIELDCRYPT_TEST_URI=mongodb://… go test ./integration/migrate -run '^$' -bench Run -benchtime 50000x
func BenchmarkRun(b *testing.B) {
	fill := func(b *testing.B, c *mongo.Collection) {
		for from := 0; from < b.N; from += 1000 {
			var docs []any
			for i := from; i < min(from+1000, b.N); i++ {
				docs = append(docs, bson.D{{Key: "_id", Value: i}, {Key: "ssn", Value: "457-55-5462"}, {Key: "any", Value: 1.5}, {Key: "rest", Value: bytes.Repeat([]byte{1}, 200)}})
			}
			insert(b, c, docs...)
		}
		b.ResetTimer()
	}
	b.Run("plain", func(b *testing.B) {
		w := newWorld(b)
		c := w.db.Collection("c")
		fill(b, c)
		value := bson.Binary{Subtype: 6, Data: bytes.Repeat([]byte{1}, 82)}
		cursor, err := c.Find(b.Context(), bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetBatchSize(500))
		if err != nil {
			b.Fatal(err)
		}
		defer cursor.Close(b.Context())
		var models []mongo.WriteModel
		flush := func() {
			if _, err := c.BulkWrite(b.Context(), models, options.BulkWrite().SetOrdered(false)); err != nil {
				b.Fatal(err)
			}
			models = nil
		}
		for cursor.Next(b.Context()) {
			models = append(models, mongo.NewUpdateOneModel().SetFilter(bson.D{{Key: "_id", Value: cursor.Current.Lookup("_id")}}).
				SetUpdate(bson.D{{Key: "$set", Value: bson.D{{Key: "ssn", Value: value}, {Key: "any", Value: value}}}}))
			if len(models) == 500 {
				flush()
			}
		}
		if len(models) > 0 {
			flush()
		}
	})
	b.Run("migrate", func(b *testing.B) {
		w := newWorld(b)
		c := w.db.Collection("c")
		fill(b, c)
		if report, err := w.migration(b, c, migrate.Options{Passes: 1, Workers: 1, Ranges: 1}).Run(b.Context()); err != nil || report.Changed != int64(b.N) {
			b.Fatalf("%+v %v", report, err)
		}
	})
}
