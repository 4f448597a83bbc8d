package spec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

type legacyOperation struct {
	Name        string
	Object      string // "collection" if empty
	CommandName string `bson:"command_name"` // repeats what Arguments say
	Arguments   bson.Raw
	Result      bson.RawValue
}

// legacyArguments are those of all operations.
type legacyArguments struct {
	ArrayFilters             []bson.Raw `bson:"arrayFilters"`
	BatchSize                int32      `bson:"batchSize"`
	BypassDocumentValidation *bool      `bson:"bypassDocumentValidation"`
	Collection               string
	Command                  bson.D
	Database                 string
	Document                 bson.Raw
	Documents                []bson.Raw
	FieldName                string `bson:"fieldName"`
	Filter                   bson.Raw
	Index                    string
	Map                      bson.RawValue
	Options                  struct{ Ordered *bool }
	Out                      bson.RawValue
	Pipeline                 []bson.Raw
	Reduce                   bson.RawValue
	Replacement              bson.Raw
	Requests                 []bson.Raw
	ReturnDocument           string `bson:"returnDocument"`
	Update                   bson.Raw
	Upsert                   *bool
	Validator                bson.Raw
}

// legacyRun is what the operations of one test act on.
type legacyRun struct {
	client         *mongo.Client // under test
	direct         *mongo.Client
	db, collection string
}

func (r *legacyRun) database() *mongo.Database { return r.client.Database(r.db) }

func (op *legacyOperation) run(ctx context.Context, r *legacyRun) (any, error) {
	var a legacyArguments
	if err := strictly(op.Arguments, &a); err != nil {
		return nil, err
	}
	coll := r.database().Collection(r.collection)
	switch op.Object {
	case "", "collection":
		return onCollection(ctx, coll, op.Name, &a)
	case "database":
		return onDatabase(ctx, r.database(), op.Name, &a)
	case "testRunner":
		return nil, r.assert(ctx, op.Name, &a)
	}
	return nil, errHarness("object " + op.Object)
}

func onCollection(ctx context.Context, coll *mongo.Collection, name string, a *legacyArguments) (any, error) {
	switch name {
	case "find":
		opts := options.Find()
		if a.BatchSize != 0 {
			opts.SetBatchSize(a.BatchSize)
		}
		return all(ctx)(coll.Find(ctx, a.Filter, opts))
	case "findOne":
		return one(coll.FindOne(ctx, a.Filter))
	case "aggregate":
		return all(ctx)(coll.Aggregate(ctx, a.Pipeline))
	case "countDocuments":
		return coll.CountDocuments(ctx, a.Filter)
	case "distinct":
		values, err := coll.Distinct(ctx, a.FieldName, a.Filter).Raw()
		return bson.RawValue{Type: bson.TypeArray, Value: values}, err
	case "count": // the driver has no helper for it any more, nor for mapReduce
		reply, err := coll.Database().RunCommand(ctx, bson.D{{Key: "count", Value: coll.Name()}, {Key: "query", Value: a.Filter}}).Raw()
		return reply.Lookup("n"), err
	case "mapReduce":
		return nil, coll.Database().RunCommand(ctx, bson.D{
			{Key: "mapReduce", Value: coll.Name()}, {Key: "map", Value: a.Map}, {Key: "reduce", Value: a.Reduce}, {Key: "out", Value: a.Out},
		}).Err()
	}
	return write(ctx, coll, name, a)
}

func write(ctx context.Context, coll *mongo.Collection, name string, a *legacyArguments) (any, error) {
	switch name {
	case "insertOne":
		opts := options.InsertOne()
		if a.BypassDocumentValidation != nil {
			opts.SetBypassDocumentValidation(*a.BypassDocumentValidation)
		}
		_, err := coll.InsertOne(ctx, a.Document, opts)
		return nil, err
	case "insertMany":
		_, err := coll.InsertMany(ctx, a.Documents)
		return nil, err
	case "updateOne":
		opts := options.UpdateOne()
		if a.Upsert != nil {
			opts.SetUpsert(*a.Upsert)
		}
		if a.ArrayFilters != nil {
			opts.SetArrayFilters(toAny(a.ArrayFilters))
		}
		return updated(coll.UpdateOne(ctx, a.Filter, a.Update, opts))
	case "updateMany":
		return updated(coll.UpdateMany(ctx, a.Filter, a.Update))
	case "replaceOne":
		return updated(coll.ReplaceOne(ctx, a.Filter, a.Replacement))
	case "deleteOne":
		return deleted(coll.DeleteOne(ctx, a.Filter))
	case "deleteMany":
		return deleted(coll.DeleteMany(ctx, a.Filter))
	case "bulkWrite":
		models, err := writeModels(a.Requests)
		if err != nil {
			return nil, err
		}
		opts := options.BulkWrite()
		if a.Options.Ordered != nil {
			opts.SetOrdered(*a.Options.Ordered)
		}
		_, err = coll.BulkWrite(ctx, models, opts)
		return nil, err
	}
	return findAndModify(ctx, coll, name, a)
}

func findAndModify(ctx context.Context, coll *mongo.Collection, name string, a *legacyArguments) (any, error) {
	switch name {
	case "findOneAndDelete":
		return one(coll.FindOneAndDelete(ctx, a.Filter))
	case "findOneAndReplace":
		return one(coll.FindOneAndReplace(ctx, a.Filter, a.Replacement, options.FindOneAndReplace().SetReturnDocument(a.returned())))
	case "findOneAndUpdate":
		return one(coll.FindOneAndUpdate(ctx, a.Filter, a.Update, options.FindOneAndUpdate().SetReturnDocument(a.returned())))
	}
	return nil, errHarness("operation " + name)
}

func writeModels(requests []bson.Raw) ([]mongo.WriteModel, error) {
	var models []mongo.WriteModel
	for _, raw := range requests {
		var request legacyOperation
		var a legacyArguments
		if err := errors.Join(strictly(raw, &request), strictly(request.Arguments, &a)); err != nil {
			return nil, err
		}
		switch request.Name {
		case "insertOne":
			models = append(models, mongo.NewInsertOneModel().SetDocument(a.Document))
		case "updateOne":
			models = append(models, mongo.NewUpdateOneModel().SetFilter(a.Filter).SetUpdate(a.Update))
		case "deleteOne":
			models = append(models, mongo.NewDeleteOneModel().SetFilter(a.Filter))
		default:
			return nil, errHarness("write " + request.Name)
		}
	}
	return models, nil
}

func onDatabase(ctx context.Context, db *mongo.Database, name string, a *legacyArguments) (any, error) {
	switch name {
	case "runCommand":
		return db.RunCommand(ctx, a.Command).Raw()
	case "aggregate":
		return all(ctx)(db.Aggregate(ctx, a.Pipeline))
	case "dropCollection":
		return nil, db.Collection(a.Collection).Drop(ctx)
	case "createCollection":
		opts := options.CreateCollection()
		if a.Validator != nil {
			opts.SetValidator(a.Validator)
		}
		return nil, db.CreateCollection(ctx, a.Collection, opts)
	}
	return nil, errHarness("database operation " + name)
}

func (r *legacyRun) assert(ctx context.Context, name string, a *legacyArguments) error {
	db := r.direct.Database(a.Database)
	switch name {
	case "assertCollectionExists":
		names, err := db.ListCollectionNames(ctx, bson.D{{Key: "name", Value: a.Collection}})
		if err == nil && len(names) != 1 {
			return fmt.Errorf("collection %s does not exist", a.Collection)
		}
		return err
	case "assertIndexExists":
		indexes, err := db.Collection(a.Collection).Indexes().ListSpecifications(ctx)
		if err == nil && !slices.ContainsFunc(indexes, func(s mongo.IndexSpecification) bool { return s.Name == a.Index }) {
			return fmt.Errorf("index %s does not exist", a.Index)
		}
		return err
	}
	return errHarness("assertion " + name)
}

func (a *legacyArguments) returned() options.ReturnDocument {
	if a.ReturnDocument == "After" {
		return options.After
	}
	return options.Before
}

// all returns the documents of a cursor.
func all(ctx context.Context) func(*mongo.Cursor, error) (any, error) {
	return func(cursor *mongo.Cursor, err error) (any, error) {
		if err != nil {
			return nil, err
		}
		docs := []bson.Raw{}
		err = cursor.All(ctx, &docs)
		return docs, err
	}
}

// one returns a document, or nil if there is none.
func one(result *mongo.SingleResult) (any, error) {
	doc, err := result.Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, nil
	}
	return doc, err
}

func updated(r *mongo.UpdateResult, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return bson.M{"matchedCount": r.MatchedCount, "modifiedCount": r.ModifiedCount, "upsertedCount": r.UpsertedCount}, nil
}

func deleted(r *mongo.DeleteResult, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return bson.M{"deletedCount": r.DeletedCount}, nil
}

func toAny(docs []bson.Raw) []any {
	var list []any
	for _, doc := range docs {
		list = append(list, doc)
	}
	return list
}

func checkErrorContains(text string, err error) error {
	var unknown errHarness
	switch {
	case err == nil:
		return fmt.Errorf("succeeded, want an error with %q", text)
	case errors.As(err, &unknown) || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(text)):
		return fmt.Errorf("want an error with %q, got: %w", text, err)
	}
	return nil
}
