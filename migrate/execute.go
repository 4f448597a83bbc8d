package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"
)

// execution is one job under way.
type execution struct {
	*Migration
	job    job
	ledger ledger
	ranges []span
	own    []int // numbers of the ranges of this partition
	tally  *tally
	pace   *pace
}

func (m *Migration) execute(ctx context.Context, j job) (*Report, error) {
	x := &execution{Migration: m, job: j, pace: newPace(m.opts), tally: &tally{
		report: Report{
			Job: j.String(), DryRun: m.opts.DryRun, Partition: m.opts.Partition, Of: m.opts.Partitions,
		},
		started: time.Now(), limit: m.opts.MaxFindings, counts: map[countKey]int64{}, progress: m.opts.Progress,
	}}
	err := x.run(ctx)
	report := x.tally.finish()
	report.Complete = err == nil
	return report, err
}

func (x *execution) run(ctx context.Context) error {
	if err := x.begin(ctx); err != nil {
		return err
	}
	return x.goThrough(ctx)
}

// goThrough goes through the own ranges until a pass has found nothing to change. Only one of which nothing was read before this run can tell: what an
// earlier run has read may have been written since, by clients that did not encrypt yet.
func (x *execution) goThrough(ctx context.Context) error {
	states, err := x.states(ctx)
	if err != nil {
		return err
	}
	passes := x.opts.Passes
	if !jobs[x.job].writes || x.opts.DryRun {
		passes = 1
	}
	first := firstPass(states)
	whole := first
	if begun(states, first) {
		whole++
	}
	for pass := first; pass < whole+passes; pass++ {
		x.tally.beginPass(pass - first + 1)
		settled, err := x.pass(ctx, pass)
		if err != nil {
			return err
		}
		if settled && pass >= whole || !jobs[x.job].writes || x.opts.DryRun {
			x.tally.report.Settled = true
			return nil
		}
	}
	return nil
}

// begin checks what can be checked before anything is done, and divides the collection.
func (x *execution) begin(ctx context.Context) error {
	if err := x.checkKeys(ctx); err != nil {
		return err
	}
	var fields []string
	for _, f := range x.opts.Schema.Fields() {
		fields = append(fields, f.Path)
	}
	identity, err := x.docs.check(ctx, fields)
	if err != nil {
		return err
	}
	total, err := x.docs.estimate(ctx)
	if err != nil {
		return fmt.Errorf("counting documents: %w", err)
	}
	x.tally.report.Total = total
	if err := x.open(ctx, identity, total); err != nil {
		return err
	}
	for n := range x.ranges {
		if n%x.opts.Partitions == x.opts.Partition {
			x.own = append(x.own, n)
		}
	}
	return nil
}

// open gets the ranges and opens the ledger. What only reads starts at the beginning each time, lest it forget what it found before it was stopped; its
// partitions agree on ranges all the same.
func (x *execution) open(ctx context.Context, identity string, total int64) (err error) {
	divide := func(ctx context.Context) ([]span, error) { return x.divide(ctx, total) }
	x.ledger = &memoryLedger{}
	if x.opts.Checkpoints != nil && !x.opts.DryRun {
		agreed := &patient{newCheckpoints(x.opts, x.job, identity), x.pause, x.log}
		if jobs[x.job].writes {
			x.ledger = agreed
		} else if x.opts.Partitions > 1 {
			divided := divide
			divide = func(ctx context.Context) ([]span, error) { return agreed.open(ctx, divided) }
		}
	}
	x.ranges, err = x.ledger.open(ctx, divide)
	return err
}

// divide cuts the collection into ranges of about equal numbers of documents.
func (x *execution) divide(ctx context.Context, total int64) ([]span, error) {
	step := max(total/int64(x.opts.Ranges), x.smallRange)
	if total <= step || x.opts.Ranges == 1 {
		return whole(), nil
	}
	var all []span
	for _, b := range brackets {
		bounds, err := x.docs.bounds(ctx, b, step)
		if err != nil {
			return nil, fmt.Errorf("dividing the collection: %w", err)
		}
		all = append(all, divided(b, bounds)...)
	}
	return append(all, span{bracket: others}), nil
}

// states are those of the own ranges, in their order.
func (x *execution) states(ctx context.Context) ([]rangeState, error) {
	all, err := x.ledger.states(ctx, len(x.ranges))
	if err != nil {
		return nil, err
	}
	own := make([]rangeState, len(x.own))
	for i, n := range x.own {
		own[i] = all[n]
	}
	return own, nil
}

// firstPass is the one to go on with: the earliest that some range has not ended.
func firstPass(states []rangeState) int {
	pass := 0
	for _, s := range states {
		next := s.Pass
		if s.Done {
			next++
		}
		if pass == 0 || next < pass {
			pass = next
		}
	}
	return max(pass, 1)
}

// begun says whether somebody has read in this pass.
func begun(states []rangeState, pass int) bool {
	return slices.ContainsFunc(states, func(s rangeState) bool { return s.Pass == pass && (s.Done || s.Owner != "") })
}

// pass works on the own ranges until all are done. settled says that it had nothing to change.
func (x *execution) pass(ctx context.Context, pass int) (settled bool, err error) {
	if pass > 1 { // the first began with the division
		for _, n := range x.own {
			if err := x.ledger.advance(ctx, n, pass); err != nil {
				return false, err
			}
		}
	}
	for {
		states, err := x.states(ctx)
		if err != nil {
			return false, err
		}
		var pending []int
		found := int64(0)
		settled = true
		for i, s := range states {
			if s.Pass == pass && !s.Done {
				pending = append(pending, x.own[i])
			}
			settled = settled && s.Pass == pass && s.Changed == 0 && !s.Again // of a pass that others have left, nothing is known any more
			found += s.Found
			if s.Pass < pass {
				return false, errRestarted
			}
		}
		if len(pending) == 0 {
			x.tally.foundInAll(found)
			return settled, nil
		}
		worked, err := x.work(ctx, pending, pass)
		if err != nil {
			return false, err
		}
		if !worked { // others hold what is left
			if err := sleep(ctx, min(x.opts.Lease/4, time.Second)); err != nil {
				return false, err
			}
		}
	}
}

// work has the workers take the pending ranges, each at most once. worked says that they got any.
func (x *execution) work(ctx context.Context, pending []int, pass int) (worked bool, err error) {
	var got atomic.Bool
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(x.opts.Workers)
	for _, n := range pending {
		if within.Err() != nil {
			break
		}
		group.Go(func() error {
			s, taken, err := x.ledger.take(within, n, pass)
			if err != nil || !taken {
				return err
			}
			got.Store(true)
			return x.scan(within, n, s)
		})
	}
	if err := group.Wait(); err != nil {
		return false, err
	}
	return got.Load(), ctx.Err()
}

// errRestarted ends a job whose checkpoints another process has forgotten: the two do not agree on ranges any more.
var errRestarted = errors.New("another process has restarted the job: its checkpoints begin anew")

// errLeaseLost ends the work on a range that another process goes on with.
var errLeaseLost = errors.New("another process has taken the range over")

// scan works on one range, from where it was left.
func (x *execution) scan(ctx context.Context, n int, s rangeState) error {
	saved := time.Now()
	if x.ranges[n].bracket == others {
		s.After = bson.RawValue{}
	}
	err := x.ahead(ctx, x.ranges[n], s.After, func(b *batch) error {
		if err := x.write(ctx, b, &s); err != nil {
			return err
		}
		if time.Since(saved) < x.opts.Lease/6 {
			return nil
		}
		saved = time.Now()
		held, err := x.ledger.save(ctx, n, s, true)
		if err == nil && !held {
			err = errLeaseLost
		}
		return err
	})
	switch {
	case errors.Is(err, errLeaseLost):
		x.log.WarnContext(ctx, "a range is left to another process", "range", n)
		return nil
	case err != nil:
		x.leave(ctx, n, s)
		return err
	}
	s.Done, s.After = true, bson.RawValue{}
	_, err = x.ledger.save(ctx, n, s, false)
	return err
}

// leave notes how far a range is when the job stops early. What cannot be noted is done again.
func (x *execution) leave(ctx context.Context, n int, s rangeState) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if _, err := x.ledger.save(ctx, n, s, false); err != nil {
		x.log.WarnContext(ctx, "the checkpoint of a range was not written", "range", n)
	}
}
