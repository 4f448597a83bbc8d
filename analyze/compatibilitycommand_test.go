package analyze

import (
	"maps"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// commandExamples are commands on a collection with a value for a field.
var commandExamples = map[string]func(coll, field string) d{
	"insert": func(c, f string) d {
		return d{{Key: "insert", Value: c}, {Key: "documents", Value: bson.A{one(f, "x")}}}
	},
	"find":  func(c, f string) d { return d{{Key: "find", Value: c}, {Key: "filter", Value: one(f, "x")}} },
	"count": func(c, f string) d { return d{{Key: "count", Value: c}, {Key: "query", Value: one(f, "x")}} },
	"distinct": func(c, f string) d {
		return d{{Key: "distinct", Value: c}, {Key: "key", Value: f}, {Key: "query", Value: one(f, "x")}}
	},
	"delete": func(c, f string) d {
		return d{{Key: "delete", Value: c}, {Key: "deletes", Value: bson.A{d{{Key: "q", Value: one(f, "x")}, {Key: "limit", Value: 1}}}}}
	},
	"update": func(c, f string) d {
		return d{{Key: "update", Value: c}, {Key: "updates", Value: bson.A{d{{Key: "q", Value: d{}}, {Key: "u", Value: one("$set", one(f, "x"))}}}}}
	},
	"findAndModify": func(c, f string) d {
		return d{{Key: "findAndModify", Value: c}, {Key: "query", Value: one(f, "x")}, {Key: "remove", Value: true}}
	},
	"aggregate": func(c, f string) d {
		return d{{Key: "aggregate", Value: c}, {Key: "pipeline", Value: bson.A{one("$match", one(f, "x"))}}}
	},
	"explain": func(c, f string) d {
		return one("explain", d{{Key: "find", Value: c}, {Key: "filter", Value: one(f, "x")}})
	},
	"create":  func(c, f string) d { return d{{Key: "create", Value: c}, {Key: "validator", Value: one(f, "x")}} },
	"collMod": func(c, f string) d { return d{{Key: "collMod", Value: c}, {Key: "validator", Value: one(f, "x")}} },
	"createIndexes": func(c, f string) d {
		index := d{{Key: "key", Value: one("x", 1)}, {Key: "partialFilterExpression", Value: one(f, "x")}}
		return d{{Key: "createIndexes", Value: c}, {Key: "indexes", Value: bson.A{index}}}
	},
	"bulkWrite": func(c, f string) d {
		return d{{Key: "bulkWrite", Value: 1}, {Key: "nsInfo", Value: bson.A{one("ns", "db."+c)}}, {Key: "ops", Value: bson.A{d{{Key: "insert", Value: 0}, {Key: "document", Value: one(f, "x")}}}}}
	},
}

// commandTable is every command of the driver specification's tables, and some that are in none.
func commandTable(p *page) *table {
	t := &table{head: []string{"command", "with a value for `name`, which is plain", "with a value for `ssn`, which is encrypted", "on a collection that encrypts nothing", "without a collection"}}
	for _, name := range slices.Sorted(maps.Keys(analysedCommands)) {
		example := commandExamples[name]
		if example == nil {
			p.Errorf("no example for %s: add one to the test", name)
			continue
		}
		t.row(0, code(name), p.cell(example("people", "name")), p.cell(example("people", "ssn")), p.cell(example("other", "ssn")), p.cell(one(name, 1)))
	}
	everywhere := func(group int, label, name string) {
		t.row(group, label, p.cell(one(name, "people")), p.cell(one(name, "people")), p.cell(one(name, "other")), p.cell(one(name, 1)))
	}
	for _, name := range append(slices.Sorted(maps.Keys(bypassedCommands)), "isMaster", "ismaster") {
		everywhere(1, code(name), name)
	}
	for _, name := range []string{"killOp", "mapReduce", "dbStats", "collStats", "validate", "usersInfo", "compactStructuredEncryptionData",
		"cleanupStructuredEncryptionData", "findandmodify", "Find", "eval", "$query"} {
		everywhere(2, code(name), name)
	}
	everywhere(2, "any other", "unknown")
	return t
}

// partArguments hold a value for an encrypted field, or a path to one, where a part can hold that.
var partArguments = map[part]any{
	partPass: 1, partFilter: one("ssn", "x"), partDocuments: bson.A{one("ssn", "x")}, partDocument: one("ssn", "x"),
	partUpdates: bson.A{d{{Key: "q", Value: d{}}, {Key: "u", Value: one("$set", one("ssn", "x"))}}}, partDeletes: bson.A{one("q", one("ssn", "x"))},
	partUpdate: one("$set", one("ssn", "x")), partArrayFilters: bson.A{one("ssn", "x")}, partSort: one("ssn", 1), partBounds: one("ssn", "x"),
	partProjection: one("x", one("$eq", bson.A{"$ssn", "x"})), partPipeline: bson.A{one("$match", one("ssn", "x"))}, partDistinctKey: "ssn",
	partIndexes: bson.A{one("partialFilterExpression", one("ssn", "x"))}, partValidator: one("ssn", "x"), partLet: one("v", "x"), partView: "x",
	partHint: one("ssn", "x"), partCommand: findOf(one("ssn", "x")), partConstants: one("v", "x"), partExpiry: 1,
	partIndexChange: d{{Key: "keyPattern", Value: one("ssn", 1)}, {Key: "expireAfterSeconds", Value: 1}},
	partOperations:  bson.A{d{{Key: "insert", Value: 0}, {Key: "document", Value: one("ssn", "x")}}}, partNamespaces: bson.A{one("ns", "db.people")},
}

// commandFieldTable is every field of every analysed command, and of the statements in it.
func commandFieldTable(p *page) *table {
	t := &table{head: []string{"command", "fields that pass as they are", "fields that are analysed, and what becomes of a value for `ssn`, or its path, in them"}}
	add := func(name string, fields parts, command func(field bson.E) d) {
		var passed, analysed []string
		for _, field := range slices.Sorted(maps.Keys(fields)) {
			e := bson.E{Key: field, Value: partArguments[fields[field]]}
			switch cell := p.cell(command(e)); {
			case fields[field] != partPass:
				analysed = append(analysed, code(field)+" "+cell)
			case cell != "allowed":
				p.Errorf("%s.%s: got %s", name, field, cell)
			default:
				passed = append(passed, code(field))
			}
		}
		if got := p.cell(command(bson.E{Key: "unknown", Value: 1})); got != "["+ruleCommandField.name+"]" {
			p.Errorf("%s with an unknown field: got %s", name, got)
		}
		t.rows = append(t.rows, tableRow{names: name, cells: []string{strings.Join(passed, ", "), strings.Join(analysed, ", ")}})
	}
	add("any", genericParts, func(field bson.E) d {
		if field.Key == "$db" {
			field.Value = "db"
		}
		return append(one("find", "people"), field)
	})
	for _, name := range slices.Sorted(maps.Keys(analysedCommands)) {
		add(code(name), analysedCommands[name], func(field bson.E) d { return commandWith(name, field) })
	}
	array := one("$set", one("list.$[e].x", 1))
	add("a statement of `update`", updateStatement, func(field bson.E) d {
		statement := d{field}
		if field.Key == "arrayFilters" {
			statement = append(statement, bson.E{Key: "u", Value: array})
		}
		return d{{Key: "update", Value: "people"}, {Key: "updates", Value: bson.A{statement}}}
	})
	add("a statement of `delete`", deleteStatement, func(field bson.E) d {
		return d{{Key: "delete", Value: "people"}, {Key: "deletes", Value: bson.A{d{field}}}}
	})
	for _, kind := range slices.Sorted(maps.Keys(bulkStatements)) {
		add("an operation of `bulkWrite`: "+kind, bulkStatements[kind], func(field bson.E) d {
			op := one(kind, 0)
			if field.Key != kind {
				op = append(op, field)
			}
			if field.Key == "arrayFilters" {
				op = append(op, bson.E{Key: "updateMods", Value: array})
			}
			return bulkWrite(bson.E{Key: "ops", Value: bson.A{op}})
		})
	}
	return t
}

// commandWith is the command name with one field, and what that needs beside it.
func commandWith(name string, field bson.E) d {
	switch {
	case name == "bulkWrite" && field.Key == "nsInfo":
		return bulkWrite()
	case name == "bulkWrite":
		return bulkWrite(field)
	case name == "explain" && field.Key == "explain":
		return d{field}
	case name == "explain":
		return d{{Key: "explain", Value: findOf(d{})}, field}
	}
	cmd := d{{Key: name, Value: "people"}, field}
	if field.Key == "arrayFilters" {
		cmd = append(cmd, bson.E{Key: "update", Value: one("$set", one("list.$[e].x", 1))})
	}
	return cmd
}
