package analyze

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

func TestOpenQuestionsAreAnswered(t *testing.T) {
	var switches Relaxation
	seen := map[string]bool{}
	for _, q := range openQuestions {
		if q.question == "" || q.choice == "" || seen[q.question] {
			t.Errorf("%q has no choice, or is asked twice", q.question)
		}
		if seen[q.question] = true; q.allow != 0 && len(q.rules) == 0 {
			t.Errorf("%q has a switch for no rule", q.question)
		}
		switches |= q.allow
	}
	if switches != AllowType|AllowSort {
		t.Errorf("the questions name the switches %b", switches)
	}
}

// A relaxation lets through what it is about, on every class of field, and nothing else.
func TestAllow(t *testing.T) {
	schemas := map[string]*schema.Schema{"db.people": matrixSchema(t)}
	filter := func(field string, typ any) d {
		return d{{Key: "find", Value: "people"}, {Key: "filter", Value: one(field, one("$type", typ))}}
	}
	sort := func(field string, direction any) d {
		return d{{Key: "find", Value: "people"}, {Key: "sort", Value: one(field, direction)}}
	}
	for _, c := range []struct {
		cmd   d
		allow Relaxation // that it takes
		rule  string     // without it; with all, if there is none that lets it through
	}{
		{filter("ssn", "binData"), AllowType, "match-type-on-encrypted"},
		{filter("phone", bson.A{5, "null", "number", -1, int64(127)}), AllowType, "match-type-on-encrypted"},
		{filter("ssn", "457-55-5462"), 0, "match-type-on-encrypted"},
		{filter("ssn", 457555462), 0, "match-type-on-encrypted"},
		{filter("ssn", 2.5), 0, "match-type-on-encrypted"},
		{filter("ssn", bson.A{"string", one("a", 1)}), 0, "match-type-on-encrypted"},
		{filter("card.no", "string"), 0, "path-below-encrypted"},
		{sort("ssn", 1), AllowSort, "sort-on-encrypted"},
		{sort("phone", -1), AllowSort, "sort-on-encrypted"},
		{sort("address", 1), AllowSort, "sort-on-encrypted"},
		{sort("ssn", "457-55-5462"), 0, "sort-on-encrypted"},
		{sort("card.no", 1), 0, "path-below-encrypted"},
		{d{{Key: "find", Value: "people"}, {Key: "min", Value: one("ssn", 1)}}, 0, "bounds-on-encrypted"},
		{d{{Key: "create", Value: "people"}, {Key: "validator", Value: one("ssn", one("$type", "binData"))}}, 0, "validator-on-encrypted"},
	} {
		cmd := raw(t, c.cmd)
		target, err := Classify("db", cmd)
		if err != nil {
			t.Fatal(err)
		}
		for _, allow := range []Relaxation{0, AllowType, AllowSort, AllowType | AllowSort} {
			res, err := Command(nil, target, cmd, schemas, Markings{}, Options{Allow: allow})
			passes := c.allow != 0 && allow&c.allow != 0
			refused, isRefused := err.(*RefusedError)
			switch {
			case passes && (err != nil || res.HasPlaceholders):
				t.Errorf("%v with %b: got %v", c.cmd, allow, err)
			case !passes && !isRefused:
				t.Errorf("%v with %b: got %v", c.cmd, allow, err)
			case !passes && refused.Rule != c.rule && allow&^c.allow == 0:
				t.Errorf("%v with %b: got rule %s", c.cmd, allow, refused.Rule)
			}
		}
	}
}
