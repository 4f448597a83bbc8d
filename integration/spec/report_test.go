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
		reason, skipped := skipReason(format, file, test.name)
		if test.skipReason != "" {
			reason, skipped = "the file says: "+test.skipReason, true
		}
		if skipped {
			result.verdict, result.reason = "skipped", reason
			t.Skip(reason)
		}
		script := scripts[caseName{format, file, test.name}]
		result.reason = script.why
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

// checkTables fails for an entry of the tables whose file or test does not exist: its reason may be out of date.
func checkTables(t *testing.T, format string, files []testFile) {
	t.Helper()
	exists := func(c caseName) bool {
		return slices.ContainsFunc(files, func(f testFile) bool {
			return f.name == c.file && (c.test == "" || slices.ContainsFunc(f.tests, func(test specTest) bool { return test.name == c.test }))
		})
	}
	for _, c := range slices.AppendSeq(slices.Collect(maps.Keys(skips)), maps.Keys(scripts)) {
		if c.format == format && !exists(c) {
			t.Errorf("the tables name %+v, which the module does not have", c)
		}
	}
}
