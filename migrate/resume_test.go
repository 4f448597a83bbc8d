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

// newExecution is a job with a ledger, before its first pass.
func newExecution(t *testing.T, m *Migration, j job, l ledger) *execution {
	t.Helper()
	x := &execution{Migration: m, job: j, ledger: l, pace: newPace(m.opts), tally: &tally{counts: map[countKey]int64{}}}
	var err error
	if x.ranges, err = l.open(t.Context(), func(context.Context) ([]span, error) { return whole(), nil }); err != nil {
		t.Fatal(err)
	}
	for n := range x.ranges {
		x.own = append(x.own, n)
	}
	return x
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
				return newExecution(t, m, encrypting, l).pass(t.Context(), 1)
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
	c.writtenBefore(marshal(t, field("ssn", w.sealed(value("b"), det, w.now, ""))), "update")
	m, err := newMigration(Options{Schema: w.schema, Encryption: w.ce, Workers: 1}, c)
	if err != nil {
		t.Fatal(err)
	}
	if report, err := m.Run(t.Context()); err != nil || !report.OK() || report.Changed != 0 || report.Conflicts != 1 || report.Passes != 2 {
		t.Errorf("%+v %v", report, err)
	}
}

// A run that goes on after a while looks again at what was read before: a client that did not encrypt yet may have written there.
func TestReadsAgainWhatWasReadLongAgo(t *testing.T) {
	w := newWorld(t)
	c := &collection{}
	for i := range 6 {
		doc, err := bson.Marshal(bson.D{{Key: "_id", Value: i}, {Key: "ssn", Value: w.sealed(value("a"), det, w.now, "")}})
		if err != nil {
			t.Fatal(err)
		}
		c.docs = append(c.docs, doc)
	}
	finds := 0
	c.fail = func(op string) error {
		if finds++; finds == 3 {
			return errKilled
		}
		return nil
	}
	m, err := newMigration(Options{Schema: w.schema, Encryption: w.ce, Workers: 1, BatchSize: 2, Passes: 2}, c)
	if err != nil {
		t.Fatal(err)
	}
	l := &kept{}
	if err := newExecution(t, m, encrypting, l).goThrough(t.Context()); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	for n := range l.ranges {
		l.ranges[n].Owner, l.taken[n] = "somebody", false // as checkpoints note it
	}
	doc, err := bson.Marshal(bson.D{{Key: "_id", Value: 0}, {Key: "ssn", Value: "b"}})
	if err != nil {
		t.Fatal(err)
	}
	c.put(doc)
	x := newExecution(t, m, encrypting, l)
	if err := x.goThrough(t.Context()); err != nil || !x.tally.report.Settled {
		t.Fatalf("settled %t: %v", x.tally.report.Settled, err)
	}
	for _, doc := range c.docs {
		if doc.Lookup("ssn").Type != bson.TypeBinary {
			t.Errorf("settled, but there is %v", doc.Lookup("_id"))
		}
	}
}

// unsure is a ledger whose server does not answer every time, although it may have done what it was asked for.
type unsure struct {
	kept
	asked int
}

func (l *unsure) lose() error {
	if l.asked++; l.asked%3 != 0 {
		return errLost
	}
	return nil
}

func (l *unsure) states(ctx context.Context, ranges int) ([]rangeState, error) {
	all, err := l.kept.states(ctx, ranges)
	return all, errors.Join(err, l.lose())
}

func (l *unsure) save(ctx context.Context, n int, s rangeState, keep bool) (bool, error) {
	held, err := l.kept.save(ctx, n, s, keep)
	return held, errors.Join(err, l.lose())
}

func (l *unsure) advance(ctx context.Context, n, pass int) error {
	return errors.Join(l.kept.advance(ctx, n, pass), l.lose())
}

// A server of checkpoints that is away for a moment does not end the job; one that stays away does.
func TestCheckpointsAway(t *testing.T) {
	w := newWorld(t)
	c := &collection{docs: []bson.Raw{marshal(t, field("ssn", "a"))}}
	m, err := newMigration(Options{Schema: w.schema, Encryption: w.ce, Workers: 1}, c)
	if err != nil {
		t.Fatal(err)
	}
	m.pause = func(ctx context.Context, _ int) error { return ctx.Err() }
	l := &unsure{}
	x := newExecution(t, m, encrypting, &patient{l, m.pause, m.log})
	if err := x.goThrough(t.Context()); err != nil || !x.tally.report.Settled || x.tally.report.Changed != 1 {
		t.Errorf("%+v: %v", x.tally.report, err)
	}
	asked := 0
	away := (&patient{l, m.pause, m.log}).try(t.Context(), func() error { asked++; return errLost })
	if passing(away) != true || asked != maxLosses+1 {
		t.Errorf("asked %d times: %v", asked, away)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	asked = 0
	if err := (&patient{l, m.pause, m.log}).try(stopped, func() error { asked++; return errLost }); err == nil || asked != 1 {
		t.Errorf("asked %d times after the end: %v", asked, err)
	}
}

// Checkpoints are of one schema: one that excepts another name from its rule is another.
func TestCheckpointsOfAnotherSchema(t *testing.T) {
	w := newWorld(t)
	but := func(name string) Options {
		return Options{Schema: parse(t, bson.D{{Key: "bsonType", Value: "object"}, {Key: "properties", Value: field(name, bson.D{})},
			{Key: "additionalProperties", Value: field("encrypt", bson.D{{Key: "algorithm", Value: random}, {Key: "keyId", Value: bson.A{w.now}}})}})}
	}
	first, again := hash(but("_id"), ""), hash(but("_id"), "")
	if first != again || first == hash(but("_id"), "anew") {
		t.Error("a hash does not tell collections apart, or the same one")
	}
	if first == hash(but("name"), "") {
		t.Error("two schemas have the same hash")
	}
}
