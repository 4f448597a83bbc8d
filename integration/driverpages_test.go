package integration

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the programs on the pages in docs/drivers anew")

// shown is a program on a page: where it comes from, the fence and language, and the text.
var shown = regexp.MustCompile("(?s)(<!-- from (\\S+) -->\n```\\w+\n)(.*?)(```\n)")

// TestDriverPages compares the programs on the pages in docs/drivers with those that interop runs, so that what is shown works.
func TestDriverPages(t *testing.T) {
	pages, err := filepath.Glob("../docs/drivers/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal("no pages", err)
	}
	programs := 0
	for _, page := range pages {
		before, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		after := shown.ReplaceAllStringFunc(string(before), func(block string) string {
			programs++
			m := shown.FindStringSubmatch(block)
			return m[1] + excerpt(t, filepath.Join("..", m[2])) + m[4]
		})
		switch {
		case after == string(before):
		case *update:
			if err := os.WriteFile(page, []byte(after), 0o644); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("%s (-want +got; go test ./integration -run TestDriverPages -update accepts it)\n%s", page, cmp.Diff(string(before), after))
		}
	}
	if want := len(pages) - 1; programs != want { // one a page, but for the overview
		t.Errorf("%d programs on %d pages, expected %d", programs, len(pages), want)
	}
}

// excerpt is what stands between the lines "docs: begin" and "docs: end" of a program, moved to the left margin.
func excerpt(t *testing.T, file string) string {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, text, begins := strings.Cut(string(source), "docs: begin")
	text, _, ends := strings.Cut(text, "docs: end")
	if !begins || !ends {
		t.Fatalf("%s has no lines docs: begin and docs: end", file)
	}
	lines := strings.SplitAfter(text, "\n")
	lines = lines[1 : len(lines)-1] // what is left of the marked lines themselves
	margin := len(lines[0]) - len(strings.TrimLeft(lines[0], " \t"))
	for i, line := range lines {
		lines[i] = line[min(margin, len(line)-len(strings.TrimLeft(line, " \t"))):]
	}
	return strings.Join(lines, "")
}
