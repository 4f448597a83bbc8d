package aggregation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/integration/shim"
	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
	"github.com/fieldcrypt/fieldcrypt/internal/aggmodel"
)

// twins are two databases with the same collections, home and away: one through clients that encrypt, one plain.
type twins struct {
	*server
	encrypted map[analyze.Rewrite]*mongo.Database
	plain     *mongo.Database
	counts    map[string]int
}

func startTwins(t *testing.T) *twins {
	t.Helper()
	w := &twins{server: start(t), encrypted: map[analyze.Rewrite]*mongo.Database{}, counts: map[string]int{}}
	w.plain = connect(t, w.URI()).Database(testserver.Database(t))
	det := func(bsonType string, key int) bson.D { return w.field(bsonType, deterministic, key) }
	opts := w.opts
	opts.SchemaMap = map[string]any{ // q has the values of encrypted fields, in clear
		w.db + ".home": object(bson.E{Key: "s", Value: det("string", 0)}, bson.E{Key: "t", Value: det("string", 1)}, bson.E{Key: "i", Value: det("int", 1)},
			bson.E{Key: "r", Value: w.field("string", random, 1)}, bson.E{Key: "o", Value: object(bson.E{Key: "x", Value: det("string", 0)})}),
		w.db + ".away": object(bson.E{Key: "s", Value: det("string", 0)}, bson.E{Key: "w", Value: det("string", 1)}, bson.E{Key: "i", Value: det("int", 1)}),
	}
	for _, rewrite := range []analyze.Rewrite{analyze.Minimal, analyze.Exact} {
		opts.Rewrite = rewrite
		w.encrypted[rewrite] = w.encrypting(t, opts).Database(w.db)
	}
	return w
}

// TestEquivalence: whatever pipeline is accepted, its decrypted results are those of the same pipeline over the same documents in
// clear, in both rewrites. A constant that ought to have been sealed shows as another result, since ciphertext never equals it.
func TestEquivalence(t *testing.T) {
	w := startTwins(t)
	failing := false
	rapid.Check(t, func(t *rapid.T) {
		defer func() { failing = failing || t.Failed() }()
		w.fill(t)
		for range 12 {
			w.compare(t)
		}
	})
	for _, name := range slices.Sorted(maps.Keys(w.counts)) {
		t.Logf("%6d %s", w.counts[name], name)
	}
	for name, floor := range map[string]int{
		"accepted": 200, "accepted with results": 100, "accepted with ciphertext in the pipeline": 50, "accepted $lookup": 50, "accepted $facet": 10,
		"accepted $group": 20, "accepted $unionWith": 10, "accepted $replaceRoot": 5, "accepted $sortByCount": 10,
	} {
		if got := w.counts[name]; !failing && w.counts["drawn"] >= 1000 && got < floor { // fewer with -rapid.checks or -rapid.failfile
			t.Errorf("%s: %d, want at least %d: the property tests too little", name, got, floor)
		}
	}
}

// fill makes the two collections anew in both databases.
func (w *twins) fill(t *rapid.T) {
	ctx := context.Background()
	for _, name := range []string{"home", "away"} {
		var docs []any
		for i := range 5 {
			docs = append(docs, document(t, i, collections[name]))
		}
		for _, db := range []*mongo.Database{w.plain, w.encrypted[analyze.Minimal]} {
			if err := db.Collection(name).Drop(ctx); err != nil {
				t.Fatal(err)
			}
			if _, err := db.Collection(name).InsertMany(ctx, docs); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// compare runs one pipeline on both sides.
func (w *twins) compare(t *rapid.T) {
	collection := pick(t, "home", "home", "away")
	stages := pipeline(t, collections[collection], 0).stages
	t.Logf("%s %v", collection, stages)
	w.counts["drawn"]++
	w.Reset()
	got, err := run(w.encrypted[pick(t, analyze.Minimal, analyze.Exact)].Collection(collection), stages)
	sealed := w.sealed()
	var refused *analyze.RefusedError
	if errors.As(err, &refused) {
		w.counts["refused by "+refused.Rule]++
		return
	}
	want, plainErr := run(w.plain.Collection(collection), stages)
	if a, b := code(err), code(plainErr); a != b || a < 0 {
		t.Fatalf("encrypted: %v, plain: %v", err, plainErr)
	} else if a != 0 {
		w.counts[fmt.Sprint("both failed with ", a)]++
		return
	}
	if !aggmodel.SameResults(want, got, true) {
		t.Fatalf("%s, -plain +encrypted:\n%s", collection, aggmodel.DiffResults(want, got, true))
	}
	w.counts["accepted"]++
	if len(got) > 0 {
		w.counts["accepted with results"]++
	}
	if sealed {
		w.counts["accepted with ciphertext in the pipeline"]++
	}
	for _, stage := range stages {
		w.counts["accepted "+stage[0].Key]++
	}
}

// sealed says whether there is ciphertext in an aggregate command that was sent.
func (w *twins) sealed() bool {
	return slices.ContainsFunc(w.Commands("aggregate"), func(cmd shim.Command) bool {
		return slices.ContainsFunc(w.keys, func(key bson.Binary) bool { return bytes.Contains(cmd.Message, append([]byte{6, 1}, key.Data...)) })
	})
}

func run(c *mongo.Collection, stages mongo.Pipeline) (docs []bson.Raw, err error) {
	cursor, err := c.Aggregate(context.Background(), stages)
	if err != nil {
		return nil, err
	}
	return docs, cursor.All(context.Background(), &docs)
}

// code is the number of a server's error, 0 without one, -1 if it is another.
func code(err error) int32 {
	var failed mongo.CommandError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &failed):
		return failed.Code
	}
	return -1
}
