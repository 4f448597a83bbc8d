package equivalence

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// statistics counts operations, so that the test can tell when it means nothing.
type statistics struct {
	kinds     map[string]*tally
	rules     map[string]int
	errors    map[string]int
	workloads int
	sealed    int  // values found encrypted on the server in the end
	plain     int  // while migrating: values of encrypted fields found in clear
	failing   bool // a smaller workload is being looked for: neither counted, nor limited in time
}

type tally struct{ accepted, sealed, full, failed, refused int }

func newStatistics() *statistics {
	return &statistics{kinds: map[string]*tally{}, rules: map[string]int{}, errors: map[string]int{}}
}

func (s *statistics) kind(name string) *tally {
	if s.kinds[name] == nil {
		s.kinds[name] = &tally{}
	}
	return s.kinds[name]
}

func (s *statistics) refused(kind, rule string) {
	if s.failing {
		return
	}
	s.kind(kind).refused++
	s.rules[rule]++
}

func (s *statistics) accepted(kind string, r result, sealed bool) {
	if s.failing {
		return
	}
	k := s.kind(kind)
	k.accepted++
	if sealed {
		k.sealed++
	}
	if r.Error != "" {
		k.failed++
		class, _, _ := strings.Cut(r.Error, " of ") // without the indexes
		s.errors[kind+": "+class]++
	} else if len(r.Values) > 0 || r.Matched+r.Deleted+r.Inserted+r.Upserted > 0 {
		k.full++
	}
}

func (s *statistics) total() (sum tally) {
	for _, k := range s.kinds {
		sum = tally{sum.accepted + k.accepted, sum.sealed + k.sealed, sum.full + k.full, sum.failed + k.failed, sum.refused + k.refused}
	}
	return sum
}

// assertFloors fails the test when what it compared is too little to mean anything. One operation in so many has to carry ciphertext.
func (s *statistics) assertFloors(t *testing.T, sealed int) {
	if sum := s.total(); sum.accepted < sum.refused || sum.failed*4 > sum.accepted || sum.full*5 < sum.accepted || sum.sealed*sealed < sum.accepted || s.sealed < s.workloads {
		t.Error("too little is accepted, or has a result, for the property to mean anything")
	}
	for name, k := range s.kinds {
		if k.accepted*4 < k.refused {
			t.Errorf("too few of %s are accepted", name)
		}
	}
}

func (s *statistics) report(d time.Duration) string {
	var b strings.Builder
	sum := s.total()
	fmt.Fprintf(&b, "%d workloads in %v, %d operations (%.0f/s), %d sealed and %d plain values of encrypted fields left on the server\n", s.workloads, d.Round(time.Second),
		sum.accepted+sum.refused, float64(sum.accepted+sum.refused)/d.Seconds(), s.sealed, s.plain)
	line := func(name string, k tally) {
		fmt.Fprintf(&b, "%-42s %9d %9d %9d %9d %9d\n", name, k.accepted, k.sealed, k.full, k.failed, k.refused)
	}
	fmt.Fprintf(&b, "%-42s %9s %9s %9s %9s %9s\n", "operation", "accepted", "sealed", "found", "failed", "refused")
	for _, name := range slices.Sorted(maps.Keys(s.kinds)) {
		line(name, *s.kinds[name])
	}
	line("all", sum)
	most := func(title string, counts map[string]int) {
		fmt.Fprintf(&b, "%s:\n", title)
		for _, name := range slices.SortedFunc(maps.Keys(counts), func(x, y string) int { return cmp.Or(counts[y]-counts[x], cmp.Compare(x, y)) }) {
			fmt.Fprintf(&b, "%-42s %9d\n", name, counts[name])
		}
	}
	most("refusals by rule", s.rules)
	most("failed on both sides", s.errors)
	return b.String()
}
