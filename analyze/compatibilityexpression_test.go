package analyze

import "go.mongodb.org/mongo-driver/v2/bson"

func expressionTable(p *page) *table {
	t := newTable("operator", fieldColumns)
	seen := map[string]bool{}
	for i, row := range expressionOperators {
		for _, name := range row.names {
			if seen[name] {
				p.Errorf("%s is decided twice", name)
			}
			seen[name] = true
			cells := p.classes(fieldColumns, func(field string, _ any) d { return expressionOf(name, "$"+field) })
			p.check(name, &row.operator, fieldColumns, cells)
			t.row(i, code(name), cells...)
		}
	}
	t.row(-1, "any other", p.classes(fieldColumns, func(field string, _ any) d { return expressionOf("$unknown", "$"+field) })...)
	return t
}

// expressionOperandTable is about what stands beside a field, or around it.
func expressionOperandTable(p *page) *table {
	alike := map[string]string{"name": "x", "ssn": "address.zip", "phone": "mobile", "address": "address", "card.no": "card.no"}
	expr := func(of func(field string) any) func(field string) d {
		return func(f string) d { return within(of("$" + f)) }
	}
	return p.uses(newTable("expression", fieldColumns), []fieldUse{
		{"`{$expr: \"$field\"}`: the field as the condition", func(f string) d { return findOf(one("$expr", "$"+f)) }},
		{"`{$cond: [\"$field\", …]}`: as a condition", expr(func(f string) any { return one("$cond", bson.A{f, 1, 0}) })},
		{"`{$let: {vars: {v: \"$field\"}, …}}`: as a variable", expr(func(f string) any {
			return one("$let", d{{Key: "vars", Value: one("v", f)}, {Key: "in", Value: 1}})
		})},
		{"`{$getField: {field: \"$field\", …}}`: as the name of a field", expr(func(f string) any {
			return one("$getField", d{{Key: "field", Value: f}, {Key: "input", Value: "$$ROOT"}})
		})},
		{"`{x: \"$field\"}`, `[\"$field\"]`: built into a document or array", expr(func(f string) any { return bson.A{one("x", f)} })},
		{"`{$eq: [\"$field\", constant]}`", expr(func(f string) any { return one("$eq", bson.A{f, "x"}) })},
		{"`{$eq: [\"$field\", null]}`", expr(func(f string) any { return one("$eq", bson.A{f, nil}) })},
		{"`{$eq: [\"$field\", \"$other\"]}`, the other encrypted alike", func(f string) d { return within(one("$eq", bson.A{"$" + f, "$" + alike[f]})) }},
		{"`{$eq: [\"$field\", \"$plain\"]}`", expr(func(f string) any { return one("$eq", bson.A{f, "$plain"}) })},
		{"`{$eq: [\"$field\", \"$$variable\"]}`", expr(func(f string) any { return one("$eq", bson.A{f, "$$v"}) })},
		{"`{$eq: [\"$field\", {$concat: …}]}`: with a result", expr(func(f string) any { return one("$eq", bson.A{f, one("$concat", bson.A{"x"})}) })},
		{"`{$eq: [{$cond: [c, \"$field\", null]}, constant]}`: as a result", expr(func(f string) any {
			return one("$eq", bson.A{one("$cond", bson.A{true, f, nil}), "x"})
		})},
		{"`{$in: [\"$field\", [constant, …]]}`", expr(func(f string) any { return one("$in", bson.A{f, bson.A{"x"}}) })},
		{"`{$in: [\"$field\", [\"$plain\"]]}`", expr(func(f string) any { return one("$in", bson.A{f, bson.A{"$plain"}}) })},
		{"`{$in: [constant, [\"$field\"]]}`", expr(func(f string) any { return one("$in", bson.A{"x", bson.A{f}}) })},
		{"`{$expr: {field: value}}`: a filter by mistake", func(f string) d { return findOf(one("$expr", one(f, "x"))) }},
	})
}
