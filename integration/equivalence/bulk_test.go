package equivalence

import (
	"context"
	"fmt"
	"reflect"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"pgregory.net/rapid"
)

// bulkWrite draws an ordered bulk write. The driver sends it in batches of one kind, so that some may have been executed when
// another is refused.
func (w *workload) bulkWrite() operation {
	var models []mongo.WriteModel
	var random bool
	for range rapid.IntRange(1, 4).Draw(w.T, "models") {
		model, writes := w.model()
		models, random = append(models, model), random || writes
	}
	op := bulk(models)
	op.random = random
	op.first = func(batches int) operation { return bulk(firstBatches(models, batches)) }
	return op
}

func bulk(models []mongo.WriteModel) operation {
	var args []any
	for _, m := range models {
		args = append(args, fmt.Sprintf("%+v", reflect.Indirect(reflect.ValueOf(m))))
	}
	return operation{kind: "bulkWrite", args: args, run: func(ctx context.Context, c *mongo.Collection) (result, error) {
		res, err := c.BulkWrite(ctx, models)
		if res == nil {
			return result{}, err
		}
		r := result{Inserted: res.InsertedCount, Matched: res.MatchedCount, Modified: res.ModifiedCount, Deleted: res.DeletedCount, Upserted: res.UpsertedCount}
		for i, id := range res.UpsertedIDs {
			r.Values = append(r.Values, fmt.Sprintf("%d %T %v", i, id, id))
		}
		r.unordered = true
		return r, err
	}}
}

func (w *workload) model() (model mongo.WriteModel, random bool) {
	switch number(w.T, 6, "model") {
	case 0, 1:
		return mongo.NewInsertOneModel().SetDocument(w.document()), false
	case 2:
		update, random := w.update()
		filter, update, upsert := w.upserting(w.one(), update)
		return mongo.NewUpdateOneModel().SetFilter(filter).SetUpdate(update).SetUpsert(upsert), random
	case 3:
		update, random := w.update()
		return mongo.NewUpdateManyModel().SetFilter(w.filter()).SetUpdate(update), random
	case 4:
		doc, random := w.replacement(false)
		return mongo.NewReplaceOneModel().SetFilter(w.one()).SetReplacement(doc), random
	}
	return mongo.NewDeleteManyModel().SetFilter(append(w.filter(), bson.E{Key: "n", Value: w.serial / 2})), false
}

// firstBatches returns the models of the first n commands that the driver makes of an ordered bulk write.
func firstBatches(models []mongo.WriteModel, n int) []mongo.WriteModel {
	kind := func(m mongo.WriteModel) string {
		if _, replaces := m.(*mongo.ReplaceOneModel); replaces {
			m = &mongo.UpdateOneModel{} // goes with those
		}
		return fmt.Sprintf("%T", m)
	}
	for i := range models {
		if i == 0 || kind(models[i]) != kind(models[i-1]) {
			if n--; n < 0 {
				return models[:i]
			}
		}
	}
	return models
}
