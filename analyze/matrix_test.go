package analyze

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// The matrices are driven from the tables of this package and executed through Classify and Command, so that what the tables say,
// what happens and what the golden files show cannot differ.

type d = bson.D

func raw(t testing.TB, doc any) bson.Raw {
	t.Helper()
	b, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func one(name string, value any) d { return d{{Key: name, Value: value}} }

// matrixSchema has a field of each class: name, ssn, phone, address, card.no.
func matrixSchema(t testing.TB) *schema.Schema {
	t.Helper()
	encrypt := func(alg payload.Algorithm, bsonType string) d {
		return one("encrypt", d{{Key: "algorithm", Value: alg.String()}, {Key: "bsonType", Value: bsonType}, {Key: "keyId", Value: bson.A{payload.KeyID{1}.Binary()}}})
	}
	object := func(properties d) d {
		return d{{Key: "bsonType", Value: "object"}, {Key: "properties", Value: properties}}
	}
	s, err := schema.Parse(raw(t, object(d{
		{Key: "ssn", Value: encrypt(payload.Deterministic, "string")}, {Key: "phone", Value: encrypt(payload.Random, "string")},
		{Key: "address", Value: object(one("zip", encrypt(payload.Deterministic, "string")))}, {Key: "card", Value: encrypt(payload.Random, "object")},
	})), schema.Local)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// decide runs a command and says what became of it: pass, seal, unread or the rule that refused it.
func decide(t testing.TB, cmd d) string {
	t.Helper()
	doc := raw(t, cmd)
	var refused *RefusedError
	target, err := Classify("db", doc)
	if errors.As(err, &refused) {
		return refused.Rule
	} else if err != nil {
		t.Fatal(err)
	} else if target.Disposition == Bypassed {
		return "bypassed"
	}
	schemas := map[string]*schema.Schema{"db.people": matrixSchema(t)}
	for _, ns := range target.Namespaces {
		if ns != "db.people" {
			schemas[ns] = nil
		}
	}
	var answers []string
	for _, rewrite := range []Rewrite{Minimal, Exact} {
		res, err := Command(nil, target, doc, schemas, Markings{}, Options{Rewrite: rewrite})
		switch {
		case errors.As(err, &refused):
			answers = append(answers, refused.Rule)
		case err != nil:
			t.Fatal(err)
		case res.HasPlaceholders:
			answers = append(answers, "seal")
		case res.RequiresEncryption:
			answers = append(answers, "pass")
		default:
			answers = append(answers, "unread")
		}
	}
	if answers[0] != answers[1] {
		t.Errorf("the rewrites decide differently about %v: %v", cmd, answers)
	}
	return answers[0]
}

type columns []struct {
	title, field string
	document     bool // the argument is a document, as it could hold encrypted fields
}

var fieldColumns = columns{
	{"plain", "name", false}, {"deterministic", "ssn", false}, {"random", "phone", false},
	{"prefix", "address", false}, {"prefix, document", "address", true}, {"below", "card.no", false},
}

// matrix runs each operator of table on each column.
func matrix(t *testing.T, file string, table []operator, arguments map[string]any, command func(field, operator string, argument any) d) {
	rows := [][]string{{"operator"}}
	for _, c := range fieldColumns {
		rows[0] = append(rows[0], c.title)
	}
	for _, op := range table {
		for _, name := range op.names {
			argument, known := arguments[name]
			if !known {
				t.Errorf("no argument for %s: add one to the test", name)
				continue
			}
			row := []string{name}
			for _, c := range fieldColumns {
				argument := argument
				if _, isList := argument.(bson.A); c.document && isList {
					argument = bson.A{one("zip", "x")}
				} else if c.document {
					argument = one("zip", "x")
				}
				row = append(row, decide(t, command(c.field, name, argument)))
			}
			rows = append(rows, row)
		}
	}
	golden(t, file, rows)
}

func golden(t *testing.T, file string, rows [][]string) {
	t.Helper()
	var b strings.Builder
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			width := 0
			for _, r := range rows {
				width = max(width, len(r[i]))
			}
			line += fmt.Sprintf("%-*s  ", width, cell)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	path := "testdata/matrix/" + file
	want, err := os.ReadFile(path)
	if err == nil && string(want) == b.String() {
		return
	}
	if update := flag.Lookup("update"); update.Value.String() != "true" {
		t.Errorf("%s (-want +got; go test ./analyze -update accepts it)\n%s", path, cmp.Diff(strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")))
	} else if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestMatchMatrix(t *testing.T) {
	list := bson.A{"x"}
	arguments := map[string]any{
		"$eq": "x", "$ne": "x", "$in": list, "$nin": list, "$all": list, "$not": one("$eq", "x"), "$exists": true,
		"$gt": "x", "$gte": "x", "$lt": "x", "$lte": "x", "$elemMatch": one("$eq", "x"), "$regex": "x", "$options": "i", "$type": "string",
		"$mod": bson.A{2, 0}, "$size": 1, "$bitsAllClear": bson.A{1}, "$bitsAllSet": bson.A{1}, "$bitsAnyClear": bson.A{1}, "$bitsAnySet": bson.A{1},
		"$near": bson.A{1, 2}, "$nearSphere": bson.A{1, 2}, "$maxDistance": 1, "$minDistance": 1, "$geoWithin": one("$box", bson.A{}),
		"$geoIntersects": one("$geometry", d{}), "$within": one("$box", bson.A{}),
	}
	matrix(t, "match.txt", matchOperators, arguments, func(field, operator string, argument any) d {
		return d{{Key: "find", Value: "people"}, {Key: "filter", Value: one(field, one(operator, argument))}}
	})
}

func TestUpdateMatrix(t *testing.T) {
	arguments := map[string]any{
		"$set": "x", "$setOnInsert": "x", "$unset": "", "$rename": "other", "$inc": 1, "$mul": 2, "$max": "x", "$min": "x", "$currentDate": true,
		"$addToSet": "x", "$pop": 1, "$pull": "x", "$pullAll": bson.A{"x"}, "$push": "x", "$pushAll": bson.A{"x"}, "$bit": one("and", 1),
	}
	matrix(t, "update.txt", updateOperators, arguments, func(field, operator string, argument any) d {
		return d{{Key: "update", Value: "people"}, {Key: "updates", Value: bson.A{d{{Key: "q", Value: d{}}, {Key: "u", Value: one(operator, one(field, argument))}}}}}
	})
}

func TestFilterMatrix(t *testing.T) {
	rows := [][]string{{"operator", "argument", "decision"}}
	scalar, filters := any("x"), any(bson.A{one("ssn", "x")})
	names := slices.Concat(logicalOperators, slices.Sorted(maps.Keys(filterOperators)), []string{"$unknown"})
	for _, name := range names {
		for _, argument := range []any{scalar, filters} {
			kind := "scalar"
			if _, isList := argument.(bson.A); isList {
				kind = "filters"
			}
			rows = append(rows, []string{name, kind, decide(t, d{{Key: "find", Value: "people"}, {Key: "filter", Value: one(name, argument)}})})
		}
	}
	golden(t, "filter.txt", rows)
}

func TestStageMatrix(t *testing.T) {
	other := func(fields ...bson.E) d {
		return append(d{{Key: "from", Value: "other"}, {Key: "as", Value: "x"}}, fields...)
	}
	arguments := map[string]any{
		"$match": one("ssn", "x"), "$limit": 1, "$skip": 1, "$sample": one("size", 1), "$sort": one("name", 1), "$project": one("ssn", 1),
		"$count": "n", "$group": d{{Key: "_id", Value: nil}, {Key: "n", Value: one("$sum", 1)}}, "$addFields": one("x", "$ssn"), "$set": one("x", "$ssn"),
		"$bucket":     d{{Key: "groupBy", Value: "$name"}, {Key: "boundaries", Value: bson.A{1, 2}}},
		"$bucketAuto": d{{Key: "groupBy", Value: "$name"}, {Key: "buckets", Value: 2}}, "$collStats": one("count", d{}), "$facet": one("x", bson.A{}),
		"$geoNear":     d{{Key: "near", Value: bson.A{1, 2}}, {Key: "distanceField", Value: "x"}},
		"$graphLookup": other(bson.E{Key: "startWith", Value: "$name"}, bson.E{Key: "connectFromField", Value: "a"}, bson.E{Key: "connectToField", Value: "b"}),
		"$indexStats":  d{}, "$lookup": other(bson.E{Key: "localField", Value: "name"}, bson.E{Key: "foreignField", Value: "b"}), "$redact": "$$KEEP",
		"$replaceRoot": one("newRoot", "$name"), "$replaceWith": "$name", "$sortByCount": "$ssn", "$unionWith": "people", "$unset": "name", "$unwind": "$name",
	}
	rows := [][]string{{"stage", "decision"}}
	for _, name := range append(slices.Sorted(maps.Keys(stages)), "$unknown") {
		argument, known := arguments[name]
		if !known {
			argument = d{}
		}
		decision := decideStage(t, name, argument)
		if !known && decision != "stage-not-supported" {
			t.Errorf("no argument for %s: add one to the test", name)
		}
		rows = append(rows, []string{name, decision})
	}
	golden(t, "stage.txt", rows)
}

func decideStage(t *testing.T, name string, argument any) string {
	return decide(t, d{{Key: "aggregate", Value: "people"}, {Key: "pipeline", Value: bson.A{one(name, argument)}}})
}

// Every command of the driver specification's tables, and some that are in none; and every field of those that are analysed, with
// an argument over encrypted fields where that is possible.
func TestCommandMatrix(t *testing.T) {
	others := []string{
		"killOp", "mapReduce", "dbStats", "collStats", "validate", "usersInfo", "compactStructuredEncryptionData", "cleanupStructuredEncryptionData",
		"findandmodify", "Find", "eval", "$query", "",
	}
	names := slices.Concat(slices.Sorted(maps.Keys(analysedCommands)), slices.Sorted(maps.Keys(bypassedCommands)), []string{"isMaster", "ismaster"}, others)
	rows := [][]string{{"command", "on a collection", "on the database"}}
	for _, name := range names {
		cmd := d{{Key: name, Value: "people"}}
		switch name {
		case "explain":
			cmd = one(name, one("find", "people"))
		case "bulkWrite":
			cmd = bulkWrite()
		}
		rows = append(rows, []string{name, decide(t, cmd), decide(t, one(name, 1))})
	}
	golden(t, "command.txt", rows)
}

func bulkWrite(fields ...bson.E) d {
	return append(d{{Key: "bulkWrite", Value: 1}, {Key: "nsInfo", Value: bson.A{one("ns", "db.people")}}}, fields...)
}

func TestCommandFieldMatrix(t *testing.T) {
	arguments := map[part]any{
		partPass: 1, partFilter: one("ssn", "x"), partDocuments: bson.A{one("ssn", "x")}, partUpdates: bson.A{d{}}, partDeletes: bson.A{d{}},
		partUpdate: one("$set", one("ssn", "x")), partArrayFilters: bson.A{one("ssn", "x")}, partSort: one("ssn", 1), partBounds: one("ssn", "x"),
		partProjection: one("ssn", "x"), partPipeline: bson.A{one("$match", one("ssn", "x"))}, partDistinctKey: "phone",
		partIndexes: bson.A{one("partialFilterExpression", one("ssn", "x"))}, partValidator: one("ssn", "x"), partLet: d{}, partView: "x",
		partHint: one("ssn", "x"), partCommand: one("find", "people"), partConstants: d{}, partDocument: one("ssn", "x"), partExpiry: 1,
		partIndexChange: d{{Key: "keyPattern", Value: one("ssn", 1)}, {Key: "expireAfterSeconds", Value: 1}},
		partOperations:  bson.A{d{{Key: "insert", Value: 0}, {Key: "document", Value: one("ssn", "x")}}}, partNamespaces: bson.A{one("ns", "db.people")},
	}
	rows := [][]string{{"command", "field", "decision"}}
	for _, name := range slices.Sorted(maps.Keys(analysedCommands)) {
		if name == "explain" {
			continue
		}
		fields := maps.Clone(analysedCommands[name])
		fields["unknown"] = partPass
		for _, field := range slices.Sorted(maps.Keys(fields)) {
			cmd := d{{Key: name, Value: "people"}, {Key: field, Value: arguments[fields[field]]}}
			if name == "bulkWrite" && field == "nsInfo" {
				cmd = bulkWrite()
			} else if name == "bulkWrite" {
				cmd = bulkWrite(cmd[1])
			}
			rows = append(rows, []string{name, field, decide(t, cmd)})
		}
	}
	for list, fields := range map[string]parts{"updates": updateStatement, "deletes": deleteStatement} {
		var section [][]string
		for _, field := range slices.Sorted(maps.Keys(fields)) {
			cmd := d{{Key: strings.TrimSuffix(list, "s"), Value: "people"}, {Key: list, Value: bson.A{one(field, arguments[fields[field]])}}}
			section = append(section, []string{list, field, decide(t, cmd)})
		}
		rows = append(rows, section...)
	}
	for kind, fields := range bulkStatements {
		for _, field := range slices.Sorted(maps.Keys(fields)) {
			op := one(kind, 0)
			if field != kind {
				op = append(op, bson.E{Key: field, Value: arguments[fields[field]]})
			}
			rows = append(rows, []string{"ops, " + kind, field, decide(t, bulkWrite(bson.E{Key: "ops", Value: bson.A{op}}))})
		}
	}
	slices.SortStableFunc(rows[1:], func(x, y []string) int { return strings.Compare(x[0], y[0]) })
	golden(t, "command-field.txt", rows)
}
