package migrate

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// distant is a slow collection that takes a second to read a batch, too.
type distant struct{ *slow }

func (d *distant) scan(ctx context.Context, s span, resumed bson.RawValue, batch func() int, each func([]bson.Raw) error) error {
	return d.slow.scan(ctx, s, resumed, batch, func(docs []bson.Raw) error {
		time.Sleep(time.Second)
		return each(docs)
	})
}

// The next batch is read while one is written.
func TestReadsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &distant{&slow{collection: people(t, 10, 0), each: func(int) time.Duration { return time.Second }}}
		if report := runs(t, d, Options{Workers: 1, BatchSize: 1}); report.Elapsed != 11*time.Second {
			t.Errorf("10 batches took %s", report.Elapsed)
		}
	})
}

// When reading fails, what was read before is written; when writing fails, reading ends.
func TestEndsWhileReadingAhead(t *testing.T) {
	for name, changed := range map[string]int64{"find": 4, "update": 2} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				c, n := people(t, 8, 0), 0
				c.fail = func(op string) error {
					if op != name {
						return nil
					}
					if n++; n <= int(changed)/2 {
						return nil
					}
					return errKilled
				}
				m, err := newMigration(Options{Schema: w.schema, Encryption: w.ce, Workers: 1, BatchSize: 2}, c)
				if err != nil {
					t.Fatal(err)
				}
				report, err := m.Run(t.Context())
				if !errors.Is(err, errKilled) || report.Changed != changed {
					t.Errorf("%+v %v", report, err)
				}
			})
		})
	}
}
