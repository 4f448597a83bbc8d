package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page's template and style sheet
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/audit"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

//go:embed page.html
var text string

//go:embed page.css
var style string

// Write writes the page. What is said of a name or an error is what the report has: hide secrets in it before.
func Write(w io.Writer, r *audit.Report) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"when": when, "n": grouped, "percent": percent, "count": plural, "explain": audit.Problems, "note": isNote,
		"bar": bar, "within": within, "overall": overall, "told": told, "algorithm": algorithm, "bytype": byType, "byalgorithm": byAlgorithm,
	}).Parse(text)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, view{Report: r, Policy: policy(), Style: template.CSS(style), Totals: totals(r), Findings: findings(r)}); err != nil {
		return err
	}
	_, err = w.Write(visible(b.Bytes()))
	return err
}

// visible shows what is not seen of a name, or has it read in another direction, by its number: the page says what is there.
func visible(page []byte) []byte {
	var b []byte
	for _, r := range string(page) {
		if r != '\n' && (unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Co, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r)) {
			b = fmt.Appendf(b, "\\u{%x}", r)
			continue
		}
		b = utf8.AppendRune(b, r)
	}
	return b
}

// view is what the template sees.
type view struct {
	*audit.Report
	Policy   string
	Style    template.CSS
	Totals   total
	Findings []group
}

// policy lets nothing in but the style sheet, by its hash.
func policy() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'"
}

// total adds up the fields of all schemas.
type total struct {
	Collections, Documents, Total, Fields, Values, Clean, Plaintext, Faulty, Empty, Proven int64
	Suspects                                                                               int64
	Failures, Notes                                                                        int64 // kinds of problems
}

func totals(r *audit.Report) (t total) {
	for _, c := range r.Collections {
		t.Collections++
		t.Documents += c.Documents
		t.Total += c.Total
		t.Suspects += int64(len(c.Suspects))
		for _, f := range c.Fields {
			t.Fields++
			t.Values += f.Values
			t.Clean += f.Clean
			t.Plaintext += f.Plaintext()
			t.Faulty += f.Faulty()
			t.Empty += f.Empty
		}
		for _, f := range append(append([]*audit.Field(nil), c.Fields...), c.Others...) {
			t.Proven += f.Proven
		}
	}
	counts := r.Counts()
	for _, p := range audit.Problems() {
		switch {
		case counts[p.Problem] == 0:
		case p.Note:
			t.Notes++
		default:
			t.Failures++
		}
	}
	return t
}

// group is the findings of one kind.
type group struct {
	audit.Explained
	Count    int64
	Findings []audit.Finding
}

func findings(r *audit.Report) (groups []group) {
	counts := r.Counts()
	for _, p := range audit.Problems() {
		g := group{Explained: p, Count: counts[p.Problem]}
		for _, f := range r.Findings() {
			if f.Problem == p.Problem {
				g.Findings = append(g.Findings, f)
			}
		}
		if len(g.Findings) > 0 {
			groups = append(groups, g)
		}
	}
	return groups
}

func isNote(p audit.Problem) bool {
	return slices.ContainsFunc(audit.Problems(), func(e audit.Explained) bool { return e.Problem == p && e.Note })
}

func when(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// part is n of all in percent; exact at both ends: neither all nor nothing is a matter of rounding.
func part(n, all int64) float64 {
	if all == 0 {
		return 0
	}
	return 100 * float64(n) / float64(all)
}

func percent(n, all int64) string {
	switch p := part(n, all); {
	case all == 0:
		return "–"
	case n == all:
		return "100 %"
	case n == 0:
		return "0 %"
	case p > 99.9:
		return "> 99.9 %"
	case p < 0.1:
		return "< 0.1 %"
	default:
		return fmt.Sprintf("%.1f %%", p)
	}
}

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return grouped(n) + " " + noun + "s"
}

// grouped is n with a comma before each three digits.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func byType(counts map[bson.Type]int64) []string {
	return names(counts, payload.TypeAlias)
}

func byAlgorithm(counts map[payload.Algorithm]int64) []string { return names(counts, algorithm) }

func algorithm(a payload.Algorithm) string {
	if a == payload.Deterministic {
		return "deterministic"
	}
	return "random"
}
