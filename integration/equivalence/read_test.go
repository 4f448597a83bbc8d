package equivalence

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"pgregory.net/rapid"
)

func (w *workload) find() operation {
	filter, opts, args := w.filter(), options.Find(), []any{}
	if chance(w.T, 3) {
		projection := w.projection()
		opts.SetProjection(projection)
		args = append(args, "projection", projection)
	}
	ordered := rapid.Bool().Draw(w.T, "ordered")
	if ordered {
		sort := w.sort()
		skip, limit := rapid.Int64Range(0, 2).Draw(w.T, "skip"), rapid.Int64Range(0, 5).Draw(w.T, "limit")
		opts.SetSort(sort).SetSkip(skip).SetLimit(limit)
		args = append(args, "sort", sort, "skip", skip, "limit", limit)
	}
	if chance(w.T, 4) {
		opts.SetBatchSize(2)
	}
	return operation{args: append([]any{filter}, args...), run: func(ctx context.Context, c *mongo.Collection) (result, error) {
		cursor, err := c.Find(ctx, filter, opts)
		return all(ctx, cursor, err, ordered)
	}}
}

// sort draws a total order.
func (w *workload) sort() bson.D {
	direction := func() int { return pick(w.T, 1, -1) }
	sort := bson.D{}
	if chance(w.T, 3) {
		by := pick(w.T, "p", "q", "sub.u")
		if chance(w.T, 5) {
			by = w.anyPath(w.places[2:])
		}
		sort = append(sort, bson.E{Key: by, Value: direction()})
	}
	return append(sort, bson.E{Key: "n", Value: direction()})
}

// anyPath draws the path of a field or, less often, of a document with encrypted fields in it.
func (w *workload) anyPath(places []place) string {
	if paths := prefixes(places); len(paths) > 0 && chance(w.T, 6) {
		return pick(w.T, paths...)
	}
	return pick(w.T, places...).path
}

// all reads a cursor.
func all(ctx context.Context, cursor *mongo.Cursor, err error, ordered bool) (result, error) {
	var docs []bson.Raw
	if err == nil {
		err = cursor.All(ctx, &docs)
	}
	r := result{unordered: !ordered}
	for _, doc := range docs {
		r.Values = append(r.Values, doc.String())
	}
	return r, err
}

func (w *workload) findOne() operation {
	filter, sort := w.filter(), w.sort()
	return operation{args: []any{filter, sort}, run: func(ctx context.Context, c *mongo.Collection) (result, error) {
		return single(c.FindOne(ctx, filter, options.FindOne().SetSort(sort)))
	}}
}

func (w *workload) count() operation {
	filter := w.filter()
	return operation{args: []any{filter}, run: func(ctx context.Context, c *mongo.Collection) (result, error) {
		n, err := c.CountDocuments(ctx, filter)
		return result{Matched: n}, err
	}}
}

func (w *workload) estimatedCount() operation {
	return operation{run: func(ctx context.Context, c *mongo.Collection) (result, error) {
		n, err := c.EstimatedDocumentCount(ctx)
		return result{Matched: n}, err
	}}
}

func (w *workload) distinct() operation {
	filter, path := w.filter(), w.anyPath(w.places)
	return operation{args: []any{path, filter}, run: func(ctx context.Context, c *mongo.Collection) (result, error) {
		var values bson.RawArray
		r := result{unordered: true}
		res := c.Distinct(ctx, path, filter)
		if err := res.Err(); err != nil {
			return r, err
		}
		values, err := res.Raw()
		if err != nil {
			return r, err
		}
		list, err := values.Values()
		for _, v := range list {
			r.Values = append(r.Values, v.String())
		}
		return r, err
	}}
}
