package aggregation

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/analyze"
)

// startLookup makes the collections of prose test 25 of the driver specification "Client Side Encryption", each with one document
// {name: name} written through an encrypted client, and a few more.
func startLookup(t *testing.T) *server {
	t.Helper()
	s := start(t, "view")
	det := s.field("string", deterministic, 0)
	for name, schema := range map[string]bson.D{
		"csfle":            object(bson.E{Key: "csfle", Value: det}),
		"csfle2":           object(bson.E{Key: "csfle2", Value: det}),
		"no_schema":        nil,
		"no_schema2":       nil,
		"non_csfle_schema": object(bson.E{Key: "non_csfle_schema", Value: bson.D{{Key: "bsonType", Value: "string"}}}),
		"staff": object(bson.E{Key: "ssn", Value: det}, bson.E{Key: "boss", Value: det},
			bson.E{Key: "phone", Value: s.field("string", random, 1)}),
	} {
		s.create(t, s.db, name, schema)
	}
	db := s.encrypting(t, s.opts).Database(s.db)
	for _, name := range []string{"csfle", "csfle2", "no_schema", "no_schema2", "non_csfle_schema"} {
		if _, err := db.Collection(name).InsertOne(t.Context(), bson.D{{Key: name, Value: name}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Collection("staff").InsertMany(t.Context(), fromJSON[[]bson.D](t, `[
		{"_id": 1, "ssn": "canary-1", "phone": "canary-a", "city": "Rome"},
		{"_id": 2, "ssn": "canary-2", "boss": "canary-1", "phone": "canary-a", "city": "Rome"},
		{"_id": 3, "ssn": "canary-3", "boss": "canary-2", "phone": "canary-b", "city": "Oslo"}]`)); err != nil {
		t.Fatal(err)
	}
	s.assertSealed(t, s.db, "csfle", "csfle")
	s.assertSealed(t, s.db, "csfle2", "csfle2")
	s.assertSealed(t, s.db, "staff", "ssn", "boss", "phone")
	return s
}

// aggregation is a pipeline and what comes out of it.
type aggregation struct {
	name, collection, pipeline, want string
}

func (a aggregation) test(t *testing.T, client *mongo.Client, db string) {
	t.Run(a.name, func(t *testing.T) {
		cursor, err := client.Database(db).Collection(a.collection).Aggregate(t.Context(), fromJSON[[]bson.D](t, a.pipeline))
		var got []bson.D
		if err == nil {
			err = cursor.All(t.Context(), &got)
		}
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(fromJSON[[]bson.D](t, a.want), got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// prose is $match, $lookup and $project as prose test 25 has them: local joins foreign.
func prose(name, local, foreign string) aggregation {
	pipeline := strings.NewReplacer("LOCAL", local, "FOREIGN", foreign).Replace(`[
		{"$match": {"LOCAL": "LOCAL"}},
		{"$lookup": {"from": "FOREIGN", "as": "matched", "pipeline": [{"$match": {"FOREIGN": "FOREIGN"}}, {"$project": {"_id": 0}}]}},
		{"$project": {"_id": 0}}]`)
	return aggregation{name, local, pipeline, `[{"` + local + `": "` + local + `", "matched": [{"` + foreign + `": "` + foreign + `"}]}]`}
}

// TestLookup has the cases of prose test 25 that need no Queryable Encryption. Case 9, the message that asks to upgrade an
// old mongocryptd, has no counterpart: the analyser is in the process, never older than the client.
func TestLookup(t *testing.T) {
	s := startLookup(t)
	s.Reset()
	client := s.encrypting(t, s.opts)
	for _, a := range []aggregation{
		prose("prose test 25 case 1: csfle joins no_schema", "csfle", "no_schema"),
		prose("prose test 25 case 3: no_schema joins csfle", "no_schema", "csfle"),
		prose("prose test 25 case 5: csfle joins csfle2", "csfle", "csfle2"),
		prose("prose test 25 case 7: no_schema joins no_schema2", "no_schema", "no_schema2"),
		prose("prose test 25 case 10: csfle joins non_csfle_schema", "csfle", "non_csfle_schema"),
		prose("non_csfle_schema joins csfle", "non_csfle_schema", "csfle"),
		prose("csfle joins itself", "csfle", "csfle"),
		{"self-join by an encrypted field", "staff", `[
			{"$lookup": {"from": "staff", "localField": "boss", "foreignField": "ssn", "as": "boss"}}, {"$unwind": "$boss"},
			{"$match": {"boss.ssn": "canary-1"}}, {"$project": {"ssn": 1, "boss.phone": 1}}]`,
			`[{"_id": 2, "ssn": "canary-2", "boss": {"phone": "canary-a"}}]`},
		{"join by a variable that is not encrypted", "staff", `[{"$match": {"ssn": "canary-1"}},
			{"$lookup": {"from": "staff", "as": "near", "let": {"city": "$city"}, "pipeline": [
				{"$match": {"$expr": {"$eq": ["$city", "$$city"]}, "ssn": {"$ne": "canary-1"}}}, {"$project": {"phone": 1}}]}},
			{"$project": {"ssn": 1, "near": 1}}]`,
			`[{"_id": 1, "ssn": "canary-1", "near": [{"_id": 2, "phone": "canary-a"}]}]`},
		{"join within a join", "no_schema", `[{"$project": {"_id": 0}}, {"$lookup": {"from": "csfle", "as": "one", "pipeline": [
			{"$match": {"csfle": "csfle"}}, {"$project": {"_id": 0}}, {"$lookup": {"from": "csfle2", "as": "two", "pipeline": [
				{"$match": {"csfle2": {"$in": ["csfle2", "other"]}}}, {"$project": {"_id": 0}}]}}]}}]`,
			`[{"no_schema": "no_schema", "one": [{"csfle": "csfle", "two": [{"csfle2": "csfle2"}]}]}]`},
	} {
		a.test(t, client, s.db)
	}
	s.assertNoPlaintext(t, "canary")
}

// TestStages has the other stages that read several collections, or documents in several ways.
func TestStages(t *testing.T) {
	s := startLookup(t)
	s.Reset()
	client := s.encrypting(t, s.opts)
	for _, a := range []aggregation{
		{"graphLookup", "staff", `[{"$match": {"ssn": "canary-3"}},
			{"$graphLookup": {"from": "staff", "startWith": "$boss", "connectFromField": "boss", "connectToField": "ssn", "as": "chain", "depthField": "depth"}},
			{"$unwind": "$chain"}, {"$match": {"chain.ssn": {"$ne": "canary-2"}}}, {"$project": {"boss": 1, "chain.ssn": 1, "chain.depth": 1}}]`,
			`[{"_id": 3, "boss": "canary-2", "chain": {"ssn": "canary-1", "depth": {"$numberLong": "1"}}}]`},
		{"graphLookup from a constant", "staff", `[{"$limit": 1},
			{"$graphLookup": {"from": "staff", "startWith": "canary-2", "connectFromField": "boss", "connectToField": "ssn", "as": "chain", "maxDepth": 0}},
			{"$project": {"chain.ssn": 1}}]`, `[{"_id": 1, "chain": [{"ssn": "canary-2"}]}]`},
		{"unionWith", "csfle", `[{"$project": {"_id": 0}}, {"$unionWith": {"coll": "csfle2", "pipeline": [{"$match": {"csfle2": "csfle2"}}, {"$project": {"_id": 0}}]}}]`,
			`[{"csfle": "csfle"}, {"csfle2": "csfle2"}]`},
		{"unionWith the same collection", "staff", `[{"$match": {"ssn": "canary-1"}},
			{"$unionWith": {"coll": "staff", "pipeline": [{"$match": {"boss": "canary-2"}}]}}, {"$match": {"ssn": "canary-3"}}, {"$project": {"phone": 1}}]`,
			`[{"_id": 3, "phone": "canary-b"}]`},
		{"facet", "staff", `[{"$match": {"ssn": {"$in": ["canary-1", "canary-2"]}}}, {"$facet": {
			"one": [{"$match": {"boss": "canary-1"}}, {"$project": {"phone": 1}}], "count": [{"$count": "n"}]}}]`,
			`[{"one": [{"_id": 2, "phone": "canary-a"}], "count": [{"n": 2}]}]`},
		{"group by an encrypted field", "staff", `[{"$match": {"boss": {"$exists": true}}},
			{"$group": {"_id": "$boss", "n": {"$sum": 1}, "phones": {"$push": "$phone"}}}, {"$match": {"_id": "canary-1"}}]`,
			`[{"_id": "canary-1", "n": 1, "phones": ["canary-a"]}]`},
		{"sortByCount of an encrypted field", "staff", `[{"$match": {"city": "Oslo"}}, {"$sortByCount": "$ssn"}]`, `[{"_id": "canary-3", "count": 1}]`},
	} {
		a.test(t, client, s.db)
	}
	s.assertNoPlaintext(t, "canary")
}

// TestRefusedPipelines: what cannot be right on ciphertext never reaches the server.
func TestRefusedPipelines(t *testing.T) {
	s := startLookup(t)
	client := s.encrypting(t, s.opts)
	s.Reset()
	for _, tc := range []struct{ name, collection, rule, message, pipeline string }{
		{"a joined view", "csfle", "view", "cannot auto encrypt a view: " + s.db + ".view", `[{"$lookup": {"from": "view", "as": "matched", "pipeline": []}}]`},
		{"a view in a union", "csfle", "view", "cannot auto encrypt a view: " + s.db + ".view", `[{"$unionWith": "view"}]`},
		{"a view itself", "view", "view", "cannot auto encrypt a view: " + s.db + ".view", `[]`},
		{"an encrypted field joins another collection", "csfle", "pipeline-other-collection", "cannot reference additional collections",
			`[{"$lookup": {"from": "csfle2", "as": "matched", "localField": "csfle", "foreignField": "csfle2"}}]`},
		{"a field joins an encrypted field of another collection", "no_schema", "pipeline-other-collection", "cannot reference additional collections",
			`[{"$lookup": {"from": "csfle", "as": "matched", "localField": "no_schema", "foreignField": "csfle"}}]`},
		{"a random field joins", "staff", "join-on-random", "randomized", `[{"$lookup": {"from": "staff", "as": "m", "localField": "phone", "foreignField": "phone"}}]`},
		{"a variable holds an encrypted field", "staff", "lookup-let-on-encrypted", "variable",
			`[{"$lookup": {"from": "staff", "as": "m", "let": {"s": "$ssn"}, "pipeline": [{"$match": {"$expr": {"$eq": ["$boss", "$$s"]}}}]}}]`},
		{"a match into the joined array", "csfle", "path-unknown-until-runtime", "Cannot get metadata for path whose encryption properties are not known until runtime",
			`[{"$lookup": {"from": "csfle2", "as": "matched", "pipeline": []}}, {"$match": {"matched.csfle2": "csfle2"}}]`},
		{"a match after a union of unlike fields", "csfle", "path-unknown-until-runtime", "not known until runtime",
			`[{"$unionWith": "no_schema"}, {"$match": {"csfle": "csfle"}}]`},
		{"a graphLookup into another collection", "csfle", "pipeline-other-collection", "cannot reference additional collections",
			`[{"$graphLookup": {"from": "csfle2", "startWith": "$csfle", "connectFromField": "csfle2", "connectToField": "csfle2", "as": "m"}}]`},
		{"a range in a joined pipeline", "no_schema", "match-operator-on-encrypted", "operator",
			`[{"$lookup": {"from": "csfle", "as": "matched", "pipeline": [{"$match": {"csfle": {"$gt": "c"}}}]}}]`},
		{"a group by a random field", "staff", "group-on-random", "randomized", `[{"$group": {"_id": "$phone"}}]`},
		{"a stage that writes", "csfle", "stage-not-supported", "$out", `[{"$out": "no_schema"}]`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := client.Database(s.db).Collection(tc.collection).Aggregate(t.Context(), fromJSON[[]bson.D](t, tc.pipeline))
			var refused *analyze.RefusedError
			if !errors.As(err, &refused) {
				t.Fatalf("got %v, want a *RefusedError", err)
			}
			if refused.Rule != tc.rule || !strings.Contains(err.Error(), tc.message) {
				t.Errorf("rule %s: %v; want rule %s and %q", refused.Rule, err, tc.rule, tc.message)
			}
		})
	}
	if n := len(s.Commands("aggregate")); n != 0 {
		t.Errorf("%d commands were sent", n)
	}
}

// TestSchemasAreAskedForOnce: one listCollections for all collections of a pipeline, and none for the next pipelines over them.
func TestSchemasAreAskedForOnce(t *testing.T) {
	s := startLookup(t)
	client := s.encrypting(t, s.opts)
	s.Reset()
	ask := func(want ...bson.D) {
		t.Helper()
		var filters []bson.D
		for _, cmd := range s.Commands("listCollections") {
			var body struct{ Filter bson.D }
			if err := bson.Unmarshal(cmd.Body, &body); err != nil {
				t.Fatal(err)
			}
			filters = append(filters, body.Filter)
		}
		if diff := cmp.Diff(want, filters); diff != "" {
			t.Errorf("filters of listCollections, -want +got:\n%s", diff)
		}
	}
	prose("join", "csfle", "csfle2").test(t, client, s.db)
	both := bson.D{{Key: "name", Value: bson.D{{Key: "$in", Value: bson.A{"csfle", "csfle2"}}}}}
	ask(both)
	prose("join again", "csfle", "csfle2").test(t, client, s.db)
	prose("join the other way round", "csfle2", "csfle").test(t, client, s.db)
	prose("join itself", "csfle", "csfle").test(t, client, s.db)
	ask(both)
	prose("join one more", "csfle", "no_schema").test(t, client, s.db)
	prose("join one more again", "no_schema", "csfle").test(t, client, s.db)
	ask(both, bson.D{{Key: "name", Value: "no_schema"}})
}
