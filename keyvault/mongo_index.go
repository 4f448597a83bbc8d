package keyvault

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// EnsureIndex creates the unique index on keyAltNames that keeps two data keys from having the same name; it is no error when it
// exists. It is the partial index of the MongoDB manual ({keyAltNames: {$exists: true}}), so that keys without names do not collide.
//
// On a server without partial indexes it is a unique sparse index, which means the same, and partial is false. FerretDB 1.x takes
// that one, but compares whole lists: it keeps out a second key with exactly the same names, not one that shares a name. A Cache
// refuses a name that two keys have.
func (s *MongoStore) EnsureIndex(ctx context.Context) (partial bool, err error) {
	err = s.createIndex(ctx, options.Index().SetPartialFilterExpression(
		bson.D{{Key: "keyAltNames", Value: bson.D{{Key: "$exists", Value: true}}}}))
	if err == nil {
		return true, nil
	}
	if refusesPartialIndex(err) {
		err = s.createIndex(ctx, options.Index().SetSparse(true))
	}
	if err != nil {
		return false, s.failed("creating the unique index on keyAltNames", err)
	}
	return false, nil
}

var _ Indexer = (*MongoStore)(nil)

// Index implements Indexer with listIndexes.
func (s *MongoStore) Index(ctx context.Context) (Index, error) {
	const op = "listing the indexes"
	ctx = withoutSession(ctx)
	cursor, err := s.coll.Indexes().List(ctx)
	if err != nil {
		const namespaceNotFound = 26
		if answeredWith(err, namespaceNotFound) {
			return IndexMissing, nil
		}
		return "", s.failed(op, err)
	}
	defer func() { _ = cursor.Close(ctx) }()
	found := IndexMissing
	for cursor.Next(ctx) {
		var index struct {
			Key     bson.D
			Unique  bool
			Sparse  bool
			Partial bson.Raw `bson:"partialFilterExpression"`
		}
		if err := bson.Unmarshal(cursor.Current, &index); err != nil || !index.Unique || len(index.Key) != 1 || index.Key[0].Key != "keyAltNames" {
			continue
		}
		switch {
		case coversAllNames(index.Partial):
			found = IndexPartial
		case index.Partial == nil && found == IndexMissing: // without sparse it is stricter still
			found = IndexSparse
		}
	}
	if err := cursor.Err(); err != nil {
		return "", s.failed(op, err)
	}
	return found, nil
}

// coversAllNames says whether a partial index is on every document with keyAltNames: other conditions would leave keys out.
func coversAllNames(filter bson.Raw) bool {
	var only struct {
		KeyAltNames bson.D `bson:"keyAltNames"`
	}
	fields, _ := filter.Elements()
	if err := bson.Unmarshal(filter, &only); err != nil || len(fields) != 1 || len(only.KeyAltNames) != 1 {
		return false
	}
	condition := only.KeyAltNames[0]
	return condition.Key == "$exists" && condition.Value == true
}

func (s *MongoStore) createIndex(ctx context.Context, opts *options.IndexOptionsBuilder) error {
	_, err := s.coll.Indexes().CreateOne(withoutSession(ctx), mongo.IndexModel{
		Keys:    bson.D{{Key: "keyAltNames", Value: 1}},
		Options: opts.SetUnique(true),
	})
	return err
}

// refusesPartialIndex tells a server without partial indexes by the codes that such servers answer with.
func refusesPartialIndex(err error) bool {
	return answeredWith(err,
		72,  // InvalidOptions
		115, // CommandNotSupported
		197, // InvalidIndexSpecificationOption
		238, // NotImplemented: FerretDB 1.x
		303) // feature not supported: Amazon DocumentDB
}
