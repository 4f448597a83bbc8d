package main

import (
	"bytes"
	"testing"

	"github.com/fieldcrypt/fieldcrypt/bench/floor"
	"github.com/fieldcrypt/fieldcrypt/bench/measure"
	"github.com/fieldcrypt/fieldcrypt/bench/ours"
	"github.com/fieldcrypt/fieldcrypt/bench/results"
	"github.com/fieldcrypt/fieldcrypt/bench/workload"
)

// The floor does the right thing, not less: its bytes are those of the product. And what is right can be told from what is wrong.
func TestSidesDoTheSame(t *testing.T) {
	for _, w := range workload.Table() {
		if w.Size > 1000 || w.Name == "find, 16 MiB" || w.Name == "find, 16 MiB, all cores" {
			continue // only more of the same
		}
		b, err := w.Build()
		if err != nil {
			t.Fatal(err)
		}
		for name, side := range map[string]measure.Side{results.Ours: ours.Side{}, results.Buffered: ours.Side{Buffered: true}, results.Floor: floor.Side{}} {
			if name == results.Floor && !w.Floor {
				continue
			}
			do, free, err := side.Open(b.Task)
			if err != nil {
				t.Fatalf("%s: %s: %v", w.Name, name, err)
			}
			out, err := do(0)
			if err != nil {
				t.Fatalf("%s: %s: %v", w.Name, name, err)
			}
			out = bytes.Clone(out)
			if err := right(b, name, 0, out); err != nil {
				t.Errorf("%s: %s: %v", w.Name, name, err)
			}
			for _, at := range []int{0, len(out) / 2, len(out) - 1} {
				out[at] ^= 1
				if right(b, name, 0, out) == nil {
					t.Errorf("%s: %s: with byte %d changed it is taken for right", w.Name, name, at)
				}
				out[at] ^= 1
			}
			free()
		}
	}
}

func TestVerdict(t *testing.T) {
	w := workload.Workload{Bounds: workload.Bounds{OverFloor: 2, Allocs: 1}}
	measured := func(cpu, allocs float64) results.Measured {
		return results.Measured{CPU: []float64{cpu}, Allocs: allocs}
	}
	for _, side := range []string{results.Ours, results.Buffered} {
		for _, c := range []struct {
			cpu, allocs float64
			wrong       int
		}{{1, 0, 0}, {2.9, 1, 0}, {3.1, 1, 1}, {1, 2, 1}, {4, 2, 2}} {
			m := results.Workload{OneCore: true, Sides: map[string]results.Measured{
				results.Ours: measured(1, 0), results.Buffered: measured(1, 0), results.Floor: measured(1, 0),
			}}
			m.Sides[side] = measured(c.cpu, c.allocs)
			if errs := verdict(w, m); len(errs) != c.wrong {
				t.Errorf("%s, %v times the floor and %v allocations: %v, want %d errors", side, c.cpu, c.allocs, errs, c.wrong)
			}
		}
	}
	missing := results.Workload{OneCore: true, Sides: map[string]results.Measured{results.Ours: measured(1, 0), results.Floor: measured(1, 0)}}
	if errs := verdict(w, missing); len(errs) != 1 {
		t.Errorf("without the side that writes to one buffer: %v, want one error", errs)
	}
}
