package migrate

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// slow is a collection whose server takes some time for each update, after those that are done. It does not make them: nobody looks.
type slow struct {
	*collection
	each    func(done int) time.Duration
	done    int
	batches []took
}

type took struct {
	at      time.Time
	size    int
	latency time.Duration
}

func (s *slow) update(_ context.Context, edits []edit) (int64, map[int]int, error) {
	batch := took{time.Now(), len(edits), time.Duration(len(edits)) * s.each(s.done)}
	time.Sleep(batch.latency)
	s.done += len(edits)
	s.batches = append(s.batches, batch)
	return int64(len(edits)), nil, nil
}

// people are documents with a value to encrypt, and of some length.
func people(t *testing.T, n, length int) *collection {
	t.Helper()
	c := &collection{}
	for i := range n {
		doc, err := bson.Marshal(bson.D{{Key: "_id", Value: i}, {Key: "ssn", Value: "a"}, {Key: "rest", Value: strings.Repeat("x", length)}})
		if err != nil {
			t.Fatal(err)
		}
		c.docs = append(c.docs, doc)
	}
	return c
}

// runs migrates in one pass, in the time of the bubble, in which nothing but waiting takes any.
func runs(t *testing.T, docs documents, opts Options) *Report {
	t.Helper()
	w := newWorld(t)
	opts.Schema, opts.Encryption, opts.Passes = w.schema, w.ce, 1
	m, err := newMigration(opts, docs)
	if err != nil {
		t.Fatal(err)
	}
	report, err := m.Run(t.Context())
	if err != nil || !report.Complete {
		t.Fatalf("%+v %v", report, err)
	}
	return report
}

// Documents and bytes a second are bounds for all workers together, whatever the batch size; the first batch does not wait.
func TestRate(t *testing.T) {
	for name, tt := range map[string]struct {
		opts        Options
		least, most time.Duration // for 100 documents of about 1000 bytes
	}{
		"no bound":                {Options{}, 0, 0},
		"documents":               {Options{DocumentsPerSecond: 10, BatchSize: 5, Workers: 1}, 9 * time.Second, 10 * time.Second},
		"documents, 4 workers":    {Options{DocumentsPerSecond: 10, BatchSize: 5, Workers: 4, Ranges: 8}, 9 * time.Second, 10 * time.Second},
		"documents, large batch":  {Options{DocumentsPerSecond: 10, BatchSize: 500, Workers: 1}, 9 * time.Second, 10 * time.Second},
		"less than one a second":  {Options{DocumentsPerSecond: 0.5, Workers: 1}, 198 * time.Second, 200 * time.Second},
		"bytes":                   {Options{BytesPerSecond: 10_000, BatchSize: 5, Workers: 1}, 9 * time.Second, 11 * time.Second},
		"both, bytes are tighter": {Options{BytesPerSecond: 10_000, DocumentsPerSecond: 1000, BatchSize: 5, Workers: 1}, 9 * time.Second, 11 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				report := runs(t, people(t, 100, 950), tt.opts)
				if report.Elapsed < tt.least || report.Elapsed > tt.most || report.Changed != 100 {
					t.Errorf("%d documents took %s, want %s to %s", report.Changed, report.Elapsed, tt.least, tt.most)
				}
			})
		})
	}
}

// A job that waits for its turn ends at once when it is told to.
func TestRateInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m, err := newMigration(Options{Schema: w.schema, Encryption: w.ce, DocumentsPerSecond: 0.001, Workers: 1}, people(t, 2, 0))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if report, err := m.Run(ctx); err == nil || report.Elapsed != time.Minute || report.Changed != 1 {
			t.Errorf("%+v %v", report, err)
		}
	})
}

// While the server takes longer than the bound batches get smaller, until they do not; when it is faster again, so are they larger.
func TestMaxLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const documents, busy, bound = 800, 200, 100 * time.Millisecond
		s := &slow{collection: people(t, documents, 0), each: func(done int) time.Duration {
			if done < busy {
				return 10 * time.Millisecond // 10 documents a batch
			}
			return time.Microsecond
		}}
		runs(t, s, Options{MaxLatency: bound, BatchSize: 40, Workers: 1})
		done, over, slowly := 0, 0, 0
		for i, b := range s.batches {
			if done < busy {
				slowly++
				if b.latency > bound {
					over++
				}
				if i >= 2 && b.latency > 2*bound {
					t.Errorf("batch %d, of %d documents, took %s", i, b.size, b.latency)
				}
			}
			done += b.size
		}
		if over > slowly/2 {
			t.Errorf("%d of %d batches took too long", over, slowly)
		}
		if full := s.batches[len(s.batches)-2].size; full != 40 || done != documents {
			t.Errorf("in the end a batch has %d documents", full)
		}
	})
}

// A server that is too slow for one document is left alone for some time after each.
func TestRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{collection: people(t, 30, 0), each: func(int) time.Duration { return time.Second }}
		runs(t, s, Options{MaxLatency: 100 * time.Millisecond, BatchSize: 2, Workers: 1})
		last := s.batches[len(s.batches)-1]
		before := s.batches[len(s.batches)-2]
		if last.size != 1 || last.at.Sub(before.at) != before.latency+10*time.Second { // the longest rest
			t.Errorf("a batch of %d documents began %s after the one before", last.size, last.at.Sub(before.at))
		}
	})
}
