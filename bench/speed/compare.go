package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fieldcrypt/fieldcrypt/bench/measure"
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

// line is one workload's measurements, by side.
type line struct {
	workload workload.Workload
	samples  map[string][]measure.Sample
	missing  map[string]string // why a side has none
}

// compare measures one workload on all sides, once it is sure that all give the same result.
func compare(ctx context.Context, ps *programs, w workload.Workload, p plan) (*line, error) {
	b, err := w.Build()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", w.Name, err)
	}
	l := &line{workload: w, samples: make(map[string][]measure.Sample), missing: make(map[string]string)}
	c := comparison{ps: ps, w: w, b: b, p: p, line: l, counts: make(map[string]int), results: make(map[string][][]byte)}
	for _, s := range ps.starts {
		if s.side == floorSide && !w.Floor {
			continue
		}
		if err := c.prepare(s); err != nil {
			return nil, fmt.Errorf("%s: %w", w.Name, err)
		}
	}
	if err := same(b, c.results); err != nil {
		return nil, fmt.Errorf("%s: %w", w.Name, err)
	}
	begin := time.Now()
	for round := range p.rounds {
		if round >= p.least && time.Since(begin) > p.all {
			break
		}
		for i := range ps.starts { // another one begins each time
			if err := c.time(ps.starts[(i+round)%len(ps.starts)]); err != nil {
				return nil, fmt.Errorf("%s: %w", w.Name, err)
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
	}
	return l, nil
}

type comparison struct {
	ps      *programs
	w       workload.Workload
	b       *workload.Built
	p       plan
	line    *line
	counts  map[string]int
	results map[string][][]byte
}

// late notes that a side takes too long, which is no error.
func (c *comparison) late(s start, err error) error {
	if !errors.Is(err, measure.ErrTime) {
		return err
	}
	c.ps.drop(s.side)
	delete(c.counts, s.side)
	delete(c.results, s.side)
	delete(c.line.samples, s.side)
	c.line.missing[s.side] = fmt.Sprintf("more than %s", c.p.limit)
	return nil
}

func (c *comparison) prepare(s start) error {
	program, err := c.ps.get(s)
	if err != nil {
		return err
	}
	if err := program.Open(c.b.Task, c.p.limit); err != nil {
		return c.late(s, err)
	}
	for i := range min(3, len(c.b.Task.Inputs)) {
		out, err := program.Once(i, c.p.limit)
		if err != nil {
			return c.late(s, err)
		}
		c.results[s.side] = append(c.results[s.side], out)
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
	c.line.samples[s.side] = append(c.line.samples[s.side], sample)
	return nil
}
