package analyze_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

func times(n int, make func(name string, i int) any) (list bson.A) {
	for i := range n {
		list = append(list, make(fmt.Sprint("f", i), i))
	}
	return list
}

func fieldTimes(n int, value any) (doc bson.D) {
	for i := range n {
		doc = append(doc, bson.E{Key: fmt.Sprint("f", i), Value: value})
	}
	return doc
}

func stagePipeline(name string, argument any) bson.A {
	return bson.A{bson.D{{Key: name, Value: argument}}}
}

// wideParts are parts of commands that grow with n.
func wideParts(n int) map[string]any {
	one := bson.D{{Key: "ssn", Value: "x"}}
	equality := bson.D{{Key: "$eq", Value: bson.A{"$ssn", "x"}}}
	branch := bson.D{{Key: "case", Value: equality}, {Key: "then", Value: "$ssn"}}
	return map[string]any{
		"filter, fields":       append(fieldTimes(n, "x"), one...),
		"filter, $in":          bson.D{{Key: "ssn", Value: bson.D{{Key: "$in", Value: times(n, func(string, int) any { return "x" })}}}},
		"filter, $or":          bson.D{{Key: "$or", Value: times(n, func(string, int) any { return one })}},
		"filter, $expr":        bson.D{{Key: "$expr", Value: bson.D{{Key: "$or", Value: times(n, func(string, int) any { return equality })}}}},
		"pipeline, $switch":    stagePipeline("$set", bson.D{{Key: "x", Value: bson.D{{Key: "$switch", Value: bson.D{{Key: "branches", Value: times(n, func(string, int) any { return branch })}}}}}}),
		"pipeline, $let":       stagePipeline("$set", bson.D{{Key: "x", Value: bson.D{{Key: "$let", Value: bson.D{{Key: "vars", Value: fieldTimes(n, 1)}, {Key: "in", Value: "$ssn"}}}}}}),
		"pipeline, $set":       stagePipeline("$set", fieldTimes(n, "$ssn")),
		"pipeline, object":     stagePipeline("$set", bson.D{{Key: "x", Value: fieldTimes(n, "$ssn")}}),
		"pipeline, $unset":     stagePipeline("$unset", times(n, func(name string, _ int) any { return name })),
		"pipeline, $group":     stagePipeline("$group", append(bson.D{{Key: "_id", Value: "$ssn"}}, fieldTimes(n, bson.D{{Key: "$push", Value: "$ssn"}})...)),
		"pipeline, paths":      stagePipeline("$project", bson.D{{Key: strings.Repeat("l", 200), Value: fieldTimes(n, 1)}}),
		"pipeline, $facet":     stagePipeline("$facet", fieldTimes(n, stagePipeline("$match", one))),
		"pipeline, $match":     times(n, func(string, int) any { return bson.D{{Key: "$match", Value: one}} }),
		"pipeline, sets":       times(n, func(name string, _ int) any { return bson.D{{Key: "$set", Value: bson.D{{Key: name, Value: "$ssn"}}}} }),
		"pipeline, $unionWith": times(n, func(name string, _ int) any { return bson.D{{Key: "$unionWith", Value: name}} }),
		"documents":            bson.A{append(fieldTimes(n, "x"), one...)},
		"deletes":              times(n, func(string, int) any { return bson.D{{Key: "q", Value: one}, {Key: "limit", Value: 1}} }),
		"indexes":              bson.A{bson.D{{Key: "key", Value: fieldTimes(n, 1)}, {Key: "name", Value: "x"}}},
		"ops":                  times(n, func(_ string, i int) any { return bson.D{{Key: "insert", Value: i}, {Key: "document", Value: one}} }),
	}
}

// Memory grows with the command, not with its square; where it does, with the number of stages, that number is limited.
func TestWorkIsLinear(t *testing.T) {
	compiled := parseSchema(t, fuzzSchema)
	of := map[string]string{"filter": "find", "pipeline": "aggregate", "documents": "insert", "deletes": "delete", "indexes": "createIndexes", "ops": "bulkWrite"}
	for what := range wideParts(1) {
		for _, n := range []int{900, 8000} {
			part, _, _ := strings.Cut(what, ",")
			cmd := bson.D{{Key: of[part], Value: "people"}, {Key: part, Value: wideParts(n)[what]}}
			if part == "ops" {
				cmd = append(cmd, bson.E{Key: "nsInfo", Value: times(n, func(name string, _ int) any { return bson.D{{Key: "ns", Value: "db." + name}} })})
			}
			raw := marshal(t, cmd)
			target, err := analyze.Classify("db", raw)
			if err != nil {
				t.Fatal(what, err)
			}
			schemas := map[string]*schema.Schema{}
			for _, ns := range target.Namespaces {
				schemas[ns] = compiled
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err = analyze.Command(nil, target, raw, schemas, analyze.Markings{}, analyze.Options{Rewrite: analyze.Exact})
			runtime.ReadMemStats(&after)
			if refused := (*analyze.RefusedError)(nil); err != nil && !(errors.As(err, &refused) && refused.Rule == "pipeline-too-long" && n > 1000) {
				t.Errorf("%s: %v", what, err)
			}
			if each := int(after.TotalAlloc-before.TotalAlloc) / len(raw); each > 700 {
				t.Errorf("%s, %d times: %d bytes of memory for each byte of the command", what, n, each)
			}
		}
	}
}
