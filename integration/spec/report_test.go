package spec

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
)

// report is the table that is printed in the end.
type report struct{ rows []row }

type row struct{ file, test, verdict, reason string }

func (r *report) add(row row) { r.rows = append(r.rows, row) }

// run runs one test, unless it is to be skipped, with what the tables say about it.
func (r *report) run(t *testing.T, s *server, format, file string, test specTest) {
	result := row{file: file, test: test.name} // without a verdict when -run leaves it out
	passed := t.Run(test.name, func(t *testing.T) {
		result.verdict = "failed"
		c := caseName{format, file, test.name}
		reason, skipped := skipReason(format, file, test.name)
		if test.skipReason != "" && !skipped && runThough[c] == "" {
			reason, skipped = "the file says: "+test.skipReason, true
		}
		if skipped {
			result.verdict, result.reason = "skipped", reason
			t.Skip(reason)
		}
		script, deviation := scripts[c], deviations[c]
		reasons := []string{runThough[c], script.why, deviation.why}
		result.reason = strings.Join(slices.DeleteFunc(reasons, func(s string) bool { return s == "" }), "; ")
		s.expect = deviation.expect
		s.play(t, script)
		test.run(t, s)
	})
	if passed && result.verdict == "failed" {
		result.verdict = "passed"
	}
	if result.verdict != "" {
		r.add(result)
	}
}

func (r *report) String() string {
	var b strings.Builder
	count := map[string]int{}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "\nfile\ttest\tresult\treason\n")
	for _, row := range r.rows {
		count[row.verdict]++
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", row.file, cmp.Or(row.test, "(all)"), row.verdict, row.reason)
	}
	_ = w.Flush() // to memory
	for _, verdict := range []string{"passed", "skipped", "failed"} {
		fmt.Fprintf(&b, "%s: %d\n", verdict, count[verdict])
	}
	return b.String()
}

// checkTables fails for an entry of the tables whose file or test does not exist, or does not need it: its reason may be out of date.
func checkTables(t *testing.T, format string, files []testFile) {
	t.Helper()
	known := map[caseName]specTest{}
	for _, f := range files {
		known[caseName{format, f.name, ""}] = specTest{}
		for _, test := range f.tests {
			known[caseName{format, f.name, test.name}] = test
		}
	}
	named := slices.Collect(maps.Keys(skips))
	named = slices.AppendSeq(named, maps.Keys(runThough))
	named = slices.AppendSeq(named, maps.Keys(scripts))
	named = slices.AppendSeq(named, maps.Keys(deviations))
	for _, c := range named {
		test, exists := known[c]
		if c.format == format && !exists {
			t.Errorf("the tables name %+v, which the module does not have", c)
		}
		if c.format == format && runThough[c] != "" && test.skipReason == "" {
			t.Errorf("runThough has %+v, which its file does not skip", c)
		}
	}
}
