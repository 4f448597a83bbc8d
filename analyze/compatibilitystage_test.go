package analyze

import (
	"maps"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// stageExamples are arguments over plain fields, and what comes out of a stage.
var stageExamples = map[string]struct {
	argument any
	result   string
}{
	"$addFields": {one("x", "$name"), "the documents, with the fields it sets: each is encrypted as the value that it was given"},
	"$bucket":    {d{{Key: "groupBy", Value: "$name"}, {Key: "boundaries", Value: bson.A{1, 2}}}, "a plain `_id`, and what the accumulators give"},
	"$bucketAuto": {d{{Key: "groupBy", Value: "$name"}, {Key: "buckets", Value: 2}},
		"a plain `_id`, and what the accumulators give"},
	"$collStats": {one("count", d{}), "nothing encrypted"}, "$count": {"n", "nothing encrypted"}, "$indexStats": {d{}, "nothing encrypted"},
	"$facet":   {one("x", bson.A{}), "of each pipeline an array of its documents, unknown until `$unwind`"},
	"$geoNear": {d{{Key: "near", Value: bson.A{1, 2}}, {Key: "distanceField", Value: "x"}}, "the same documents; what it adds is plain"},
	"$graphLookup": {d{{Key: "from", Value: "people"}, {Key: "as", Value: "x"}, {Key: "startWith", Value: "$name"},
		{Key: "connectFromField", Value: "a"}, {Key: "connectToField", Value: "b"}}, "the documents, with an array of the other collection's in `as`, unknown until `$unwind`"},
	"$group": {d{{Key: "_id", Value: "$name"}, {Key: "n", Value: one("$sum", 1)}}, "`_id`, encrypted as its expression is, and what the accumulators give"},
	"$limit": {1, "the same documents"}, "$skip": {1, "the same documents"}, "$sample": {one("size", 1), "the same documents"},
	"$sort": {one("name", 1), "the same documents"}, "$match": {one("name", "x"), "the same documents"},
	"$lookup": {d{{Key: "from", Value: "people"}, {Key: "as", Value: "x"}, {Key: "localField", Value: "name"}, {Key: "foreignField", Value: "b"}},
		"the documents, with an array in `as` of what the other pipeline gives, unknown until `$unwind`"},
	"$project": {one("name", 1), "the fields included, or all but those excluded; each computed one is encrypted as its value"},
	"$redact":  {"$$KEEP", "the same documents"}, "$replaceRoot": {one("newRoot", "$name"), "what the expression gives"},
	"$replaceWith": {"$name", "what the expression gives"}, "$set": {one("x", "$name"), "as with `$addFields`"},
	"$sortByCount": {"$name", "`_id`, encrypted as its expression is, and a plain count"},
	"$unionWith":   {"people", "documents of both; a field that is not encrypted alike in both is unknown"}, "$unset": {"name", "the documents without the fields"},
	"$unwind": {"$name", "the documents, the field now an element of its array; the index is plain"},
}

func stageTable(p *page) *table {
	t := &table{head: []string{"stage", "over plain fields", "what comes out"}}
	for i, name := range slices.Sorted(maps.Keys(stages)) {
		example := stageExamples[name]
		switch cell := p.cell(aggregateOf(one(name, example.argument))); {
		case (stages[name] == stageRefused) != (cell == "["+ruleStage.name+"]"), (stages[name] == stageRefused) != (example.result == ""):
			p.Errorf("%s: got %s, and an example: %v", name, cell, example)
		case stages[name] == stageRefused:
			t.row(0, code(name), cell, "")
		default:
			t.row(i, code(name), cell, example.result)
		}
	}
	t.row(0, "any other", p.cell(aggregateOf(one("$unknown", d{}))), "")
	return t
}

// stageOperandTable is stageOperands and what stands in its place for filters, sorts and conditions.
func stageOperandTable(p *page) *table {
	compared := func(result string) func(f string) d {
		return func(f string) d {
			return aggregateOf(one("$redact", one("$cond", bson.A{one("$eq", bson.A{"$" + f, "x"}), result, "$$PRUNE"})))
		}
	}
	t := p.uses(newTable("stage", fieldColumns), []fieldUse{
		{"`$match` `{field: value}`", func(f string) d { return aggregateOf(one("$match", one(f, "x"))) }},
		{"`$sort` `{field: 1}`", func(f string) d { return aggregateOf(one("$sort", one(f, 1))) }},
		{"`$geoNear` `query: {field: value}`", func(f string) d { return aggregateOf(nearOf("query", one(f, "x"))) }},
		{"`$redact` comparing the field, without `$$DESCEND`", compared("$$KEEP")}, {"`$redact` comparing the field, with `$$DESCEND`", compared("$$DESCEND")},
	})
	for i, row := range stageOperands {
		for _, name := range row.names {
			stage, operand, _ := strings.Cut(name, ".")
			command, given := operandCommands[name]
			if stages[stage] == stageRefused || !given {
				p.Errorf("%s: no such stage, or no command for it", name)
				continue
			}
			cells := p.classes(fieldColumns, func(field string, _ any) d { return aggregateOf(command(field)) })
			p.check(name, &row, fieldColumns, cells)
			label := code(stage)
			if operand != "" {
				label += " " + code(operand)
			}
			t.row(10+i, label, cells...)
		}
	}
	return t
}

func joinTable(p *page) *table {
	collections := []string{"people", "staff", "other"}
	t := &table{head: []string{"stage", "the same collection", "another one, with the same schema", "one that encrypts nothing"}}
	add := func(name string, stage func(from string) any) {
		var cells []string
		for _, c := range collections {
			cells = append(cells, p.cell(aggregateOf(stage(c))))
		}
		t.row(len(t.rows), name, cells...)
	}
	lookup := func(more ...bson.E) func(from string) any {
		return func(from string) any {
			return one("$lookup", append(d{{Key: "from", Value: from}, {Key: "as", Value: "x"}}, more...))
		}
	}
	for _, ends := range []struct{ name, local, foreign string }{
		{"plain with plain", "name", "name"}, {"deterministic with a field encrypted alike", "ssn", "address.zip"}, {"deterministic with plain", "ssn", "name"},
		{"plain with deterministic", "name", "ssn"}, {"random with random", "phone", "phone"}, {"prefix with prefix", "address", "address"},
	} {
		add("`$lookup` by fields: "+ends.name, lookup(bson.E{Key: "localField", Value: ends.local}, bson.E{Key: "foreignField", Value: ends.foreign}))
		add("`$graphLookup`, `startWith` and `connectFromField` with `connectToField`: "+ends.name, func(from string) any {
			return one("$graphLookup", d{{Key: "from", Value: from}, {Key: "as", Value: "x"}, {Key: "startWith", Value: "$" + ends.local},
				{Key: "connectFromField", Value: ends.local}, {Key: "connectToField", Value: ends.foreign}})
		})
	}
	match := bson.E{Key: "pipeline", Value: bson.A{one("$match", one("ssn", "x"))}}
	add("`$lookup` with a pipeline that compares `ssn` with a constant", lookup(match))
	add("`$lookup` with a pipeline that compares `ssn` with a variable in `let`", lookup(bson.E{Key: "let", Value: one("v", "$name")},
		bson.E{Key: "pipeline", Value: bson.A{one("$match", one("$expr", one("$eq", bson.A{"$ssn", "$$v"})))}}))
	add("`$lookup` from `{db, coll}`", func(from string) any {
		return one("$lookup", d{{Key: "from", Value: d{{Key: "db", Value: "db"}, {Key: "coll", Value: from}}}, {Key: "as", Value: "x"}, match})
	})
	add("`$graphLookup` with a constant to start with, looked for in `ssn`", func(from string) any {
		return one("$graphLookup", d{{Key: "from", Value: from}, {Key: "as", Value: "x"}, {Key: "startWith", Value: "x"}, {Key: "connectFromField", Value: "ssn"}, {Key: "connectToField", Value: "ssn"}})
	})
	add("`$unionWith`", func(from string) any { return one("$unionWith", from) })
	add("`$unionWith` with a pipeline that compares `ssn` with a constant", func(from string) any {
		return one("$unionWith", d{{Key: "coll", Value: from}, match})
	})
	return t
}

func accumulatorTable(p *page) *table {
	t := newTable("accumulator", fieldColumns, "gives")
	gives := map[outcome]string{givesPlain: "something plain", givesValue: "one of the values", givesValues: "an array of them, unknown until `$unwind`"}
	for i, row := range accumulators {
		for _, name := range row.names {
			cells := p.classes(fieldColumns, func(field string, _ any) d { return accumulatedOf(name, &row, field) })
			if row.fields == nil || len(row.fields) > 0 { // else it takes nothing
				p.check(name, &row.operator, fieldColumns, cells)
			}
			t.row(i, code(name), append(cells, gives[row.gives])...)
		}
	}
	unknown := &accumulator{}
	t.row(-1, "any other, `$accumulator` among them", append(p.classes(fieldColumns, func(field string, _ any) d { return accumulatedOf("$accumulator", unknown, field) }), "")...)
	return t
}

// accumulatedOf is a $group with an accumulator over field.
func accumulatedOf(name string, row *accumulator, field string) d {
	arguments := map[argument]any{argumentValue: "$" + field, argumentPlain: 1, argumentSort: one("x", 1), argumentWord: "x"}
	taken := arguments[argumentValue]
	if row.fields != nil {
		fields := d{}
		for f, kind := range row.fields {
			fields = append(fields, bson.E{Key: f, Value: arguments[kind]})
		}
		taken = fields
	}
	return aggregateOf(one("$group", d{{Key: "_id", Value: 1}, {Key: "x", Value: one(name, taken)}}))
}

// unknownTable is what later stages may do with a field of which nobody knows before run time whether, or how, it is encrypted.
func unknownTable(p *page) *table {
	uses := []struct {
		name   string
		stages func(path string) []any
	}{
		{"`$match` for a value", func(x string) []any { return []any{one("$match", one(x, "x"))} }},
		{"`$match` `{$exists: true}`", func(x string) []any { return []any{one("$match", one(x, one("$exists", true)))} }},
		{"`$sort`", func(x string) []any { return []any{one("$sort", one(x, 1))} }},
		{"`$eq` in an expression", func(x string) []any { return []any{one("$match", one("$expr", one("$eq", bson.A{"$" + x, "x"})))} }},
		{"`$group` by it", func(x string) []any { return []any{one("$group", one("_id", "$"+x))} }},
		{"`$project` `{field: 1}`", func(x string) []any { return []any{one("$project", one(x, 1))} }},
		{"`$size` of `x`", func(x string) []any { return []any{one("$project", one("n", one("$size", "$x")))} }},
		{"`$first` of `x`", func(x string) []any { return []any{one("$project", one("n", one("$first", "$x")))} }},
		{"`$unwind` `x`, then `$match`", func(x string) []any { return []any{one("$unwind", "$x"), one("$match", one(x, "x"))} }},
	}
	t := &table{head: []string{"where it comes from"}}
	for _, use := range uses {
		t.head = append(t.head, use.name)
	}
	for i, origin := range []struct {
		name, path string
		stages     []any
	}{
		{"an array of encrypted values: `$group` with `x: {$push: \"$ssn\"}`", "x", []any{one("$group", d{{Key: "_id", Value: 1}, {Key: "x", Value: one("$push", "$ssn")}})}},
		{"`x.ssn` in documents of `$lookup` as `x`", "x.ssn", []any{lookupOf("$lookup", one("as", "x"), one("pipeline", bson.A{}))}},
		{"`x.ssn` in documents of `$facet` as `x`", "x.ssn", []any{one("$facet", one("x", bson.A{}))}},
		{"branches that differ: `x: {$cond: [c, \"$ssn\", \"$name\"]}`", "x", []any{one("$addFields", one("x", one("$cond", bson.A{"$name", "$ssn", "$name"})))}},
		{"a constant beside a field: `x: {$ifNull: [\"$ssn\", \"none\"]}`", "x", []any{one("$addFields", one("x", one("$ifNull", bson.A{"$ssn", "none"})))}},
		{"null beside a field: `x: {$ifNull: [\"$ssn\", null]}`, which is known", "x", []any{one("$addFields", one("x", one("$ifNull", bson.A{"$ssn", nil})))}},
		{"`ssn` as `x`, then `$unionWith` a collection where `x` is plain", "x", []any{one("$project", one("x", "$ssn")), one("$unionWith", "other")}},
	} {
		var cells []string
		for _, use := range uses {
			cells = append(cells, p.cell(aggregateOf(slices.Concat(origin.stages, use.stages(origin.path))...)))
		}
		t.row(i, origin.name, cells...)
	}
	return t
}
