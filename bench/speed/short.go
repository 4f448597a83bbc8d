package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/fieldcrypt/fieldcrypt/bench/results"
	"github.com/fieldcrypt/fieldcrypt/bench/workload"
)

// tolerance is by how much a bound may be missed: machines are noisy, and what this is to find is a step, not a drift.
const tolerance = 1.5

// short fails where ours is much further over the floor than it should be, with a buffer given and with memory of its own for each result, or makes more objects.
// All are measured now, on this machine, in the time of its cores: neither another machine nor other programs on this one make a difference.
func short(ctx context.Context, args []string) (err error) {
	if err := flag.NewFlagSet("short", flag.ContinueOnError).Parse(args); err != nil {
		return err
	}
	ps := &programs{starts: []start{here(results.Ours, "ours"), here(results.Buffered, "buffered"), here(results.Floor, "floor")}}
	defer func() { err = errors.Join(err, ps.stop()) }()
	p := plan{round: 20 * time.Millisecond, rounds: 15, limit: time.Minute, all: 5 * time.Second, least: 3}
	var missed []error
	passed := 0
	for _, w := range workload.Table() {
		if !w.Short {
			continue
		}
		m, err := compare(ctx, ps, w, p)
		if err != nil {
			return err
		}
		errs := verdict(w, m)
		for _, err := range errs {
			missed = append(missed, fmt.Errorf("%s: %w", w.Name, err))
		}
		if len(errs) == 0 {
			passed++
		}
		fmt.Printf("%-36s %5.2f times the floor into one buffer, %5.2f with new memory, bound %4g; %g allocations, bound %g\n",
			w.Name, m.Ratio(results.Buffered, results.Floor), m.Ratio(results.Ours, results.Floor), w.OverFloor, m.Sides[results.Ours].Allocs, w.Allocs)
	}
	fmt.Printf("a bound on time may be missed by half of it; 0: none\n")
	fmt.Printf("%d passed, %d failed\n", passed, len(missed))
	return errors.Join(missed...)
}

// verdict is what is wrong with a workload's measurements.
func verdict(w workload.Workload, m results.Workload) (errs []error) {
	for _, side := range []string{results.Buffered, results.Ours} {
		s, measured := m.Sides[side]
		if ratio := m.Ratio(side, results.Floor); w.OverFloor > 0 && ratio > w.OverFloor*tolerance {
			errs = append(errs, fmt.Errorf("%s takes %.2f times as long as the bare primitives; at most %g is right, %.2f still let through",
				side, ratio, w.OverFloor, w.OverFloor*tolerance))
		}
		if s.Allocs > w.Allocs {
			errs = append(errs, fmt.Errorf("%s allocates %g times; at most %g is right", side, s.Allocs, w.Allocs))
		}
		if s.Missing != "" || !measured && w.OverFloor > 0 {
			errs = append(errs, fmt.Errorf("%s was not measured %s", side, s.Missing))
		}
	}
	return errs
}
