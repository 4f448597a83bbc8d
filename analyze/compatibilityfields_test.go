package analyze

import (
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// fieldUse is a way to name a field in a command.
type fieldUse struct {
	name    string
	command func(field string) d
}

// uses adds a row for each use.
func (p *page) uses(t *table, uses []fieldUse) *table {
	for i, use := range uses {
		t.row(i, use.name, p.classes(fieldColumns, func(field string, _ any) d { return use.command(field) })...)
	}
	return t
}

func findWith(name string, argument func(field string) any) func(field string) d {
	return func(field string) d { return d{{Key: "find", Value: "people"}, {Key: name, Value: argument(field)}} }
}

func ascending(field string) any { return one(field, 1) }

func projectionTable(p *page) *table {
	operators := map[string]any{"$": 1, "$slice": one("$slice", 1), "$meta": one("$meta", "textScore"), "$elemMatch": one("$elemMatch", one("zip", "x"))}
	t := p.uses(newTable("in `projection` (find) or `fields` (findAndModify)", fieldColumns), []fieldUse{
		{"`{field: 1}`", findWith("projection", ascending)},
		{"`{field: 0}`", findWith("projection", func(f string) any { return one(f, 0) })},
		{"`{x: \"$field\"}`", findWith("projection", func(f string) any { return one("x", "$"+f) })},
		{"`{x: {$eq: [\"$field\", value]}}`", findWith("projection", func(f string) any { return one("x", one("$eq", bson.A{"$" + f, "x"})) })},
	})
	for i, row := range findProjectionOperators {
		for _, name := range row.names {
			argument, known := operators[name]
			if !known {
				p.Errorf("no argument for %s: add one to the test", name)
			}
			path, label := "", "`{field: {"+name+": …}}`"
			if name == "$" {
				path, label = ".$", "`{\"field.$\": 1}`"
			}
			cells := p.classes(fieldColumns, func(f string, _ any) d {
				return findWith("projection", func(f string) any { return one(f+path, argument) })(f)
			})
			p.check(name, &row, fieldColumns, cells)
			t.row(10+i, label, cells...)
		}
	}
	return t
}

func findFieldTable(p *page) *table {
	return p.uses(newTable("", fieldColumns), []fieldUse{
		{"`sort: {field: 1}`", findWith("sort", ascending)},
		{"`hint: {field: 1}`", findWith("hint", ascending)},
		{"`hint: {field: value}`", findWith("hint", func(f string) any { return one(f, "x") })},
		{"`min`, `max`: `{field: value}`", findWith("min", func(f string) any { return one(f, "x") })},
		{"`key` of distinct", func(f string) d { return d{{Key: "distinct", Value: "people"}, {Key: "key", Value: f}} }},
	})
}

func indexed(key func(field string) any, options ...bson.E) func(field string) d {
	return func(field string) d {
		return d{{Key: "createIndexes", Value: "people"}, {Key: "indexes", Value: bson.A{append(d{{Key: "key", Value: key(field)}, {Key: "name", Value: "n"}}, options...)}}}
	}
}

func indexOf(kind any) func(field string) d {
	return indexed(func(f string) any { return one(f, kind) })
}

func indexTable(p *page) *table {
	validated := func(condition func(field string) any) func(field string) d {
		return func(f string) d { return d{{Key: "create", Value: "people"}, {Key: "validator", Value: condition(f)}} }
	}
	option := func(name string, value func(field string) any) func(field string) d {
		return func(f string) d {
			return indexed(func(string) any { return one("x", 1) }, bson.E{Key: name, Value: value(f)})(f)
		}
	}
	exists := func(f string) any { return one(f, one("$exists", true)) }
	equal := func(f string) any { return one(f, "x") }
	uses := []fieldUse{{"key `{field: 1}`, `{field: -1}`", indexOf(1)}}
	for _, kind := range slices.Sorted(maps.Keys(indexKinds)) {
		uses = append(uses, fieldUse{"key `{field: \"" + kind + "\"}`", indexOf(kind)})
	}
	t := p.uses(newTable("in createIndexes, create or collMod", fieldColumns), append(uses, []fieldUse{
		{"key `{\"field.$**\": 1}`", indexed(func(f string) any { return one(f+".$**", 1) })},
		{"`expireAfterSeconds` with key `{field: 1}`", indexed(ascending, bson.E{Key: "expireAfterSeconds", Value: 1})},
		{"`weights: {field: 1}`", option("weights", ascending)}, {"`wildcardProjection: {field: 1}`", option("wildcardProjection", ascending)},
		{"`language_override: \"field\"` with a text index", func(f string) d {
			return indexed(func(string) any { return one("x", "text") }, bson.E{Key: "language_override", Value: f})(f)
		}},
		{"`partialFilterExpression: {field: {$exists: true}}`", option("partialFilterExpression", exists)},
		{"`partialFilterExpression: {field: value}`", option("partialFilterExpression", equal)},
		{"`validator: {field: {$exists: true}}`", validated(exists)}, {"`validator: {field: value}`", validated(equal)},
		{"`validator: {$expr: {$eq: [\"$field\", value]}}`", validated(func(f string) any { return one("$expr", one("$eq", bson.A{"$" + f, "x"})) })},
	}...))
	return t
}

func indexOptionTable(p *page) *table {
	t := &table{head: []string{"option", "without an encrypted field in it"}}
	arguments := map[indexPart]any{indexScalar: 1, indexDocument: d{}, indexKey: one("x", 1), indexWeights: one("x", 1), indexPaths: one("x", 1), indexExpiry: 1,
		indexLanguage: "x", indexFilter: one("x", 1)}
	create := func(name string, v any) d {
		index := d{{Key: "key", Value: one("x", 1)}, {Key: name, Value: v}}
		return d{{Key: "createIndexes", Value: "people"}, {Key: "indexes", Value: bson.A{index}}}
	}
	change := func(name string, v any) d {
		index := d{{Key: "keyPattern", Value: one("x", 1)}, {Key: name, Value: v}}
		if name == "keyPattern" {
			index = index[:1]
		}
		return d{{Key: "collMod", Value: "people"}, {Key: "index", Value: index}}
	}
	for _, name := range slices.Sorted(maps.Keys(indexOptions)) {
		t.row(0, code(name), p.cell(create(name, arguments[indexOptions[name]])))
	}
	for _, name := range slices.Sorted(maps.Keys(indexChanges)) {
		t.row(1, code(name)+" in `index` of collMod", p.cell(change(name, arguments[indexChanges[name]])))
	}
	t.row(2, "`expireAfterSeconds` in `index` of collMod, with the index's name only", p.cell(d{{Key: "collMod", Value: "people"}, {Key: "index", Value: d{{Key: "name", Value: "n"}, {Key: "expireAfterSeconds", Value: 1}}}}))
	t.row(3, "any other", p.cell(create("unknown", 1)))
	return t
}

func switchTable(p *page) *table {
	t := newTable("switch", fieldColumns)
	for i, s := range []struct {
		name    string
		allow   Relaxation
		command func(field string) d
	}{
		{"`AllowSort`: `sort: {field: 1}`", AllowSort, findWith("sort", ascending)},
		{"`AllowSort`: `{$sort: {field: 1}}`", AllowSort, func(f string) d { return aggregateOf(one("$sort", one(f, 1))) }},
		{"`AllowType`: `{field: {$type: \"binData\"}}`", AllowType, func(f string) d { return findOf(one(f, one("$type", "binData"))) }},
	} {
		var cells []string
		for _, c := range fieldColumns {
			cells = append(cells, p.cellWith(s.command(c.field), s.allow))
		}
		t.row(i, s.name, cells...)
	}
	return t
}
