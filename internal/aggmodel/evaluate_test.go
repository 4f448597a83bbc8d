package aggmodel_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/aggmodel"
)

// pipelineCase is relaxed Extended JSON: the collection "c" (docs) and others by name, the pipeline and what it gives.
type pipelineCase struct {
	name     string
	docs     string
	others   string // {"name": [documents]}
	pipeline string
	want     string
}

func TestEvaluate(t *testing.T) {
	for _, table := range [][]pipelineCase{stageCases, groupCases, joinCases, projectCases, matchCases, redactCases} {
		for _, tt := range table {
			t.Run(tt.name, func(t *testing.T) {
				got, err := evaluate(t, tt)
				if err != nil {
					t.Fatal(err)
				}
				if diff := aggmodel.DiffResults(documents(t, tt.want), got, true); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// What a server refuses must not pass for something that the model does not cover, and the other way round.
func TestEvaluateErrors(t *testing.T) {
	for _, tt := range refusedCases {
		t.Run("refused "+tt.pipeline, func(t *testing.T) {
			_, err := evaluate(t, tt)
			if refused := (*aggmodel.RefusedError)(nil); !errors.As(err, &refused) {
				t.Errorf("got %v, want a RefusedError", err)
			}
		})
	}
	for _, tt := range unsupportedCases {
		t.Run("unsupported "+tt.pipeline, func(t *testing.T) {
			if _, err := evaluate(t, tt); !errors.Is(err, aggmodel.ErrUnsupported) {
				t.Errorf("got %v, want ErrUnsupported", err)
			}
		})
	}
}

// Every pipeline over every table's documents: whatever comes of it, it is no panic and the same each time.
func TestEvaluateMixed(t *testing.T) {
	all := slices.Concat(stageCases, groupCases, joinCases, projectCases, matchCases, redactCases, refusedCases, unsupportedCases)
	all = append(all, pipelineCase{docs: "[" + expressionDoc + "]", pipeline: `[]`})
	seen := map[string]bool{}
	for _, source := range all {
		if seen[source.docs] {
			continue
		}
		seen[source.docs] = true
		docs := documents(t, source.docs)
		for _, tt := range all {
			var pipeline bson.A
			parse(t, tt.pipeline, &pipeline)
			collections := map[string][]bson.Raw{"c": docs, "d": docs}
			first, err := aggmodel.Evaluate(pipeline, "c", collections)
			second, again := aggmodel.Evaluate(pipeline, "c", collections)
			if fmt.Sprint(err) != fmt.Sprint(again) || !aggmodel.SameResults(first, second, true) {
				t.Errorf("%s on %s: two outcomes", tt.pipeline, source.docs)
			}
		}
	}
}

func evaluate(t *testing.T, tt pipelineCase) ([]bson.Raw, error) {
	t.Helper()
	collections := map[string][]bson.Raw{"c": documents(t, tt.docs)}
	if tt.others != "" {
		var others map[string][]bson.Raw
		parse(t, tt.others, &others)
		for name, docs := range others {
			collections[name] = docs
		}
	}
	var pipeline bson.A
	parse(t, tt.pipeline, &pipeline)
	return aggmodel.Evaluate(pipeline, "c", collections)
}

func documents(t *testing.T, text string) []bson.Raw {
	t.Helper()
	if text == "" {
		text = "[]"
	}
	var docs []bson.Raw
	parse(t, text, &docs)
	return docs
}

func parse(t *testing.T, text string, into any) {
	t.Helper()
	var holder struct{ V bson.RawValue }
	if err := bson.UnmarshalExtJSON([]byte(`{"v":`+text+`}`), false, &holder); err != nil {
		t.Fatalf("reading %s: %v", text, err)
	}
	if err := holder.V.Unmarshal(into); err != nil {
		t.Fatalf("reading %s: %v", text, err)
	}
}

// A pipeline and documents may come in any form, and are not changed.
func TestEvaluateForms(t *testing.T) {
	docs := []bson.D{{{Key: "_id", Value: 1}, {Key: "a", Value: bson.D{{Key: "b", Value: bson.Binary{Subtype: 6, Data: []byte{1, 2}}}}}}}
	before, _ := bson.Marshal(docs[0])
	stages := []bson.D{{{Key: "$set", Value: bson.D{{Key: "a.c", Value: 1}}}}, {{Key: "$unset", Value: "a.b"}}}
	_, array, err := bson.MarshalValue(stages)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := bson.Marshal(bson.D{{Key: "_id", Value: 1}, {Key: "a", Value: bson.D{{Key: "c", Value: 1}}}})
	for _, pipeline := range []any{stages, bson.A{stages[0], stages[1]}, bson.Raw(array), bson.RawArray(array)} {
		got, err := aggmodel.Evaluate(pipeline, "c", map[string][]bson.D{"c": docs})
		if err != nil {
			t.Fatal(err)
		}
		if diff := aggmodel.DiffResults([]bson.Raw{want}, got, true); diff != "" {
			t.Errorf("%T: %s", pipeline, diff)
		}
	}
	if after, _ := bson.Marshal(docs[0]); string(after) != string(before) {
		t.Error("the document was changed")
	}
}

func TestSameResults(t *testing.T) {
	a, b := documents(t, `[{"a":1},{"a":2},{"a":2}]`), documents(t, `[{"a":2},{"a":1},{"a":2}]`)
	fewer := documents(t, `[{"a":1},{"a":2}]`)
	for _, tt := range []struct {
		name    string
		a, b    []bson.Raw
		ordered bool
		diff    string
	}{
		{"itself", a, a, true, ""},
		{"other order, ordered", a, b, true, "-0 {\"a\": {\"$numberInt\":\"1\"}}\n+0 {\"a\": {\"$numberInt\":\"2\"}}\n" +
			"-1 {\"a\": {\"$numberInt\":\"2\"}}\n+1 {\"a\": {\"$numberInt\":\"1\"}}\n"},
		{"other order", a, b, false, ""},
		{"fewer", a, fewer, true, "-2 {\"a\": {\"$numberInt\":\"2\"}}\n"},
		{"a duplicate less", a, fewer, false, "- {\"a\": {\"$numberInt\":\"2\"}}\n"},
		{"other type", documents(t, `[{"a":1}]`), documents(t, `[{"a":1.0}]`), false,
			"- {\"a\": {\"$numberInt\":\"1\"}}\n+ {\"a\": {\"$numberDouble\":\"1.0\"}}\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := aggmodel.DiffResults(tt.a, tt.b, tt.ordered); got != tt.diff {
				t.Errorf("got %q, want %q", got, tt.diff)
			}
			if got := aggmodel.SameResults(tt.a, tt.b, tt.ordered); got != (tt.diff == "") {
				t.Errorf("SameResults: got %v", got)
			}
		})
	}
}
