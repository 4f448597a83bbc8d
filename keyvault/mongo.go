package keyvault

import (
	"context"
	"errors"
	"slices"

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

// Limits of one find. The ids of a full one take 300 kB; a command must stay below 16 MiB.
const (
	fetchKeys  = 10_000
	fetchBytes = 4 << 20 // of alt names
)

// scanBatch is how many documents a cursor brings at once. A server forgets a cursor that nobody asks for 10 minutes, and 16 MiB of keys that a KMS
// works on take longer.
const scanBatch = 1000

// rewrapUpdates is how many updates one command has. FerretDB 1.x keeps a connection to its database for each of them, of which it has 100, and
// then waits for ever; elsewhere the KMS takes so much longer that it makes no difference.
const rewrapUpdates = 50

// Fetch implements Store with one find: {$or: [{_id: {$in: ids}}, {keyAltNames: {$in: altNames}}]}. Nothing asked for is no find, more than
// 10,000 keys or 4 MiB of names are several, one after the other.
func (s *MongoStore) Fetch(ctx context.Context, ids []payload.KeyID, altNames []string) ([]*DataKey, error) {
	var all reader
	seen := map[payload.KeyID]bool{} // by earlier finds; a key that one find returns twice is not hidden
	for len(ids) > 0 || len(altNames) > 0 {
		n, m := fetchBatch(ids, altNames)
		var batch reader
		if err := s.scan(ctx, "fetching data keys", byIDOrName(ids[:n], altNames[:m]), nil, batch.read); err != nil {
			return nil, err
		}
		ids, altNames = ids[n:], altNames[m:]
		for _, key := range batch.keys {
			if !seen[key.ID] {
				all.keys = append(all.keys, key)
			}
		}
		all.unreadable = append(all.unreadable, batch.unreadable...)
		if len(ids) > 0 || len(altNames) > 0 {
			for _, key := range batch.keys {
				seen[key.ID] = true
			}
		}
	}
	return all.result(s.namespace)
}

// fetchBatch says how many ids and names go into the next find.
func fetchBatch(ids []payload.KeyID, altNames []string) (n, m int) {
	n = min(len(ids), fetchKeys)
	for size := 0; n+m < fetchKeys && m < len(altNames); m++ {
		if size += len(altNames[m]) + 16; size > fetchBytes && m+n > 0 {
			break
		}
	}
	return n, m
}

func byIDOrName(ids []payload.KeyID, altNames []string) bson.D {
	binaries := make(bson.A, len(ids))
	for i, id := range ids {
		binaries[i] = id.Binary()
	}
	names := make(bson.A, len(altNames))
	for i, name := range altNames {
		names[i] = name
	}
	return bson.D{{Key: "$or", Value: bson.A{
		bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: binaries}}}},
		bson.D{{Key: "keyAltNames", Value: bson.D{{Key: "$in", Value: names}}}},
	}}}
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
	var r reader
	if err := s.scan(ctx, op, filter, nil, r.read); err != nil {
		return nil, err
	}
	return r.result(s.namespace)
}

// Scan implements Store with one find and its cursor.
func (s *MongoStore) Scan(ctx context.Context, filter any, each func(bson.Raw) error) error {
	if filter == nil {
		return errNilFilter
	}
	return s.scan(ctx, "reading the key vault", filter, options.Find().SetBatchSize(scanBatch), each)
}

func (s *MongoStore) scan(ctx context.Context, op string, filter any, opts *options.FindOptionsBuilder, each func(bson.Raw) error) error {
	ctx = withoutSession(ctx)
	if opts == nil {
		opts = options.Find()
	}
	cursor, err := s.coll.Find(ctx, filter, opts)
	if err != nil {
		return s.failed(op, err)
	}
	defer func() { _ = cursor.Close(ctx) }()
	for cursor.Next(ctx) {
		if err := each(cursor.Current); err != nil {
			return err
		}
	}
	if err := cursor.Err(); err != nil {
		return s.failed(op, err)
	}
	return nil
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

// Take implements Store with findAndModify and remove.
func (s *MongoStore) Take(ctx context.Context, id payload.KeyID) (bson.Raw, error) {
	doc, err := s.coll.FindOneAndDelete(withoutSession(ctx), byID(id)).Raw()
	if err != nil {
		return nil, s.changed("deleting data key ", id, err)
	}
	return doc, nil
}

// Rewrap implements Store with ordered bulk writes of 50 keys at most, one after the other. After an error the result says how far it came. No keys
// is no write.
func (s *MongoStore) Rewrap(ctx context.Context, keys []Rewrapped) (*mongo.BulkWriteResult, error) {
	if err := checkRewrapped(keys); err != nil {
		return nil, err
	}
	total := &mongo.BulkWriteResult{Acknowledged: true}
	for some := range slices.Chunk(keys, rewrapUpdates) {
		result, err := s.rewrap(ctx, some)
		if result != nil {
			total.MatchedCount += result.MatchedCount
			total.ModifiedCount += result.ModifiedCount
		}
		if err != nil {
			return total, s.failed("rewrapping data keys", err)
		}
	}
	return total, nil
}

func (s *MongoStore) rewrap(ctx context.Context, keys []Rewrapped) (*mongo.BulkWriteResult, error) {
	models := make([]mongo.WriteModel, len(keys))
	for i, k := range keys {
		models[i] = mongo.NewUpdateOneModel().SetFilter(k.filter()).SetUpdate(bson.D{
			{Key: "$set", Value: bson.D{
				{Key: "masterKey", Value: k.MasterKey},
				{Key: "keyMaterial", Value: bson.Binary{Data: k.KeyMaterial}},
			}},
			{Key: "$currentDate", Value: bson.D{{Key: "updateDate", Value: true}}},
		})
	}
	return s.coll.BulkWrite(withoutSession(ctx), models, options.BulkWrite().SetOrdered(true))
}

// filter matches the document that may be changed.
func (r Rewrapped) filter() bson.D {
	if r.Was == nil {
		return byID(r.ID)
	}
	return append(byID(r.ID),
		bson.E{Key: "keyMaterial", Value: bson.Binary{Data: r.Was.KeyMaterial}},
		bson.E{Key: "masterKey", Value: r.Was.MasterKey})
}

func byID(id payload.KeyID) bson.D { return bson.D{{Key: "_id", Value: id.Binary()}} }

func withoutSession(ctx context.Context) context.Context { return mongo.NewSessionContext(ctx, nil) }

func (s *MongoStore) failed(op string, err error) error {
	return &Error{Namespace: s.namespace, Op: op, Err: err}
}
