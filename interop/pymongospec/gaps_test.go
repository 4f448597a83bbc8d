package pymongospec

import (
	"bytes"
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/integration/shim"
)

// gap is what the embedded server cannot do. The proxy answers; what pymongo sends is compared all the same.
type gap struct {
	why      string
	command  string
	contains string // in the wire message
	reply    func(ctx context.Context, direct *mongo.Client, cmd shim.Command) (bson.D, error)
}

var gaps = []gap{
	{"it does not say what pymongo's runner asks first", "getParameter", "", says(bson.D{{Key: "enableTestCommands", Value: false}})},
	{"it has no geo operators", "find", "$near", says(bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: 291}, {Key: "errmsg", Value: "unable to find index for $geoNear query"}})},
	{"it has no geo operators", "find", "$geo", says(bson.D{{Key: "cursor", Value: bson.D{
		{Key: "id", Value: int64(0)}, {Key: "ns", Value: "default.default"}, {Key: "firstBatch", Value: bson.A{}},
	}}})},
	{"it stores no arrays in arrays", "update", "$addToSet", says(bson.D{{Key: "n", Value: 1}, {Key: "nModified", Value: 1}})},
	{"it knows no $const", "aggregate", "$const", withoutConst},
	{"it has no partial indexes: it makes one of all documents", "createIndexes", "partialFilterExpression", withoutPartialFilter},
}

func says(reply bson.D) func(context.Context, *mongo.Client, shim.Command) (bson.D, error) {
	return func(context.Context, *mongo.Client, shim.Command) (bson.D, error) { return reply, nil }
}

// fill returns the reply for a gap, and nil for what the server can answer.
func fill(direct *mongo.Client) func(context.Context, shim.Command) (bson.D, error) {
	return func(ctx context.Context, cmd shim.Command) (bson.D, error) {
		for _, g := range gaps {
			if g.command == cmd.Name && bytes.Contains(cmd.Message, []byte(g.contains)) {
				return g.reply(ctx, direct, cmd)
			}
		}
		return nil, nil
	}
}

// withoutConst runs the command with the constants themselves.
func withoutConst(ctx context.Context, direct *mongo.Client, cmd shim.Command) (bson.D, error) {
	var body bson.D
	if err := bson.Unmarshal(cmd.Body, &body); err != nil {
		return nil, err
	}
	return forward(ctx, direct, cmd.DB, unwrapConst(body).(bson.D))
}

func unwrapConst(value any) any {
	switch v := value.(type) {
	case bson.D:
		if len(v) == 1 && v[0].Key == "$const" {
			return v[0].Value
		}
		for i := range v {
			v[i].Value = unwrapConst(v[i].Value)
		}
	case bson.A:
		for i := range v {
			v[i] = unwrapConst(v[i])
		}
	}
	return value
}

// withoutPartialFilter has the index made without its filter.
func withoutPartialFilter(ctx context.Context, direct *mongo.Client, cmd shim.Command) (bson.D, error) {
	var body bson.D
	if err := bson.Unmarshal(cmd.Body, &body); err != nil {
		return nil, err
	}
	for _, e := range body {
		indexes, _ := e.Value.(bson.A)
		for i, index := range indexes {
			if index, ok := index.(bson.D); ok {
				indexes[i] = slices.DeleteFunc(index, func(e bson.E) bool { return e.Key == "partialFilterExpression" })
			}
		}
	}
	return forward(ctx, direct, cmd.DB, body)
}

// forward sends a command of a driver to the server itself, without what the driver of this module adds again.
func forward(ctx context.Context, direct *mongo.Client, db string, body bson.D) (bson.D, error) {
	own := []string{"$db", "lsid", "$readPreference", "$clusterTime"}
	body = slices.DeleteFunc(body, func(e bson.E) bool { return slices.Contains(own, e.Key) })
	var reply bson.D
	err := direct.Database(db).RunCommand(ctx, body).Decode(&reply)
	return reply, err
}
