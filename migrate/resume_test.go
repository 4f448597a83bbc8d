package migrate

import (
	"context"
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// kept is a ledger that outlives a process.
type kept struct {
	memoryLedger
	spans []span
}

func (l *kept) open(ctx context.Context, divide func(context.Context) ([]span, error)) (_ []span, err error) {
	if l.spans == nil {
		l.spans, err = l.memoryLedger.open(ctx, divide)
	}
	return l.spans, err
}

// What the ledger says is done is done: a process that is killed while it changes a document leaves that to the next one, which begins where the ledger says.
func TestGoesOn(t *testing.T) {
	w := newWorld(t)
	for _, at := range []string{"find", "update", "between", "updated"} {
		for batch := 1; batch < 4; batch++ {
			c := &collection{}
			for i := range 6 {
				doc, err := bson.Marshal(bson.D{{Key: "_id", Value: i}, {Key: "ssn", Value: "a"}})
				if err != nil {
					t.Fatal(err)
				}
				c.docs = append(c.docs, doc)
			}
			m, err := newMigration(Options{Schema: w.schema, Encryption: w.ce, Workers: 1, Ranges: 1, BatchSize: 2}, c)
			if err != nil {
				t.Fatal(err)
			}
			l := &kept{}
			pass := func() (bool, error) {
				x := &execution{Migration: m, job: encrypting, ledger: l, pace: newPace(m.opts), tally: &tally{counts: map[countKey]int64{}}}
				if x.ranges, err = l.open(t.Context(), func(context.Context) ([]span, error) { return whole(), nil }); err != nil {
					t.Fatal(err)
				}
				for n := range x.ranges {
					x.own = append(x.own, n)
				}
				return x.pass(t.Context(), 1)
			}
			n := 0
			c.fail = func(op string) error {
				if op == at {
					n++
				}
				if n == batch {
					n++
					return errKilled
				}
				return nil
			}
			if _, err := pass(); !errors.Is(err, errKilled) {
				t.Fatalf("%s %d: %v", at, batch, err)
			}
			if _, err := pass(); err != nil {
				t.Fatalf("%s %d: %v", at, batch, err)
			}
			for _, doc := range c.docs {
				if doc.Lookup("ssn").Type != bson.TypeBinary {
					t.Errorf("%s %d: the ledger says that %v is done", at, batch, doc)
				}
			}
		}
	}
}

// A pass in which somebody else was faster is not the last, even if it changed nothing itself: there may be more of them.
func TestConflictLooksAgain(t *testing.T) {
	w := newWorld(t)
	c := &collection{docs: []bson.Raw{marshal(t, field("ssn", "a"))}}
	c.meanwhile = func(op string) {
		if op == "update" {
			c.meanwhile = nil
			c.put(marshal(t, field("ssn", w.sealed(value("b"), det, w.now, ""))))
		}
	}
	m, err := newMigration(Options{Schema: w.schema, Encryption: w.ce, Workers: 1}, c)
	if err != nil {
		t.Fatal(err)
	}
	if report, err := m.Run(t.Context()); err != nil || !report.OK() || report.Changed != 0 || report.Conflicts != 1 || report.Passes != 2 {
		t.Errorf("%+v %v", report, err)
	}
}
