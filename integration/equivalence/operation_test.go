package equivalence

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"pgregory.net/rapid"
)

// workload draws the operations on one collection.
type workload struct {
	*rapid.T
	fields []field
	places []place
	serial int32 // of the next document
	exact  bool  // the client rewrites as analyze.Exact does
}

// operation is something to do on both collections.
type operation struct {
	kind   string
	args   []any // for the report of a failure
	random bool  // may write randomly encrypted values
	run    func(ctx context.Context, c *mongo.Collection) (result, error)
	first  func(batches int) operation // of a bulk write: what its first batches are
}

// kinds lists what operations there are, the likelier the more often.
var kinds = []struct {
	name string
	draw func(*workload) operation
}{
	{"insertOne", (*workload).insertOne}, {"insertOne", (*workload).insertOne}, {"insertMany", (*workload).insertMany},
	{"updateOne", (*workload).updateOne}, {"updateOne", (*workload).updateOne}, {"updateMany", (*workload).updateMany},
	{"updateMany", (*workload).updateMany}, {"replaceOne", (*workload).replaceOne}, {"bulkWrite", (*workload).bulkWrite},
	{"findOneAndUpdate", (*workload).findOneAndUpdate}, {"findOneAndReplace", (*workload).findOneAndReplace},
	{"findOneAndDelete", (*workload).findOneAndDelete}, {"deleteOne", (*workload).deleteOne}, {"deleteMany", (*workload).deleteMany},
	{"find", (*workload).find}, {"find", (*workload).find}, {"find", (*workload).find}, {"find", (*workload).find},
	{"findOne", (*workload).findOne}, {"countDocuments", (*workload).count}, {"estimatedDocumentCount", (*workload).estimatedCount},
	{"distinct", (*workload).distinct}, {"aggregate", (*workload).aggregate}, {"aggregate", (*workload).aggregate},
	{"aggregate", (*workload).aggregate}, {"aggregate", (*workload).aggregate},
}

func (w *workload) operation() operation {
	kind := number(w.T, len(kinds), "kind")
	if name := kinds[kind].name; w.exact && (name == "aggregate" || name == "countDocuments") {
		kind = 0 // exact pipelines have $const, which FerretDB does not know
	}
	op := kinds[kind].draw(w)
	op.kind = kinds[kind].name
	return op
}

func (w *workload) insertOne() operation {
	doc := w.document()
	return operation{args: []any{doc}, run: func(ctx context.Context, c *mongo.Collection) (result, error) {
		_, err := c.InsertOne(ctx, doc)
		return result{}, err
	}}
}

// filling is the first operation of a workload.
func (w *workload) filling() operation {
	op := w.insertMany()
	op.kind = "insertMany"
	return op
}

func (w *workload) insertMany() operation {
	var docs []any
	for range rapid.IntRange(2, 8).Draw(w.T, "documents") {
		docs = append(docs, w.document())
	}
	ordered := rapid.Bool().Draw(w.T, "ordered")
	return operation{args: []any{docs, ordered}, run: func(ctx context.Context, c *mongo.Collection) (result, error) {
		_, err := c.InsertMany(ctx, docs, options.InsertMany().SetOrdered(ordered))
		return result{}, err
	}}
}

// one draws a filter that at most one document matches: which of several a server takes is its own choice.
func (w *workload) one() bson.D {
	pin := bson.E{Key: "n", Value: w.known()}
	if chance(w.T, 3) {
		pin = bson.E{Key: "_id", Value: w.knownID()}
	}
	if chance(w.T, 2) {
		return append(bson.D{pin}, w.condition(w.places, 1))
	}
	return bson.D{pin}
}

// upserts draws whether an update is an upsert. Not with exact filters, which are one $and: FerretDB takes no fields of the new
// document from inside of it, as MongoDB does.
func (w *workload) upserts() bool { return !w.exact && chance(w.T, 4) }

// upserting draws filter and update of an upsert that gives the new document an _id and an n, or of an update.
func (w *workload) upserting(filter, update bson.D) (_, _ bson.D, upsert bool) {
	if !w.upserts() {
		return filter, update, false
	}
	id, n := bson.E{Key: "_id", Value: w.newID()}, bson.E{Key: "n", Value: w.serial}
	w.serial++
	condition := bson.D{w.condition(w.places[2:], 1)}
	if chance(w.T, 2) {
		return append(condition, id, n), update, true
	}
	for i, e := range update {
		if e.Key == "$setOnInsert" {
			update[i].Value = append(e.Value.(bson.D), id)
			return append(condition, n), update, true
		}
	}
	return append(condition, n), append(update, bson.E{Key: "$setOnInsert", Value: bson.D{id}}), true
}

func updated(res *mongo.UpdateResult, err error) (result, error) {
	if res == nil {
		return result{}, err
	}
	r := result{Matched: res.MatchedCount, Modified: res.ModifiedCount, Upserted: res.UpsertedCount}
	if res.UpsertedID != nil {
		r.Values = []string{fmt.Sprintf("%T %v", res.UpsertedID, res.UpsertedID)}
	}
	return r, err
}

func (w *workload) updateOne() operation {
	update, random := w.update()
	filter, update, upsert := w.upserting(w.one(), update)
	return operation{random: random, args: []any{filter, update, upsert}, run: func(ctx context.Context, c *mongo.Collection) (result, error) {
		return updated(c.UpdateOne(ctx, filter, update, options.UpdateOne().SetUpsert(upsert)))
	}}
}

func (w *workload) updateMany() operation {
	update, random := w.update()
	filter, update, upsert := w.upserting(w.filter(), update)
	return operation{random: random, args: []any{filter, update, upsert}, run: func(ctx context.Context, c *mongo.Collection) (result, error) {
		return updated(c.UpdateMany(ctx, filter, update, options.UpdateMany().SetUpsert(upsert)))
	}}
}

func (w *workload) replaceOne() operation {
	filter, upsert := w.one(), w.upserts()
	doc, random := w.replacement(upsert) // an upsert needs an _id; a replacement with another _id is the server's error
	return operation{random: random, args: []any{filter, doc, upsert}, run: func(ctx context.Context, c *mongo.Collection) (result, error) {
		return updated(c.ReplaceOne(ctx, filter, doc, options.Replace().SetUpsert(upsert)))
	}}
}

func (w *workload) deleteOne() operation {
	filter := w.one()
	return operation{args: []any{filter}, run: func(ctx context.Context, c *mongo.Collection) (result, error) {
		res, err := c.DeleteOne(ctx, filter)
		return deleted(res), err
	}}
}

func (w *workload) deleteMany() operation {
	filter := w.filter()
	if chance(w.T, 2) { // or too little would be left
		filter = append(filter, bson.E{Key: "n", Value: bson.D{{Key: "$gt", Value: w.serial - 6}}})
	}
	return operation{args: []any{filter}, run: func(ctx context.Context, c *mongo.Collection) (result, error) {
		res, err := c.DeleteMany(ctx, filter)
		return deleted(res), err
	}}
}

func deleted(res *mongo.DeleteResult) result {
	if res == nil {
		return result{}
	}
	return result{Deleted: res.DeletedCount}
}

// byN is the order in which the first of several documents is the same in both collections.
var byN = bson.D{{Key: "n", Value: 1}}

func (w *workload) findOneAndUpdate() operation {
	update, random := w.update()
	filter, update, upsert := w.upserting(w.filter(), update)
	after := pick(w.T, options.Before, options.After)
	return operation{random: random, args: []any{filter, update, upsert, after}, run: func(ctx context.Context, c *mongo.Collection) (result, error) {
		return single(c.FindOneAndUpdate(ctx, filter, update, options.FindOneAndUpdate().SetSort(byN).SetReturnDocument(after).SetUpsert(upsert)))
	}}
}

func (w *workload) findOneAndReplace() operation {
	filter, after := w.filter(), pick(w.T, options.Before, options.After)
	doc, random := w.replacement(false)
	return operation{random: random, args: []any{filter, doc, after}, run: func(ctx context.Context, c *mongo.Collection) (result, error) {
		return single(c.FindOneAndReplace(ctx, filter, doc, options.FindOneAndReplace().SetSort(byN).SetReturnDocument(after)))
	}}
}

func (w *workload) findOneAndDelete() operation {
	filter := w.filter()
	return operation{args: []any{filter}, run: func(ctx context.Context, c *mongo.Collection) (result, error) {
		return single(c.FindOneAndDelete(ctx, filter, options.FindOneAndDelete().SetSort(byN)))
	}}
}

func single(res *mongo.SingleResult) (result, error) {
	raw, err := res.Raw()
	if err != nil {
		return result{}, err
	}
	return result{Values: []string{raw.String()}}, nil
}
