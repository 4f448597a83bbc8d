package migrate

import (
	"context"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// overtaken is a ledger in which another process begins the next pass as soon as this one has ended.
type overtaken struct {
	memoryLedger
	once bool
}

func (l *overtaken) states(ctx context.Context, ranges int) ([]rangeState, error) {
	all, err := l.memoryLedger.states(ctx, ranges)
	for n, s := range all {
		if !l.once && !s.Done {
			return all, err
		}
		all[n] = rangeState{Pass: s.Pass + 1}
	}
	l.once = true
	return all, err
}

// What a pass found is forgotten when another process begins the next: the first one must not take that for a pass that found nothing.
func TestOvertaken(t *testing.T) {
	w := newWorld(t)
	c := &collection{docs: []bson.Raw{marshal(t, field("ssn", "a"))}}
	m, err := newMigration(Options{Schema: w.schema, Encryption: w.ce, Workers: 1, Ranges: 1}, c)
	if err != nil {
		t.Fatal(err)
	}
	l := &overtaken{}
	x := &execution{Migration: m, job: encrypting, ledger: l, pace: newPace(m.opts), tally: &tally{counts: map[countKey]int64{}}}
	if x.ranges, err = l.open(t.Context(), func(context.Context) ([]span, error) { return whole(), nil }); err != nil {
		t.Fatal(err)
	}
	for n := range x.ranges {
		x.own = append(x.own, n)
	}
	if settled, err := x.pass(t.Context(), 1); settled || err != nil || x.tally.report.Changed != 1 {
		t.Errorf("settled %t after %d changes: %v", settled, x.tally.report.Changed, err)
	}
}
