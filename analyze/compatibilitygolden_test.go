package analyze

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Every name in the tables stands in a question of the golden files, and every rule in an answer: what the page says in a word, they show whole.
func TestGoldensCoverTheTables(t *testing.T) {
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil {
		t.Fatal(err)
	}
	var goldens strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		goldens.Write(text)
	}
	names := slices.Concat(logicalOperators, slices.Collect(maps.Keys(filterOperators)), slices.Collect(maps.Keys(stages)),
		slices.Collect(maps.Keys(analysedCommands)), slices.Collect(maps.Keys(bypassedCommands)), slices.Collect(maps.Keys(indexOptions)),
		slices.Collect(maps.Keys(indexChanges)))
	for _, row := range slices.Concat(matchOperators, updateOperators) {
		names = append(names, row.names...)
	}
	for _, row := range expressionOperators {
		names = append(names, row.names...)
	}
	for _, row := range accumulators {
		names = append(names, row.names...)
	}
	for _, row := range stageOperands {
		for _, name := range row.names {
			stage, operand, _ := strings.Cut(name, ".")
			names = append(names, stage, strings.TrimPrefix(operand, "."))
		}
	}
	for _, fields := range slices.Concat(slices.Collect(maps.Values(analysedCommands)), []parts{genericParts, updateStatement, deleteStatement}, slices.Collect(maps.Values(bulkStatements))) {
		names = slices.AppendSeq(names, maps.Keys(fields))
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if name != "" && !strings.Contains(goldens.String(), `"`+name+`"`) {
			t.Errorf("no golden file asks about %s", name)
		}
	}
	limits := []string{ruleTooManyFields.name, ruleDepth.name, rulePipelineLong.name, ruleStageLong.name, ruleComplex.name} // too long for a golden file
	for _, r := range rulesIn(t, ".", "rule") {
		if !slices.Contains(limits, r.name) && !strings.Contains(goldens.String(), "[rule "+r.name+"]") {
			t.Errorf("no golden file shows rule %s", r.name)
		}
	}
}
