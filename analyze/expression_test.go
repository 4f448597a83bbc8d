package analyze

import (
	"errors"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// expressionArguments are the arguments of operators around a reference to a field; those that are not here take [field, 1].
var expressionArguments = map[string]func(field any) any{
	"$eq":   func(f any) any { return bson.A{f, "x"} },
	"$ne":   func(f any) any { return bson.A{"x", f} },
	"$in":   func(f any) any { return bson.A{f, bson.A{"x"}} },
	"$cond": func(f any) any { return bson.A{true, f, nil} },
	"$switch": func(f any) any {
		return one("branches", bson.A{d{{Key: "case", Value: true}, {Key: "then", Value: f}}})
	},
	"$let":      func(f any) any { return d{{Key: "vars", Value: d{}}, {Key: "in", Value: f}} },
	"$getField": func(f any) any { return d{{Key: "field", Value: "x"}, {Key: "input", Value: d{{Key: "x", Value: f}}}} },
	"$meta":     func(any) any { return "textScore" },
	"$filter": func(f any) any {
		return d{{Key: "input", Value: f}, {Key: "as", Value: "x"}, {Key: "cond", Value: true}}
	},
	"$map": func(f any) any { return d{{Key: "input", Value: "$list"}, {Key: "in", Value: f}} },
	"$reduce": func(f any) any {
		return d{{Key: "input", Value: "$list"}, {Key: "initialValue", Value: f}, {Key: "in", Value: 1}}
	},
	"$sortArray": func(f any) any { return d{{Key: "sortBy", Value: 1}, {Key: "input", Value: f}} },
	"$rand":      func(any) any { return d{} }, "$createObjectId": func(any) any { return bson.A{} },
}

// expressionOf is a find whose filter has the operator around a field, seen through $size so that it is not the whole condition.
func expressionOf(name, field string) d {
	argument := any(bson.A{field, 1})
	if of := expressionArguments[name]; of != nil {
		argument = of(field)
	}
	return within(one(name, argument))
}

// within is a find whose filter has an expression in it, of which nothing is asked.
func within(expression any) d {
	return findOf(one("$expr", one("$size", bson.A{bson.A{expression}})))
}

// derivedRoot is matrixSchema after stages that made an array of encrypted fields, one of documents and an undecided field.
func derivedRoot(t *testing.T, s *schema.Schema) *schema.Node {
	t.Helper()
	ssn, err := s.Lookup("ssn")
	if err != nil {
		t.Fatal(err)
	}
	root, err := s.Root().With(schema.Field{Path: "all", Node: schema.ArrayOf(ssn.Node)}, schema.Field{Path: "docs", Node: schema.ArrayOf(s.Root())},
		schema.Field{Path: "maybe", Node: schema.Undecided()}, schema.Field{Path: "sub.ssn", Node: ssn.Node})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestExpressionValues(t *testing.T) {
	s := matrixSchema(t)
	for _, test := range []struct {
		expression any
		want       string // class, path alike, or rule
	}{
		{"$name", "plain"}, {"$ssn", "ssn"}, {"$phone", "phone"}, {"$address", "address"}, {"$address.zip", "ssn"}, {"$sub.ssn", "ssn"},
		{"$$ROOT", "root"}, {"$$CURRENT", "root"}, {"$$ROOT.ssn", "ssn"}, {"$$CURRENT.address", "address"}, {"$card.no", "path-below-encrypted"},
		{"$all", "array of ssn"}, {"$all.x", "path-unknown-until-runtime"}, {"$docs", "array of schema"}, {"$docs.ssn", "path-unknown-until-runtime"},
		{"$docs.name", "path-unknown-until-runtime"}, {"$maybe", "path-unknown-until-runtime"}, {"$maybe.x", "path-unknown-until-runtime"},
		{one("$first", "$all"), "ssn"}, {one("$arrayElemAt", bson.A{"$docs", -1}), "schema"}, {one("$last", bson.A{"$docs"}), "schema"},
		{one("$size", "$docs"), "plain"}, {one("$isArray", bson.A{"$all"}), "plain"}, {one("$reverseArray", "$all"), "path-unknown-until-runtime"},
		{one("$in", bson.A{"x", "$all"}), "path-unknown-until-runtime"}, {one("$eq", bson.A{"$all", bson.A{}}), "path-unknown-until-runtime"},
		{one("$eq", bson.A{one("$size", "$docs"), 0}), "plain"}, {one("$first", bson.A{bson.A{"$all"}}), "array of ssn"},
		{one("$getField", d{{Key: "field", Value: "ssn"}, {Key: "input", Value: one("$first", "$docs")}}), "ssn"},
		{one("$getField", d{{Key: "field", Value: "ssn"}, {Key: "input", Value: "$docs"}}), "path-unknown-until-runtime"},
		{one("$getField", "maybe"), "unknown"}, {one("$getField", "name"), "plain"},
		{bson.A{"$ssn", nil}, "array of ssn"}, {bson.A{"$ssn", "x"}, "array of unknown"}, {bson.A{"x"}, "plain"}, {bson.A{}, "plain"},
		{one("ssn", "$ssn"), "document with ssn"}, {d{{Key: "x", Value: 1}, {Key: "ssn", Value: "$ssn"}}, "document with ssn"}, {one("x", 1), "plain"},
		{one("ssn", one("$cond", bson.A{true, "$ssn", "$$REMOVE"})), "document with ssn"},
		{one("$cond", bson.A{true, "$ssn", "$sub.ssn"}), "ssn"}, {one("$cond", bson.A{true, "$ssn", "x"}), "unknown"}, {one("$cond", bson.A{true, "$ssn", "$name"}), "unknown"},
		{one("$cond", bson.A{true, "$ssn", "$phone"}), "unknown"}, {one("$cond", bson.A{true, nil, "$phone"}), "phone"}, {one("$cond", bson.A{true, "$$REMOVE", "$address"}), "address"},
		{one("$cond", bson.A{true, nil, "$$REMOVE"}), "plain"}, {one("$cond", bson.A{true, one("$cond", bson.A{true, "$ssn", 1}), "$ssn"}), "unknown"},
		{one("$cond", bson.A{true, one("$cond", bson.A{true, nil, nil}), "$ssn"}), "ssn"}, {one("$ifNull", bson.A{"$ssn", nil}), "ssn"},
		{one("$ifNull", bson.A{"$ssn", "none"}), "unknown"}, {one("$ifNull", bson.A{"$ssn", "$sub.ssn", one("$literal", nil)}), "ssn"},
		{one("$let", d{{Key: "vars", Value: one("x", 1)}, {Key: "in", Value: "$phone"}}), "phone"}, {"$$x", "plain"}, {one("$literal", "$ssn"), "plain"},
		{one("$eq", bson.A{"$ssn", "x"}), "plain"}, {one("$cond", bson.A{"$maybe", 1, 2}), "path-unknown-until-runtime"},
		{one("$let", d{{Key: "vars", Value: one("x", "$all")}, {Key: "in", Value: 1}}), "path-unknown-until-runtime"},
	} {
		a := &analysis{sealer: Markings{}, schema: s, root: derivedRoot(t, s)}
		v := raw(t, one("v", test.expression)).Lookup("v")
		_, node, err := a.expression(nil, []byte("v"), v)
		if got := describe(t, s, a.root, node, err); got != test.want {
			t.Errorf("%v: got %s, want %s", test.expression, got, test.want)
		}
	}
}

func describe(t *testing.T, s *schema.Schema, root, node *schema.Node, err error) string {
	t.Helper()
	if refused := (*RefusedError)(nil); errors.As(err, &refused) {
		return refused.Rule
	} else if err != nil {
		t.Fatal(err)
	}
	if elem, isArray := node.Array(); isArray {
		return "array of " + describe(t, s, root, elem, nil)
	}
	switch {
	case node == nil:
		return "plain"
	case schema.Alike(node, root):
		return "root"
	case schema.Alike(node, s.Root()):
		return "schema"
	}
	for _, path := range []string{"ssn", "phone", "address"} {
		if m, err := s.Lookup(path); err == nil && schema.Alike(node, m.Node) {
			return path
		}
	}
	if only, err := s.Root().Only("ssn"); err == nil && schema.Alike(node, only) {
		return "document with ssn"
	}
	return value{node: node}.class().String()
}

// A walk that looked at a part twice at each level would not come back from these.
func TestExpressionsAreWalkedOnce(t *testing.T) {
	wrap := map[string]func(v any) any{
		"$eq":   func(v any) any { return one("$eq", bson.A{v, true}) },
		"$ne":   func(v any) any { return one("$ne", bson.A{1, v}) },
		"$in":   func(v any) any { return one("$in", bson.A{v, bson.A{v == nil, 1}}) },
		"list":  func(v any) any { return one("$in", bson.A{1, bson.A{v}}) },
		"$cond": func(v any) any { return one("$cond", bson.A{one("$eq", bson.A{v, 1}), 1, 0}) },
		"$switch": func(v any) any {
			return one("$switch", one("branches", bson.A{d{{Key: "case", Value: v}, {Key: "then", Value: 1}}}))
		},
		"$let":      func(v any) any { return one("$let", d{{Key: "vars", Value: one("x", v)}, {Key: "in", Value: 1}}) },
		"$getField": func(v any) any { return one("$getField", d{{Key: "field", Value: "x"}, {Key: "input", Value: v}}) },
		"name":      func(v any) any { return one("$getField", d{{Key: "field", Value: v}, {Key: "input", Value: "$plain"}}) },
		"$first":    func(v any) any { return one("$first", v) },
		"$add":      func(v any) any { return one("$add", v) },
		"$convert":  func(v any) any { return one("$convert", one("input", v)) },
		"object":    func(v any) any { return one("a", v) },
		"array":     func(v any) any { return bson.A{v} },
	}
	for name, around := range wrap {
		v := any(one("$eq", bson.A{"$ssn", "x"}))
		for range 60 {
			v = around(v)
		}
		find := func(v any) d {
			return d{{Key: "find", Value: "people"}, {Key: "filter", Value: one("$expr", one("$isNumber", bson.A{v}))}}
		}
		if got := decide(t, find(v)); got != "seal" {
			t.Errorf("%s: got %s", name, got)
		}
		for range 200 {
			v = around(v)
		}
		if got := decide(t, find(v)); got != ruleDepth.name {
			t.Errorf("%s, 260 deep: got %s, want %s", name, got, ruleDepth.name)
		}
	}
}

func TestRedaction(t *testing.T) {
	s := matrixSchema(t)
	compare := func(path, value string) any { return one("$eq", bson.A{path, value}) }
	cond := func(condition any, results ...any) any { return one("$cond", append(bson.A{condition}, results...)) }
	for _, test := range []struct {
		name       string
		expression any
		want       string
	}{
		{"at the top an encrypted field is compared", cond(compare("$ssn", "1"), "$$KEEP", "$$PRUNE"), "seal"},
		{"descending, a plain field", cond(compare("$level", "1"), "$$DESCEND", "$$PRUNE"), "pass"},
		{"descending, an encrypted field", cond(compare("$ssn", "1"), "$$DESCEND", "$$PRUNE"), ruleExpressionLevels.name},
		{"descending, one that is encrypted further in", cond(compare("$zip", "1"), "$$DESCEND", "$$PRUNE"), ruleExpressionLevels.name},
		{"descending, a path further in", cond(compare("$address.door", "1"), "$$DESCEND", "$$PRUNE"), "pass"},
		{"descending, the whole document's field", cond(compare("$$ROOT.ssn", "1"), "$$DESCEND", "$$PRUNE"), "seal"},
		{"descending, $$CURRENT", cond(compare("$$CURRENT.zip", "1"), "$$DESCEND", "$$PRUNE"), ruleExpressionLevels.name},
		{"descending, all of $$CURRENT", cond(one("$eq", bson.A{"$$CURRENT", 1}), "$$DESCEND", "$$PRUNE"), ruleExpressionLevels.name},
		{"descending, $getField", cond(one("$getField", "level"), "$$DESCEND", "$$PRUNE"), ruleExpressionLevels.name},
		{"a field instead of a decision", "$ssn", ruleExpressionCondition.name},
		{"a field or a decision", cond(true, "$$KEEP", "$ssn"), ruleUnknown.name},
	} {
		a := &analysis{sealer: Markings{}, schema: s, root: s.Root()}
		_, err := a.redaction(nil, []byte("$redact"), raw(t, one("v", test.expression)).Lookup("v"))
		got := "pass"
		if refused := (*RefusedError)(nil); errors.As(err, &refused) {
			got = refused.Rule
		} else if err != nil {
			t.Fatal(err)
		} else if a.sealed > 0 {
			got = "seal"
		}
		if got != test.want || err == nil && a.redact != redactNot {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
	a := &analysis{sealer: Markings{}, schema: s, root: derivedRoot(t, s)}
	_, err := a.redaction(nil, nil, raw(t, one("v", cond(compare("$level", "1"), "$$DESCEND", "$$PRUNE"))).Lookup("v"))
	if refused := (*RefusedError)(nil); !errors.As(err, &refused) || refused.Rule != ruleExpressionLevels.name {
		t.Errorf("after other stages: got %v", err)
	}
}

// The rows for parts of operators refuse every class but plain.
func TestOperandRows(t *testing.T) {
	for _, row := range []operator{conditionOperand, boundOperand, comparedOperand, fieldNameOperand} {
		for c := schema.Deterministic; c <= schema.Unknown; c++ {
			if row.on(c).verb != refuse {
				t.Errorf("%v lets a value pass that is %v", row.names, c)
			}
		}
	}
}

// A path for errors is put back, whatever stands around the expression.
func TestExpressionKeepsPath(t *testing.T) {
	s := matrixSchema(t)
	a := &analysis{sealer: Markings{}, schema: s, root: s.Root(), path: append(make([]byte, 0, 100), "out.field"...), op: "$project"}
	expressions := bson.A{"$ssn", one("$eq", bson.A{"$address.zip", "x"}), one("$in", bson.A{"$ssn", one("$literal", bson.A{"x"})}), bson.A{"$phone"}}
	it := bsonraw.Iterate(raw(t, one("v", expressions)).Lookup("v").Value)
	for it.Next() {
		if _, _, err := a.expression(nil, nil, it.Element.RawValue()); err != nil {
			t.Fatal(err)
		}
		if string(a.path) != "out.field" || a.op != "$project" || a.depth != 0 {
			t.Errorf("after %v: path %q, operator %s, depth %d", it.Element.RawValue(), a.path, a.op, a.depth)
		}
	}
	_, _, err := a.expression(nil, nil, raw(t, one("v", one("$eq", bson.A{"$address.zip", 5}))).Lookup("v"))
	if refused := (*RefusedError)(nil); !errors.As(err, &refused) || !slices.Equal([]string{refused.Path, refused.Operator}, []string{"address.zip", "$eq"}) {
		t.Errorf("got %v", err)
	}
}
