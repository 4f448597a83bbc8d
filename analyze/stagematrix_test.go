package analyze

import (
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// operandCommands make the pipeline in which the operand of a row of stageOperands is field, and all others are plain; where the
// row joins two ends, both are field.
var operandCommands = map[string]func(field string) d{
	"$project": func(f string) d { return one("$project", one(f, 1)) }, "$addFields": func(f string) d { return one("$addFields", one(f, 1)) },
	"$set": func(f string) d { return one("$set", one(f, 1)) }, "$unset": func(f string) d { return one("$unset", f) },
	"$replaceRoot": func(f string) d { return one("$replaceRoot", one("newRoot", "$"+f)) }, "$replaceWith": func(f string) d { return one("$replaceWith", "$"+f) },
	"$unwind": func(f string) d { return one("$unwind", "$"+f) }, "$group._id": func(f string) d { return one("$group", one("_id", "$"+f)) },
	"$unwind.includeArrayIndex": func(f string) d {
		return one("$unwind", d{{Key: "path", Value: "$x"}, {Key: "includeArrayIndex", Value: f}})
	},
	"$sortByCount":    func(f string) d { return one("$sortByCount", "$"+f) },
	"$bucket.groupBy": func(f string) d { return bucketOf("$"+f, bson.A{1, 2}, 3) }, "$bucket.boundaries": func(f string) d { return bucketOf("$x", bson.A{"$" + f}, 3) },
	"$bucket.default": func(f string) d { return bucketOf("$x", bson.A{1, 2}, "$"+f) },
	"$bucketAuto.groupBy": func(f string) d {
		return one("$bucketAuto", d{{Key: "groupBy", Value: "$" + f}, {Key: "buckets", Value: 2}})
	},
	"$geoNear.key":           func(f string) d { return nearOf("key", f) },
	"$geoNear.distanceField": func(f string) d { return nearOf("distanceField", f) }, "$geoNear.includeLocs": func(f string) d { return nearOf("includeLocs", f) },
	"$geoNear.near": func(f string) d { return nearOf("near", "$"+f) },
	"$lookup.let":   func(f string) d { return lookupOf("$lookup", one("let", one("v", "$"+f)), one("pipeline", bson.A{})) },
	"$lookup.as":    func(f string) d { return lookupOf("$lookup", one("pipeline", bson.A{}), one("as", f)) },
	"$lookup.localField": func(f string) d {
		return lookupOf("$lookup", one("localField", f), one("foreignField", f))
	},
	"$lookup.foreignField": func(f string) d {
		return lookupOf("$lookup", one("localField", f), one("foreignField", f))
	},
	"$graphLookup.as":               func(f string) d { return graphOf("$x", "x", one("as", f)) },
	"$graphLookup.startWith":        func(f string) d { return graphOf("$"+f, f) },
	"$graphLookup.connectFromField": func(f string) d { return graphOf("$"+f, f) },
	"$graphLookup.connectToField":   func(f string) d { return graphOf("$"+f, f) },
	"$graphLookup.depthField":       func(f string) d { return graphOf("$x", "x", one("depthField", f)) },
}

func bucketOf(groupBy string, boundaries bson.A, other any) d {
	return one("$bucket", d{{Key: "groupBy", Value: groupBy}, {Key: "boundaries", Value: boundaries}, {Key: "default", Value: other}})
}

func nearOf(name string, value any) d {
	stage := d{{Key: "near", Value: bson.A{1, 2}}, {Key: "distanceField", Value: "x"}}
	stage = slices.DeleteFunc(stage, func(e bson.E) bool { return e.Key == name })
	return one("$geoNear", append(stage, bson.E{Key: name, Value: value}))
}

func lookupOf(stage string, parts ...d) d {
	argument := one("from", "people")
	if !slices.ContainsFunc(parts, func(part d) bool { return part[0].Key == "as" }) {
		argument = append(argument, bson.E{Key: "as", Value: "y"})
	}
	return one(stage, append(argument, slices.Concat(parts...)...))
}

func graphOf(start, connect string, parts ...d) d {
	return lookupOf("$graphLookup", append(parts, d{{Key: "startWith", Value: start}, {Key: "connectFromField", Value: connect}, {Key: "connectToField", Value: connect}})...)
}

// Each name stands in one row, and each kind of stage that is allowed has a name.
func TestStageTablesAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range slices.Concat(stageOperands, findProjectionOperators) {
		for _, name := range row.names {
			if seen[name] {
				t.Errorf("%s has two rows", name)
			}
			seen[name] = true
		}
	}
	kinds := map[stage]bool{}
	for _, kind := range stages {
		kinds[kind] = true
	}
	for kind := stageRefused; kind <= stageFacet; kind++ {
		if !kinds[kind] {
			t.Errorf("stage kind %d has no name", kind)
		}
	}
}

func TestLongPipelinesAreRefused(t *testing.T) {
	stagesOf := func(n int) bson.A {
		list := make(bson.A, n)
		for i := range list {
			list[i] = one("$limit", 1)
		}
		return list
	}
	fields := make(d, maxStageFields+1)
	for i := range fields {
		fields[i] = bson.E{Key: "f" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + strings.Repeat("y", i/26), Value: 1}
	}
	deep := bson.A{}
	for range 300 {
		deep = bson.A{one("$facet", one("x", deep))}
	}
	for name, c := range map[string]struct {
		pipeline bson.A
		want     string
	}{
		"a thousand stages":       {stagesOf(maxStages), "pass"},
		"one more":                {stagesOf(maxStages + 1), "pipeline-too-long"},
		"one more in all":         {append(stagesOf(maxStages-1), one("$facet", one("x", stagesOf(1)))), "pipeline-too-long"},
		"too many fields":         {bson.A{one("$project", fields)}, "stage-too-long"},
		"too many facets":         {bson.A{one("$facet", fields)}, "command-malformed"},
		"pipelines in each other": {deep, "nesting-too-deep"},
	} {
		got := decide(t, d{{Key: "aggregate", Value: "people"}, {Key: "pipeline", Value: c.pipeline}})
		if got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}
