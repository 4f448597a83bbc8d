package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fieldcrypt/fieldcrypt/bench/measure"
)

func heading(sides []start) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-44s", "median of the wall clock ± half the quartiles")
	for _, s := range sides {
		fmt.Fprintf(&b, " %22s", s.side)
	}
	return b.String() + "   over floor (CPU)   libmongocrypt over ours   allocs"
}

func (l *line) text(sides []start) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-44s", l.workload.Name)
	for _, s := range sides {
		q1, m, q3 := quartiles(l.samples[s.side], wall)
		switch {
		case l.missing[s.side] != "":
			fmt.Fprintf(&b, " %22s", l.missing[s.side])
		case m == 0:
			fmt.Fprintf(&b, " %22s", "–")
		default:
			fmt.Fprintf(&b, " %15s ± %2.0f %%", time.Duration(m).Round(rounding(m)), 50*(q3-q1)/m)
		}
	}
	fmt.Fprintf(&b, "   %5.2f (%5.2f)", l.ratio(oursSide, floorSide, wall), l.ratio(oursSide, floorSide, cpu))
	fmt.Fprintf(&b, "   %5.2f %5.2f", l.ratio(olderSide, oursSide, wall), l.ratio(newerSide, oursSide, wall))
	fmt.Fprintf(&b, "   %g", median(l.samples[oursSide], allocs))
	return b.String()
}

func rounding(ns float64) time.Duration {
	switch {
	case ns < 1e4:
		return time.Nanosecond
	case ns < 1e6:
		return 100 * time.Nanosecond
	}
	return 10 * time.Microsecond
}

func (l *line) ratio(of, over string, what func(measure.Sample) float64) float64 {
	a, b := median(l.samples[of], what), median(l.samples[over], what)
	if a == 0 || b == 0 {
		return 0
	}
	return a / b
}

func median(samples []measure.Sample, what func(measure.Sample) float64) float64 {
	_, m, _ := quartiles(samples, what)
	return m
}

// quartiles of no samples are 0.
func quartiles(samples []measure.Sample, what func(measure.Sample) float64) (q1, q2, q3 float64) {
	if len(samples) == 0 {
		return 0, 0, 0
	}
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = what(s)
	}
	slices.Sort(values)
	at := func(q float64) float64 {
		x := q * float64(len(values)-1)
		i := int(x)
		j := min(i+1, len(values)-1)
		return values[i] + (x-float64(i))*(values[j]-values[i])
	}
	return at(0.25), at(0.5), at(0.75)
}
