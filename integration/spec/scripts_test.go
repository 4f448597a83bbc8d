package spec

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/integration/shim"
)

// script has replies for what the embedded server cannot do; what this module sends is compared all the same.
type script struct {
	why     string // printed with the result; also says what else is not real in a test
	replies []scripted
}

// scripted answers the next command of that name.
type scripted struct {
	command string
	reply   func(ctx context.Context, direct *mongo.Client, cmd shim.Command) (bson.D, error)
}

// scripts has the tests that get scripted replies.
var scripts = map[caseName]script{
	{"legacy", "badQueries", "geo operators succeed on unencrypted, error on encrypted"}: {
		"the embedded server has no geo operators",
		[]scripted{{"find", noGeoIndex}, {"find", noGeoIndex}, {"find", noDocuments}, {"find", noDocuments}},
	},
	{"legacy", "badQueries", "$addToSet succeeds on unencrypted, error on encrypted"}: {
		"the embedded server stores no arrays in arrays",
		[]scripted{{"update", says(bson.D{{Key: "n", Value: 1}, {Key: "nModified", Value: 1}})}},
	},
	{"legacy", "validatorAndPartialFieldExpression", "createIndexes with a partialFilterExpression on an unencrypted field is OK"}: {
		"the embedded server has no partial indexes: it makes one of all documents",
		[]scripted{{"createIndexes", withoutPartialFilter}},
	},
	{"unified", "addKeyAltName", "add new keyAltName to data key with keyAltNames"}: {
		"the embedded server's $project and $unwind do not go together",
		[]scripted{{"aggregate", unwoundAltNames}},
	},
	{"unified", "createDataKey", "create datakey with multiple keyAltNames"}: {
		"the embedded server's $project and $unwind do not go together",
		[]scripted{{"aggregate", unwoundAltNames}},
	},
	{"unified", "removeKeyAltName", "remove keyAltName from non-existent data key"}:            {noPipelines, []scripted{{"findAndModify", removeName}}},
	{"unified", "removeKeyAltName", "remove non-existent keyAltName from existing data key"}:   {noPipelines, []scripted{{"findAndModify", removeName}}},
	{"unified", "removeKeyAltName", "remove an existing keyAltName from an existing data key"}: {noPipelines, []scripted{{"findAndModify", removeName}}},
	{"unified", "removeKeyAltName", "remove the last keyAltName from an existing data key"}:    {noPipelines, []scripted{{"findAndModify", removeName}, {"findAndModify", removeName}}},

	{"unified", "rewrapManyDataKey", "rewrap with new AWS KMS provider"}:   {why: rewrapped},
	{"unified", "rewrapManyDataKey", "rewrap with new Azure KMS provider"}: {why: rewrapped},
	{"unified", "rewrapManyDataKey", "rewrap with new GCP KMS provider"}:   {why: rewrapped},
	{"unified", "rewrapManyDataKey", "rewrap with new KMIP KMS provider"}:  {why: rewrapped},
	{"unified", "rewrapManyDataKey", "rewrap with new local KMS provider"}: {why: rewrapped},
	{"unified", "rewrapManyDataKey", "rewrap with current KMS provider"}:   {why: rewrapped},
}

// rewrapped is what services.rewrapped does.
const rewrapped = "the mocks' master keys wrap the azure and gcp data keys, for the file's master keys are not public"

const noPipelines = "the embedded server has no update pipelines: the proxy does what this one says"

func says(reply bson.D) func(context.Context, *mongo.Client, shim.Command) (bson.D, error) {
	return func(context.Context, *mongo.Client, shim.Command) (bson.D, error) { return reply, nil }
}

var (
	noDocuments = says(cursorOf(bson.A{}))
	noGeoIndex  = says(bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: 291}, {Key: "errmsg", Value: "unable to find index for $geoNear query"}})
)

func cursorOf(docs bson.A) bson.D {
	return bson.D{{Key: "cursor", Value: bson.D{{Key: "id", Value: int64(0)}, {Key: "ns", Value: "default.default"}, {Key: "firstBatch", Value: docs}}}}
}

// withoutPartialFilter has the index made without its filter.
func withoutPartialFilter(ctx context.Context, direct *mongo.Client, cmd shim.Command) (bson.D, error) {
	var body struct {
		Collection string `bson:"createIndexes"`
		Indexes    []bson.D
	}
	if err := bson.Unmarshal(cmd.Body, &body); err != nil {
		return nil, err
	}
	for i := range body.Indexes {
		body.Indexes[i] = slices.DeleteFunc(body.Indexes[i], func(e bson.E) bool { return e.Key == "partialFilterExpression" })
	}
	var reply bson.D
	err := direct.Database(cmd.DB).RunCommand(ctx, bson.D{{Key: "createIndexes", Value: body.Collection}, {Key: "indexes", Value: body.Indexes}}).Decode(&reply)
	return reply, err
}

// unwoundAltNames is [{$project: {_id: 0, keyAltNames: 1}}, {$unwind: "$keyAltNames"}, {$sort: {keyAltNames: 1}}].
func unwoundAltNames(ctx context.Context, direct *mongo.Client, cmd shim.Command) (bson.D, error) {
	var names []string
	coll := direct.Database(cmd.DB).Collection(cmd.Body.Lookup(cmd.Name).StringValue())
	if err := coll.Distinct(ctx, "keyAltNames", bson.D{}).Decode(&names); err != nil {
		return nil, err
	}
	slices.Sort(names)
	docs := bson.A{}
	for _, name := range names {
		docs = append(docs, bson.D{{Key: "keyAltNames", Value: name}})
	}
	return cursorOf(docs), nil
}

// removeName does what the specification's pipeline does to a key that has alt names: the expected event has the pipeline in full.
func removeName(ctx context.Context, direct *mongo.Client, cmd shim.Command) (bson.D, error) {
	coll := direct.Database(cmd.DB).Collection(cmd.Body.Lookup(cmd.Name).StringValue())
	query := cmd.Body.Lookup("query").Document()
	name := cmd.Body.Lookup("update", "0", "$set", "keyAltNames", "$cond", "0", "$eq", "1", "0").StringValue()
	before, err := one(coll.FindOne(ctx, query))
	if err != nil || before == nil {
		return bson.D{{Key: "value", Value: nil}}, err
	}
	update := bson.D{{Key: "$pull", Value: bson.D{{Key: "keyAltNames", Value: name}}}}
	if names, err := before.(bson.Raw).Lookup("keyAltNames").Array().Values(); err == nil && len(names) == 1 && names[0].StringValue() == name {
		update = bson.D{{Key: "$unset", Value: bson.D{{Key: "keyAltNames", Value: ""}}}}
	}
	_, err = coll.UpdateOne(ctx, query, update)
	return bson.D{{Key: "value", Value: before}}, err
}
