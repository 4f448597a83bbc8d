package analyze

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

// compatibilityPage is written by hand, but for what stands between <!-- table name --> and <!-- end -->.
const compatibilityPage = "../docs/compatibility.md"

var (
	tableBlock = regexp.MustCompile(`(?s)(<!-- table ([a-z-]+) -->\n).*?(<!-- end -->)`)
	cellLink   = regexp.MustCompile(`\[([a-z0-9-]+)\]`)
)

// The tables of the page are made here: rows come from the tables of the package, and each cell is what Classify and Command do with a
// command made for it. The same run checks that the cell in the package's table says so.
func TestCompatibility(t *testing.T) {
	p := &page{T: t}
	tables := map[string]func(*page) *table{
		"commands": commandTable, "command-fields": commandFieldTable, "match": matchTable, "filter": filterTable, "values": valueTable,
		"update": updateTable, "update-forms": updateFormTable, "projection": projectionTable, "find-fields": findFieldTable, "indexes": indexTable,
		"index-options": indexOptionTable, "switches": switchTable, "stages": stageTable, "stage-operands": stageOperandTable, "joins": joinTable, "accumulators": accumulatorTable,
		"unknown": unknownTable, "expressions": expressionTable, "expression-operands": expressionOperandTable,
		"migrating": migratingTable, "rules": ruleTable, "rules-elsewhere": ruleElsewhereTable, "open": openTable,
	}
	before, err := os.ReadFile(compatibilityPage)
	if err != nil {
		t.Fatal(err)
	}
	after := tableBlock.ReplaceAllStringFunc(string(before), func(block string) string {
		m := tableBlock.FindStringSubmatch(block)
		build := tables[m[2]]
		if build == nil {
			t.Fatalf("table %s is unknown, or on the page twice", m[2])
		}
		delete(tables, m[2])
		return m[1] + "\n" + build(p).String() + "\n" + m[3]
	})
	for name := range tables {
		t.Errorf("%s has no place for table %s", compatibilityPage, name)
	}
	after, _, _ = strings.Cut(after, "\n<!-- links -->")
	after += "\n<!-- links -->\n\n" + p.links(after)
	t.Logf("%d cells, each from a run of its own in both rewrites", p.cells)
	switch {
	case after == string(before):
	case flag.Lookup("update").Value.String() != "true":
		t.Errorf("%s (-want +got; go test ./analyze -run TestCompatibility -update accepts it)\n%s", compatibilityPage,
			cmp.Diff(strings.Split(string(before), "\n"), strings.Split(after, "\n")))
	default:
		if err := os.WriteFile(compatibilityPage, []byte(after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// page makes cells.
type page struct {
	*testing.T
	cells int // made by a run
}

// cell is what becomes of cmd; nil stands for one that cannot be.
func (p *page) cell(cmd d) string { return p.cellWith(cmd, 0) }

func (p *page) cellWith(cmd d, allow Relaxation) string {
	p.Helper()
	if cmd == nil {
		return "–"
	}
	p.cells++
	switch got := decideWith(p, cmd, allow); got {
	case "pass":
		return "allowed"
	case "seal":
		return "sealed"
	case "bypassed", "unread":
		return "unread"
	default:
		return "[" + got + "]"
	}
}

// classes is a row of cells, one for each column. command makes that of a field and an argument, in the prefix document column a document.
func (p *page) classes(columns []column, command func(field string, argument any) d) []string {
	p.Helper()
	var cells []string
	for _, c := range columns {
		argument := any("x")
		if c.document {
			argument = one("zip", "x")
		}
		cells = append(cells, p.cell(command(c.field, argument)))
	}
	return cells
}

// check reports a cell that is not what the row of the package's table says. Where that depends on more than class and argument, it says nothing.
func (p *page) check(name string, row *operator, columns []column, cells []string) {
	p.Helper()
	for i, c := range columns {
		cell := row.on(c.class)
		want := map[verb]string{pass: "allowed", sealValue: "sealed", sealEach: "sealed", flagOnly: "allowed", scalarOnly: "allowed", walk: "allowed"}[cell.verb]
		switch {
		case cell.verb == refuse, cell.verb == typeNames, c.document && (cell.verb == flagOnly || cell.verb == scalarOnly):
			want = "[" + cell.rule.name + "]"
		case c.document && cell.verb == walk:
			want = "sealed"
		}
		if want != "" && cells[i] != want {
			p.Errorf("%s on a field that is %s: got %s, the table says %s", name, c.title, cells[i], want)
		}
	}
	if got := row.on(schema.Unknown); got.rule != ruleUnknown {
		p.Errorf("%s does not refuse what is unknown until runtime", name)
	}
}

// table is one of the page's. Rows with the same cells become one, with all their names.
type table struct {
	head []string
	rows []tableRow
}

type tableRow struct {
	names string
	group int // of names that stand on one line
	cells []string
}

func newTable(first string, columns []column, more ...string) *table {
	head := []string{first}
	for _, c := range columns {
		head = append(head, fmt.Sprintf("%s: `%s`", c.title, c.field))
	}
	return &table{head: append(head, more...)}
}

// row adds a row on a line of its own, unless the one before has the same group and cells.
func (t *table) row(group int, name string, cells ...string) {
	for i := range t.rows {
		if r := &t.rows[i]; slices.Equal(r.cells, cells) {
			between := "<br>"
			if r.group == group {
				between = ", "
			}
			r.names, r.group = r.names+between+name, group
			return
		}
	}
	t.rows = append(t.rows, tableRow{name, group, cells})
}

// code is a name as code.
func code(name string) string {
	return "`" + strings.ReplaceAll(name, "|", `\|`) + "`"
}

func (t *table) String() string {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(t.head)
	b.WriteString("|" + strings.Repeat("---|", len(t.head)) + "\n")
	for _, r := range t.rows {
		line(append([]string{r.names}, r.cells...))
	}
	return b.String()
}

// links are the definitions of the links to rules in text. Each leads to a rule of the catalogue.
func (p *page) links(text string) string {
	var names []string
	for _, m := range cellLink.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(names, m[1]) && strings.Contains(m[1], "-") || m[1] == "view" {
			names = append(names, m[1])
		}
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range slices.Compact(names) {
		if !strings.Contains(text, `<a id="`+name+`">`) {
			p.Errorf("[%s] is not in the catalogue of rules", name)
		}
		fmt.Fprintf(&b, "[%s]: #%s\n", name, name)
	}
	return b.String()
}
