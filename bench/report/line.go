package report

import (
	"fmt"
	"strings"

	"github.com/fieldcrypt/fieldcrypt/bench/results"
)

// Line is one workload for a terminal.
func Line(w results.Workload) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-42s", w.Name)
	for _, s := range sides {
		for _, s := range []string{s, results.Unencrypted(s)} {
			if _, ok := w.Sides[s]; ok {
				fmt.Fprintf(&b, "  %s %s", s, times(w, s))
			}
		}
	}
	if r := w.Ratio(results.Buffered, results.Floor); r > 0 {
		fmt.Fprintf(&b, "; into one buffer over the floor %.2f", r)
	}
	if r := w.Ratio(results.Ours, results.Floor); r > 0 {
		fmt.Fprintf(&b, "; over the floor %.2f", r)
	}
	if n := newest(w); w.Ratio(n, results.Ours) > 0 {
		fmt.Fprintf(&b, "; libmongocrypt over ours %.2f", w.Ratio(n, results.Ours))
	}
	fmt.Fprintf(&b, "; %g allocations", w.Sides[results.Ours].Allocs)
	return b.String()
}
