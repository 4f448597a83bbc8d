package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fieldcrypt/fieldcrypt/bench/measure"
	"github.com/fieldcrypt/fieldcrypt/bench/results"
	"github.com/fieldcrypt/fieldcrypt/bench/workload"
)

// plan is how long a comparison may take.
type plan struct {
	round  time.Duration // of one side, at least
	rounds int           // of every side, in turn
	limit  time.Duration // after which a side is given up, for one round
	all    time.Duration // after which there are no more rounds than least
	least  int
}

// compare measures one workload on all sides, once it is sure that all give the same result.
func compare(ctx context.Context, ps *programs, w workload.Workload, p plan) (results.Workload, error) {
	m, err := measured(ctx, ps, w, p)
	if err != nil {
		return m, fmt.Errorf("%s: %w", w.Name, err)
	}
	return m, nil
}

func measured(ctx context.Context, ps *programs, w workload.Workload, p plan) (m results.Workload, err error) {
	m = results.Workload{Name: w.Name, Group: w.Group, Size: w.Size, Goroutines: w.Goroutines, Sides: make(map[string]results.Measured)}
	b, err := w.Build()
	if err != nil {
		return m, err
	}
	m.OneCore = b.Task.Procs == 1
	c := comparison{
		ps: ps, w: w, b: b, p: p, sides: sides(ps.starts, w, b),
		counts: make(map[string]int), made: make(map[string][][]byte), samples: make(map[string][]measure.Sample), missing: make(map[string]string),
	}
	if err := c.prepare(); err != nil {
		return m, err
	}
	if err := c.same(); err != nil {
		return m, err
	}
	if err := c.rounds(ctx); err != nil {
		return m, err
	}
	for side, samples := range c.samples {
		m.Sides[side] = results.Of(samples)
	}
	for side, why := range c.missing {
		m.Sides[side] = results.Measured{Missing: why}
	}
	return m, nil
}

type comparison struct {
	ps      *programs
	w       workload.Workload
	b       *workload.Built
	p       plan
	sides   []start
	counts  map[string]int // of operations in a round, by side
	made    map[string][][]byte
	samples map[string][]measure.Sample
	missing map[string]string
}

func (c *comparison) prepare() error {
	for _, s := range c.sides {
		if err := c.ready(s); err != nil {
			return err
		}
	}
	return nil
}

// built is what a side works on.
func (c *comparison) built(s start) *workload.Built {
	if s.plain {
		return c.b.Unencrypted
	}
	return c.b
}

// same says whether all sides did the same, and the right thing.
func (c *comparison) same() error {
	for _, s := range c.sides {
		for i, out := range c.made[s.side] {
			if err := right(c.built(s), s.side, i, out); err != nil {
				return fmt.Errorf("what %s makes of input %d: %w", s.side, i, err)
			}
		}
	}
	return nil
}

// rounds has the sides work in turn; another one begins each time.
func (c *comparison) rounds(ctx context.Context) error {
	begin := time.Now()
	for round := range c.p.rounds {
		if round >= c.p.least && time.Since(begin) > c.p.all {
			return nil
		}
		for i := range c.sides {
			if err := c.time(c.sides[(i+round)%len(c.sides)]); err != nil {
				return err
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

// late notes that a side takes too long, which is no error.
func (c *comparison) late(s start, err error) error {
	slow := new(measure.SlowError)
	if !errors.As(err, &slow) {
		return err
	}
	c.ps.drop(s.side)
	delete(c.counts, s.side)
	delete(c.made, s.side)
	delete(c.samples, s.side)
	c.missing[s.side] = slow.Why
	if c.ps.slow == nil {
		c.ps.slow = make(map[string]bool)
	}
	c.ps.slow[c.w.Group+s.side] = c.w.Size > 0
	return nil
}

func (c *comparison) ready(s start) error {
	if c.ps.slow[c.w.Group+s.side] {
		c.missing[s.side] = "not tried"
		return nil
	}
	program, err := c.ps.get(s)
	if err != nil {
		return err
	}
	if err := program.Open(c.built(s).Task, c.p.limit); err != nil {
		return c.late(s, err)
	}
	for i := range min(3, len(c.b.Task.Inputs)) {
		out, err := program.Once(i, c.p.limit)
		if err != nil {
			return c.late(s, err)
		}
		c.made[s.side] = append(c.made[s.side], out)
	}
	n, err := program.Calibrate(c.p.round, c.w.Goroutines, c.p.limit)
	if err != nil {
		return c.late(s, err)
	}
	c.counts[s.side] = n
	return nil
}

func (c *comparison) time(s start) error {
	n, ok := c.counts[s.side]
	if !ok {
		return nil
	}
	sample, err := c.ps.running[s.side].Time(n, c.w.Goroutines, c.p.limit)
	if err != nil {
		return c.late(s, err)
	}
	c.samples[s.side] = append(c.samples[s.side], sample)
	return nil
}
