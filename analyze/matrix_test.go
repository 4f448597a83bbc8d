package analyze

import (
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

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

// matrixSchema has a field of each class: name, ssn, phone, address, card.no; and mobile, which is encrypted like phone.
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
		{Key: "mobile", Value: encrypt(payload.Random, "string")},
		{Key: "address", Value: object(one("zip", encrypt(payload.Deterministic, "string")))}, {Key: "card", Value: encrypt(payload.Random, "object")},
	})), schema.Local)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// column is a class of fields, and the field of matrixSchema that is of it.
type column struct {
	title, field string
	class        schema.Class
	document     bool // the argument is a document, as it could hold encrypted fields
}

var fieldColumns = []column{
	{"plain", "name", schema.Plain, false}, {"deterministic", "ssn", schema.Deterministic, false}, {"random", "phone", schema.Random, false},
	{"prefix", "address", schema.Prefix, false}, {"below", "card.no", schema.Below, false},
}

// argumentColumns are for operators with an argument that may be a document.
var argumentColumns = []column{
	fieldColumns[0], fieldColumns[1], fieldColumns[2], {"prefix, scalar", "address", schema.Prefix, false},
	{"prefix, document", "address", schema.Prefix, true}, fieldColumns[4],
}

// decide runs a command in database db, where people and staff have matrixSchema and others encrypt nothing, and says what became of
// it: pass, seal, unread, bypassed or the rule that refused it. Both rewrites must decide alike.
func decide(t testing.TB, cmd d) string {
	t.Helper()
	return decideWith(t, cmd, 0)
}

func decideWith(t testing.TB, cmd d, allow Relaxation) string {
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
	schemas := map[string]*schema.Schema{}
	for _, ns := range target.Namespaces {
		schemas[ns] = nil
		if ns == "db.people" || ns == "db.staff" {
			schemas[ns] = matrixSchema(t)
		}
	}
	var answers []string
	for _, rewrite := range []Rewrite{Minimal, Exact} {
		res, err := Command(nil, target, doc, schemas, Markings{}, Options{Rewrite: rewrite, Allow: allow})
		switch {
		case errors.As(err, &refused):
			answers = append(answers, refused.Rule)
		case err != nil:
			t.Fatalf("%v: %v", cmd, err)
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

// findOf is a find with a filter, aggregateOf one with a pipeline, updateOf one with one statement, on the collection that encrypts.
func findOf(filter d) d { return d{{Key: "find", Value: "people"}, {Key: "filter", Value: filter}} }

func aggregateOf(stages ...any) d {
	return d{{Key: "aggregate", Value: "people"}, {Key: "pipeline", Value: bson.A(stages)}}
}

func updateOf(u any, more ...bson.E) d {
	return d{{Key: "update", Value: "people"}, {Key: "updates", Value: bson.A{append(d{{Key: "q", Value: d{}}, {Key: "u", Value: u}}, more...)}}}
}

func bulkWrite(fields ...bson.E) d {
	return append(d{{Key: "bulkWrite", Value: 1}, {Key: "nsInfo", Value: bson.A{one("ns", "db.people")}}}, fields...)
}

// What stands where it cannot be is refused, whatever the tables say of it elsewhere.
func TestMisplacedArguments(t *testing.T) {
	filters := bson.A{one("ssn", "x")}
	for _, c := range []struct {
		cmd  d
		want *rule
	}{
		{findOf(one("$and", "x")), ruleMalformed}, {findOf(one("$or", "x")), ruleMalformed}, {findOf(one("$nor", "x")), ruleMalformed},
		{findOf(one("$comment", filters)), ruleMalformed}, {findOf(one("$alwaysTrue", filters)), ruleMalformed},
		{findOf(one("$alwaysFalse", filters)), ruleMalformed}, {findOf(one("$sampleRate", filters)), ruleMalformed},
		{findOf(one("$expr", filters)), ruleExpressionAlwaysTrue}, {findOf(one("address", one("$not", one("zip", "x")))), ruleMatchUnknown},
		{expressionOf("$expr", "$name"), ruleExpressionUnknown}, {expressionOf("$sampleRate", "$name"), ruleExpressionUnknown},
		{d{{Key: "findAndModify", Value: "people"}, {Key: "arrayFilters", Value: filters}}, ruleMalformed},
	} {
		if got := decide(t, c.cmd); got != c.want.name {
			t.Errorf("%v: got %s, want %s", c.cmd, got, c.want.name)
		}
	}
}
