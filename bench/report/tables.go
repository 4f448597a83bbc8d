// Package report shows results: tables and plots for docs/performance.md.
package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/fieldcrypt/fieldcrypt/bench/results"
	"github.com/fieldcrypt/fieldcrypt/bench/workload"
)

// sides are the columns of most tables, in order.
var sides = []string{results.Ours, results.Floor, results.Older, results.Newer}

// tables are those of the page, by the name in its markers.
var tables = []struct {
	name string
	make func(*results.Results) string
}{
	{"machine", machine},
	{"targets", targets},
	{"keys", func(r *results.Results) string { return sizes(r, "data keys", workload.Warm, workload.Cold) }},
	{"callers", callers},
	{"bytes", func(r *results.Results) string { return sizes(r, "bytes", workload.Bytes, workload.BytesD) }},
	{"server", onServer},
	{"fields", func(r *results.Results) string { return sizes(r, "fields", workload.Fields) }},
}

func machine(r *results.Results) string {
	var versions []string
	for _, s := range sides {
		if v, ok := r.Versions[s]; ok && s != results.Floor {
			versions = append(versions, v)
		}
	}
	return fmt.Sprintf("%s, %d cores, %s; %s; %s.\n", r.Machine, r.Cores, r.System, r.Go, strings.Join(versions, "; "))
}

func targets(r *results.Results) string {
	bounds := make(map[string]workload.Bounds)
	for _, w := range workload.Table() {
		bounds[w.Name] = w.Bounds
	}
	t := newTable("", "ours", "ours, into one buffer", "floor", version(r, results.Older), version(r, results.Newer),
		"into one buffer over the floor (at most)", "ours over the floor", "libmongocrypt over ours (at least)", "allocations of ours (at most)", "bytes allocated")
	for _, w := range r.Workloads {
		switch w.Group {
		case workload.Explicit, workload.Bulk, workload.Commands, workload.Replies:
			b := bounds[w.Name]
			t.row(w.Name, times(w, results.Ours), times(w, results.Buffered), times(w, results.Floor), times(w, results.Older), times(w, results.Newer),
				bounded(w.Ratio(results.Buffered, results.Floor), b.OverFloor), bounded(w.Ratio(results.Ours, results.Floor), 0), bounded(w.Ratio(newest(w), results.Ours), b.Faster),
				allocations(w.Sides[results.Ours].Allocs, b), thousands(int(w.Sides[results.Ours].Bytes)))
		}
	}
	return t.String()
}

func allocations(n float64, b workload.Bounds) string {
	if b.Allocs == 0 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%g (%g)", n, b.Allocs)
}

// newest is the libmongocrypt to compare with.
func newest(w results.Workload) string {
	if len(w.Times(results.Newer)) > 0 {
		return results.Newer
	}
	return results.Older
}

func bounded(ratio, bound float64) string {
	switch {
	case ratio == 0:
		return "–"
	case bound == 0:
		return fmt.Sprintf("%.2f", ratio)
	}
	return fmt.Sprintf("%.2f (%g)", ratio, bound)
}

// version is the head of a side's column.
func version(r *results.Results, side string) string {
	name, _, _ := strings.Cut(r.Versions[side], ",")
	if name == "" {
		return side
	}
	return name
}

// sizes is a table of groups in which something grows.
func sizes(r *results.Results, what string, groups ...string) string {
	t := newTable("", what, "ours", "floor", version(r, results.Older), version(r, results.Newer), "ours over the floor")
	for _, g := range groups {
		for _, w := range r.Workloads {
			if w.Group == g {
				t.row(g, thousands(w.Size), times(w, sides[0]), times(w, sides[1]), times(w, sides[2]), times(w, sides[3]),
					bounded(w.Ratio(results.Ours, results.Floor), 0))
			}
		}
	}
	return t.String()
}

// callers is a table of what several goroutines get done, against one.
func callers(r *results.Results) string {
	t := newTable("", "goroutines", "ours", "floor", version(r, results.Older), version(r, results.Newer),
		"throughput against one goroutine: ours", "floor", version(r, results.Older), version(r, results.Newer))
	for _, g := range []string{workload.Callers, workload.Inserts} {
		var one results.Workload
		for _, w := range r.Workloads {
			if w.Group != g {
				continue
			}
			if w.Size == 1 {
				one = w
			}
			row := []string{g, fmt.Sprint(w.Size)}
			for _, s := range sides {
				row = append(row, times(w, s))
			}
			for _, s := range sides {
				row = append(row, scaling(one.Times(s), w.Times(s)))
			}
			t.row(row...)
		}
	}
	return t.String()
}

// onServer is a table of what applications wait for, and of how much of it is encryption: what lies between the same with and without.
func onServer(r *results.Results) string {
	t := newTable("", "side", "not encrypted", "encrypted", "share of encryption")
	for _, w := range r.Workloads {
		if w.Group != workload.Server {
			continue
		}
		for _, s := range sides {
			plain := results.Unencrypted(s)
			if _, ok := w.Sides[s]; ok {
				t.row(w.Name, r.Versions[s], times(w, plain), times(w, s), share(w.Ratio(plain, s)))
			}
		}
	}
	return t.String()
}

func share(plain float64) string {
	if plain == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", 100*(1-plain))
}

func scaling(one, many []float64) string {
	a, b := results.Median(one), results.Median(many)
	if a == 0 || b == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f×", a/b)
}

// times is the median of a side, and half of what lies between the quartiles.
func times(w results.Workload, side string) string {
	m := w.Sides[side]
	if m.Missing != "" {
		return m.Missing
	}
	q1, q2, q3 := results.Quartiles(w.Times(side))
	if q2 == 0 {
		return "–"
	}
	return fmt.Sprintf("%s ± %.0f %%", Duration(q2), 50*(q3-q1)/q2)
}

// Duration writes nanoseconds with three digits.
func Duration(ns float64) string {
	units := []string{"ns", "µs", "ms", "s"}
	i := 0
	for ns >= 999.5 && i < len(units)-1 {
		ns /= 1000
		i++
	}
	digits := max(0, 2-int(math.Floor(math.Log10(max(ns, 1)))))
	return fmt.Sprintf("%.*f %s", digits, ns, units[i])
}

func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

type table struct{ strings.Builder }

func newTable(heads ...string) *table {
	t := &table{}
	t.row(heads...)
	t.WriteString("|---" + strings.Repeat("|--:", len(heads)-1) + "|\n")
	return t
}

func (t *table) row(cells ...string) { fmt.Fprintf(t, "| %s |\n", strings.Join(cells, " | ")) }
