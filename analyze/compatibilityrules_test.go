package analyze

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ruleText is a rule as the source has it.
type ruleText struct{ name, message, hint, code string }

// rulesIn are the rules of the non-test files in a directory: composite literals of a type of that name, keyed or in order.
func rulesIn(t testing.TB, dir, typeName string) []ruleText {
	t.Helper()
	files, err := filepath.Glob(dir + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var rules []ruleText
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if literal, isLiteral := n.(*ast.CompositeLit); isLiteral && isNamed(literal.Type, typeName) {
				rules = append(rules, readRule(literal))
			}
			return true
		})
	}
	slices.SortFunc(rules, func(x, y ruleText) int { return cmp.Compare(x.name, y.name) })
	return rules
}

func isNamed(e ast.Expr, name string) bool {
	if selector, isSelector := e.(*ast.SelectorExpr); isSelector {
		e = selector.Sel
	}
	id, isID := e.(*ast.Ident)
	return isID && id.Name == name
}

func readRule(literal *ast.CompositeLit) ruleText {
	var r ruleText
	in := []*string{&r.name, &r.message, &r.hint, &r.code}
	keys := map[string]*string{"Rule": &r.name, "Message": &r.message, "Hint": &r.hint}
	for i, e := range literal.Elts {
		if pair, isPair := e.(*ast.KeyValueExpr); isPair {
			if to := keys[pair.Key.(*ast.Ident).Name]; to != nil {
				*to = constantText(pair.Value)
			}
		} else if i < len(in) {
			*in[i] = constantText(e)
		}
	}
	return r
}

// constantText is a constant, or a sum with "…" for what is none.
func constantText(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		return constantText(e.X) + constantText(e.Y)
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); err == nil {
			return s
		}
		return e.Value
	}
	return "…"
}

// snippet is what reads like a piece of a command.
var snippet = regexp.MustCompile(`\{(?:[^{}]|\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\})*\}|\$+[A-Za-z_][\w$.]*\w|'?\$'?`)

// prose makes a text of a rule fit for a table: what is filled in stands in ‹›, pieces of commands are set as code.
func prose(s string) string {
	s = strings.NewReplacer("|", `\|`, "<", "&lt;", "{operator}", "‹operator›", "{path}", "‹path›", "{field}", "‹field›").Replace(s)
	return snippet.ReplaceAllString(s, "`$0`")
}

func ruleTable(p *page) *table {
	t := &table{head: []string{"rule", "what the error says", "what to do instead", "number"}}
	seen := map[string]bool{}
	for _, r := range rulesIn(p, ".", "rule") {
		if r.name == "" || r.message == "" || seen[r.name] {
			p.Errorf("rule %q has no name or message, or is there twice", r.name)
		}
		seen[r.name] = true
		t.addRule(r)
	}
	return t
}

func (t *table) addRule(r ruleText) {
	number := r.code
	if number == "0" {
		number = ""
	}
	t.rows = append(t.rows, tableRow{names: `<a id="` + r.name + `"></a>` + code(r.name), cells: []string{prose(r.message), prose(r.hint), number}})
}

// ruleElsewhereTable is the refusals of other packages.
func ruleElsewhereTable(p *page) *table {
	t := &table{head: []string{"rule", "what the error says", "what to do instead", "number"}}
	for _, dir := range []string{"..", "../cmd/fieldcrypt"} {
		for _, r := range rulesIn(p, dir, "RefusedError") {
			if !slices.ContainsFunc(rulesIn(p, ".", "rule"), func(own ruleText) bool { return own.name == r.name }) {
				t.addRule(r)
				continue
			}
			t.rows = append(t.rows, tableRow{names: "[" + r.name + "]", cells: []string{prose(r.message), prose(r.hint), ""}})
		}
	}
	return t
}

func openTable(p *page) *table {
	t := &table{head: []string{"", "question", "what is done", "rules", "switch"}}
	switches := map[Relaxation]string{0: "", AllowType: "`AllowType`", AllowSort: "`AllowSort`"}
	for i, q := range openQuestions {
		var rules []string
		for _, r := range q.rules {
			rules = append(rules, "["+r.name+"]")
		}
		t.rows = append(t.rows, tableRow{names: strconv.Itoa(i + 1), cells: []string{prose(q.question), prose(q.choice), strings.Join(rules, " "), switches[q.allow]}})
	}
	return t
}
