package analyze

import (
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// matchArguments are the arguments of match operators around v, a scalar or a document.
var matchArguments = map[string]func(v any) any{
	"$eq": itself, "$ne": itself, "$gt": itself, "$gte": itself, "$lt": itself, "$lte": itself, "$in": list, "$nin": list, "$all": list,
	"$not": func(v any) any { return one("$eq", v) }, "$exists": orDocument(true), "$regex": itself, "$options": orDocument("i"), "$type": orDocument("string"),
	"$elemMatch": func(v any) any {
		if filter, isDocument := v.(d); isDocument {
			return filter
		}
		return one("$eq", v)
	},
	"$mod": func(v any) any { return bson.A{v, 0} }, "$size": orDocument(1),
	"$bitsAllClear": list, "$bitsAllSet": list, "$bitsAnyClear": list, "$bitsAnySet": list,
	"$near": point, "$nearSphere": point, "$maxDistance": orDocument(1), "$minDistance": orDocument(1),
	"$geoWithin": orDocument(one("$box", bson.A{})), "$geoIntersects": orDocument(one("$geometry", d{})), "$within": orDocument(one("$box", bson.A{})),
}

func itself(v any) any { return v }
func list(v any) any   { return bson.A{v} }
func point(any) any    { return bson.A{1, 2} }

// orDocument is an argument of a fixed kind, in the place of which v stands when it is a document.
func orDocument(argument any) func(v any) any {
	return func(v any) any {
		if _, isDocument := v.(d); isDocument {
			return v
		}
		return argument
	}
}

func matchTable(p *page) *table {
	t := newTable("operator", argumentColumns)
	t.row(-1, "`{field: value}`", p.classes(argumentColumns, func(field string, v any) d { return findOf(one(field, v)) })...)
	t.row(-2, "`{field: /regex/}`", p.classes(argumentColumns, func(field string, v any) d {
		if v != any("x") {
			return nil
		}
		return findOf(one(field, bson.Regex{Pattern: "x"}))
	})...)
	for i, op := range matchOperators {
		for _, name := range op.names {
			argument := matchArguments[name]
			if argument == nil {
				p.Errorf("no argument for %s: add one to the test", name)
				continue
			}
			cells := p.classes(argumentColumns, func(field string, v any) d { return findOf(one(field, one(name, argument(v)))) })
			p.check(name, &op, argumentColumns, cells)
			t.row(i, code(name), cells...)
		}
	}
	t.row(-3, "any other", p.classes(argumentColumns, func(field string, v any) d { return findOf(one(field, one("$unknown", v))) })...)
	return t
}

func filterTable(p *page) *table {
	arguments := map[string]any{"$expr": one("$eq", bson.A{"$ssn", "x"}), "$jsonSchema": d{}, "$text": one("$search", "x"), "$sampleRate": 0.5, "$comment": "x"}
	for _, name := range logicalOperators {
		arguments[name] = bson.A{one("ssn", "x")}
	}
	t := &table{head: []string{"operator", "at the top of a filter", "inside `$elemMatch`, after a field", "inside `$elemMatch`, first", "in a validator"}}
	for _, name := range slices.Concat(logicalOperators, slices.Sorted(maps.Keys(filterOperators)), []string{"$unknown"}) {
		argument, known := arguments[name]
		if !known {
			argument = 1
		}
		condition, label := one(name, argument), code(name)
		if name == "$unknown" {
			label = "any other"
		}
		t.row(0, label, p.cell(findOf(condition)), p.cell(findOf(one("list", one("$elemMatch", append(one("x", 1), condition...))))),
			p.cell(findOf(one("list", one("$elemMatch", condition)))),
			p.cell(d{{Key: "create", Value: "people"}, {Key: "validator", Value: condition}}))
	}
	return t
}

// valueTable is what may stand at, or be compared with, an encrypted field whose type is string.
func valueTable(p *page) *table {
	t := &table{head: []string{"value", "`{ssn: value}`", "`{ssn: {$in: [value]}}`", "`{$eq: [\"$ssn\", {$literal: value}]}`", "`{$in: [\"$ssn\", [{$literal: value}]]}`",
		"insert as `ssn`", "`$set` `ssn`", "`$set` `phone`"}}
	for _, v := range []struct {
		name  string
		value any
	}{
		{"a string, the type in the schema", "x"}, {"an int", int32(1)}, {"a long", int64(1)}, {"a double", 1.5}, {"a bool", true}, {"an ObjectID", bson.ObjectID{}},
		{"a date", bson.DateTime(0)}, {"a timestamp", bson.Timestamp{T: 1}}, {"`Timestamp(0, 0)`", bson.Timestamp{}}, {"null", nil}, {"undefined", bson.Undefined{}},
		{"minKey, maxKey", bson.MinKey{}}, {"a regular expression", bson.Regex{Pattern: "x"}}, {"an array", bson.A{"x"}}, {"a document", one("x", 1)}, {"a ciphertext", bson.Binary{Subtype: 6, Data: make([]byte, 34)}},
	} {
		literal := one("$literal", v.value)
		t.row(0, v.name, p.cell(findOf(one("ssn", v.value))), p.cell(findOf(one("ssn", one("$in", bson.A{v.value})))),
			p.cell(findOf(one("$expr", one("$eq", bson.A{"$ssn", literal})))), p.cell(findOf(one("$expr", one("$in", bson.A{"$ssn", bson.A{literal}})))),
			p.cell(d{{Key: "insert", Value: "people"}, {Key: "documents", Value: bson.A{one("ssn", v.value)}}}),
			p.cell(updateOf(one("$set", one("ssn", v.value)))), p.cell(updateOf(one("$set", one("phone", v.value)))))
	}
	return t
}

// updateArguments are the arguments of update operators around v, a scalar or a document.
var updateArguments = map[string]func(v any) any{
	"$set": itself, "$setOnInsert": itself, "$unset": orDocument(""), "$rename": func(any) any { return "other" }, "$inc": orDocument(1), "$mul": orDocument(2),
	"$max": itself, "$min": itself, "$currentDate": orDocument(true), "$addToSet": itself, "$pop": orDocument(1), "$pull": itself, "$pullAll": list,
	"$push": itself, "$pushAll": list, "$bit": orDocument(one("and", 1)),
}

func updateTable(p *page) *table {
	t := newTable("operator", argumentColumns)
	for i, op := range updateOperators {
		for _, name := range op.names {
			argument := updateArguments[name]
			if argument == nil {
				p.Errorf("no argument for %s: add one to the test", name)
				continue
			}
			cells := p.classes(argumentColumns, func(field string, v any) d { return updateOf(one(name, one(field, argument(v)))) })
			p.check(name, &op, argumentColumns, cells)
			if name == "$rename" {
				t.row(i, "`$rename` to a plain field", cells...)
				continue
			}
			t.row(i, code(name), cells...)
		}
	}
	alike := map[string]string{"name": "other", "ssn": "address.zip", "phone": "mobile", "address": "home", "card.no": "card.number"}
	t.row(-1, "`$rename` to a field of the same class, encrypted alike", p.classes(argumentColumns, func(field string, _ any) d {
		return updateOf(one("$rename", one(field, alike[field])))
	})...)
	t.row(-2, "any other", p.classes(argumentColumns, func(field string, v any) d { return updateOf(one("$unknown", one(field, v))) })...)
	return t
}

// updateFormTable is about whole updates and inserts, and paths into arrays.
func updateFormTable(p *page) *table {
	t := newTable("form", argumentColumns)
	nested := func(field string, v any) d {
		if field == "card.no" {
			return one("card", one("no", v))
		}
		return one(field, v)
	}
	set := func(path string, more ...bson.E) func(field string, v any) d {
		return func(field string, v any) d { return updateOf(one("$set", one(field+path, v)), more...) }
	}
	for i, form := range []struct {
		name    string
		command func(field string, v any) d
	}{
		{"a document to insert", func(f string, v any) d {
			return d{{Key: "insert", Value: "people"}, {Key: "documents", Value: bson.A{nested(f, v)}}}
		}},
		{"a replacement document", func(f string, v any) d { return updateOf(nested(f, v)) }},
		{"the same with the dotted path as a name", func(f string, v any) d { return updateOf(one(f+".x", v)) }},
		{"a list of such documents or values, inserted", func(f string, v any) d {
			return d{{Key: "insert", Value: "people"}, {Key: "documents", Value: bson.A{nested(f, bson.A{v})}}}
		}},
		{"`[{$set: {field: value}}]`, a pipeline", func(f string, v any) d { return updateOf(bson.A{one("$set", one(f, v))}) }},
		{"`{$set: {\"field.$\": value}}`", set(".$")}, {"`{$set: {\"field.$[]\": value}}`", set(".$[]")},
		{"`{$set: {\"field.$[e].x\": value}}`", set(".$[e].x", bson.E{Key: "arrayFilters", Value: bson.A{one("e.y", 1)}})},
		{"`{$set: {\"field.0\": value}}`", set(".0")},
	} {
		t.row(i, form.name, p.classes(argumentColumns, form.command)...)
	}
	return t
}
