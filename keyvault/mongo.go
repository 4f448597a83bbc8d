package keyvault

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

var _ Store = (*MongoStore)(nil)

// MongoStore is a key vault collection on a MongoDB-compatible server. Whatever the client's defaults, it reads from the primary with
// majority read concern and writes with majority write concern, as the MongoDB driver specification asks.
//
// It takes no part in a session or transaction of the caller's context: a data key must not vanish with an aborted transaction.
type MongoStore struct {
	coll      *mongo.Collection
	namespace string
}

// NewMongoStore returns the key vault in the collection that namespace, "<database>.<collection>", names. It does not contact the
// server. The client's commands on that collection must not need data keys themselves.
func NewMongoStore(client *mongo.Client, namespace string) (*MongoStore, error) {
	if client == nil {
		return nil, errors.New("key vault: no client")
	}
	db, coll, err := splitNamespace(namespace)
	if err != nil {
		return nil, err
	}
	opts := options.Collection().
		SetReadConcern(readconcern.Majority()).
		SetReadPreference(readpref.Primary()).
		SetWriteConcern(writeconcern.Majority())
	return &MongoStore{coll: client.Database(db).Collection(coll, opts), namespace: namespace}, nil
}

// Fetch implements Store with one find: {$or: [{_id: {$in: ids}}, {keyAltNames: {$in: altNames}}]}. Nothing asked for is no find.
func (s *MongoStore) Fetch(ctx context.Context, ids []payload.KeyID, altNames []string) ([]*DataKey, error) {
	if len(ids) == 0 && len(altNames) == 0 {
		return nil, nil
	}
	binaries := make(bson.A, len(ids))
	for i, id := range ids {
		binaries[i] = id.Binary()
	}
	names := make(bson.A, len(altNames))
	for i, name := range altNames {
		names[i] = name
	}
	return s.find(ctx, "fetching data keys", bson.D{{Key: "$or", Value: bson.A{
		bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: binaries}}}},
		bson.D{{Key: "keyAltNames", Value: bson.D{{Key: "$in", Value: names}}}},
	}}})
}

// Find implements Store. The filter goes to the server as it is.
func (s *MongoStore) Find(ctx context.Context, filter any) ([]*DataKey, error) {
	if filter == nil {
		return nil, errNilFilter
	}
	return s.find(ctx, "finding data keys", filter)
}

var errNilFilter = errors.New("key vault: nil filter; an empty document matches every data key")

func (s *MongoStore) find(ctx context.Context, op string, filter any) ([]*DataKey, error) {
	ctx = withoutSession(ctx)
	cursor, err := s.coll.Find(ctx, filter)
	if err != nil {
		return nil, s.failed(op, err)
	}
	defer func() { _ = cursor.Close(ctx) }()
	var keys []*DataKey
	for cursor.Next(ctx) {
		key, err := ParseDataKey(cursor.Current)
		if err != nil {
			return nil, fmt.Errorf("key vault %s: %w", s.namespace, err)
		}
		keys = append(keys, key)
	}
	if err := cursor.Err(); err != nil {
		return nil, s.failed(op, err)
	}
	return keys, nil
}

// Insert implements Store.
func (s *MongoStore) Insert(ctx context.Context, key *DataKey) error {
	doc, err := key.MarshalBSON()
	if err != nil {
		return err
	}
	if _, err := s.coll.InsertOne(withoutSession(ctx), bson.Raw(doc)); err != nil {
		return s.failed("inserting data key "+key.ID.String(), err)
	}
	return nil
}

// Delete implements Store.
func (s *MongoStore) Delete(ctx context.Context, id payload.KeyID) (int64, error) {
	result, err := s.coll.DeleteOne(withoutSession(ctx), byID(id))
	if err != nil {
		return 0, s.failed("deleting data key "+id.String(), err)
	}
	return result.DeletedCount, nil
}

// Rewrap implements Store with one ordered bulk write. After an error the result says how far it came. No keys is no write.
func (s *MongoStore) Rewrap(ctx context.Context, keys []Rewrapped) (*mongo.BulkWriteResult, error) {
	if err := checkRewrapped(keys); err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return &mongo.BulkWriteResult{Acknowledged: true}, nil
	}
	models := make([]mongo.WriteModel, len(keys))
	for i, k := range keys {
		models[i] = mongo.NewUpdateOneModel().SetFilter(byID(k.ID)).SetUpdate(bson.D{
			{Key: "$set", Value: bson.D{
				{Key: "masterKey", Value: k.MasterKey},
				{Key: "keyMaterial", Value: bson.Binary{Data: k.KeyMaterial}},
			}},
			{Key: "$currentDate", Value: bson.D{{Key: "updateDate", Value: true}}},
		})
	}
	result, err := s.coll.BulkWrite(withoutSession(ctx), models, options.BulkWrite().SetOrdered(true))
	if err != nil {
		return result, s.failed("rewrapping data keys", err)
	}
	return result, nil
}

func byID(id payload.KeyID) bson.D { return bson.D{{Key: "_id", Value: id.Binary()}} }

func withoutSession(ctx context.Context) context.Context { return mongo.NewSessionContext(ctx, nil) }

func (s *MongoStore) failed(op string, err error) error {
	return &Error{Namespace: s.namespace, Op: op, Err: err}
}
