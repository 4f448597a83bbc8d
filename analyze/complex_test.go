package analyze_test

import (
	"errors"
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// Commands that would take hours if their cost were the product of two lengths in them, or doubled with each level: they are done at once, or
// refused.
func TestComplexCommands(t *testing.T) {
	type d = bson.D
	one := func(name string, v any) d { return d{{Key: name, Value: v}} }
	aggregate := func(stages ...any) d {
		return d{{Key: "aggregate", Value: "people"}, {Key: "pipeline", Value: bson.A(stages)}, {Key: "cursor", Value: d{}}}
	}
	wide := func(n int, v any) d {
		fields := make(d, n)
		for i := range fields {
			fields[i] = bson.E{Key: fmt.Sprint("f", i), Value: v}
		}
		return fields
	}
	deep := func(n int) (v any) {
		v = "$ssn"
		for range n {
			v = one("a", v)
		}
		return v
	}
	doubling := func(n int) (stages []any) {
		for range n {
			stages = append(stages, one("$addFields", d{{Key: "x", Value: "$$ROOT"}, {Key: "y", Value: "$$ROOT"}}))
		}
		return stages
	}
	operands := func(n int, v any) (list bson.A) {
		for i := range n {
			list = append(list, v, fmt.Sprint("$", string(rune('q'+i%2))))
		}
		return list
	}
	keyed := wide(200_000, "x")
	for i := range keyed {
		keyed[i].Key = "tmp_" + keyed[i].Key
	}
	tests := map[string]struct {
		cmd  d
		rule string // that refuses; empty: accepted
	}{
		"deep documents in both branches": {d{{Key: "find", Value: "people"}, {Key: "projection", Value: one("z", one("$cond", bson.A{"$c", deep(90), deep(90)}))}}, ""},
		"documents that double":           {aggregate(append(doubling(100), one("$unionWith", d{{Key: "coll", Value: "people"}, {Key: "pipeline", Value: bson.A(doubling(100))}}))...), "too-many-places"},
		"wide documents, many operands":   {aggregate(one("$addFields", d{{Key: "q", Value: wide(2000, "$ssn")}, {Key: "r", Value: wide(2000, "$ssn")}}), one("$addFields", one("z", one("$ifNull", operands(50_000, "$r"))))), "too-many-places"},
		"wide stages, many of them": {aggregate(func() (stages []any) {
			for i := range 20 {
				fields := wide(9000, "$ssn")
				for j := range fields {
					fields[j].Key += fmt.Sprint("_", i)
				}
				stages = append(stages, one("$addFields", fields))
			}
			return stages
		}()...), "too-many-places"},
		"fields with one key pointer": {d{{Key: "insert", Value: "people"}, {Key: "documents", Value: bson.A{append(keyed, bson.E{Key: "kn", Value: "key"})}}}, ""},
		"a chain of everyday stages": {aggregate(func() (stages []any) {
			for i := range 300 {
				stages = append(stages, one("$addFields", one(fmt.Sprint("f", i), "$ssn")), one("$match", one("ssn", "x")))
			}
			return stages
		}()...), ""},
	}
	people := parseSchema(t, `{"bsonType": "object", "properties": {"ssn": {"encrypt": {"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic",
		"bsonType": "string", "keyId": [{"$uuid": "11111111-1111-1111-1111-111111111111"}]}}},
		"patternProperties": {"^tmp_": {"encrypt": {"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random", "keyId": "/kn"}}}}`)
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			cmd := marshal(t, tc.cmd)
			target, err := analyze.Classify("db", cmd)
			if err != nil {
				t.Fatal(err)
			}
			_, err = analyze.Command(nil, target, cmd, map[string]*schema.Schema{"db.people": people}, analyze.Markings{}, analyze.Options{})
			var refused *analyze.RefusedError
			switch {
			case tc.rule == "" && err != nil:
				t.Error(err)
			case tc.rule != "" && (!errors.As(err, &refused) || refused.Rule != tc.rule):
				t.Errorf("got %v, want it refused by %s", err, tc.rule)
			}
		})
	}
}
