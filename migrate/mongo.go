package migrate

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// maxBatchBytes bounds what one worker reads at a time; it holds two batches.
const maxBatchBytes = 8 << 20

// mongoDocuments is a collection on a server.
type mongoDocuments struct {
	*mongo.Collection
	collation *options.Collation // nil when the collection has none of its own
	log       *slog.Logger
}

var _ documents = (*mongoDocuments)(nil)

func newMongoDocuments(c *mongo.Collection, log *slog.Logger) *mongoDocuments {
	return &mongoDocuments{Collection: safely(c), log: log}
}

// safely is the collection with concerns under which a read value is committed, and a write outlives the loss of a server.
func safely(c *mongo.Collection) *mongo.Collection {
	return c.Clone(options.Collection().SetReadConcern(readconcern.Majority()).SetWriteConcern(writeconcern.Majority()).SetReadPreference(readpref.Primary()))
}

func (d *mongoDocuments) check(ctx context.Context, fields []string) (identity string, err error) {
	cursor, err := d.Database().ListCollections(ctx, bson.D{{Key: "name", Value: d.Name()}})
	if err != nil {
		return "", fmt.Errorf("asking for the options of the collection (which needs the privilege listCollections): %w", err)
	}
	var infos []struct {
		Name, Type string
		Options    struct{ Collation bson.Raw }
		Info       bson.Raw
	}
	if err := cursor.All(ctx, &infos); err != nil {
		return "", err
	}
	for _, info := range infos {
		if info.Name != d.Name() {
			continue
		}
		if info.Type != "" && info.Type != "collection" {
			return "", fmt.Errorf("%s is a %s, not a collection", d.namespace(), info.Type)
		}
		if info.Options.Collation != nil {
			d.collation = &options.Collation{Locale: "simple"} // that equal strings are the same bytes
		}
		_, uuid, _ := info.Info.Lookup("uuid").BinaryOK()
		return hex.EncodeToString(uuid), d.checkShardKey(ctx, fields)
	}
	return "", fmt.Errorf("there is no collection %s", d.namespace())
}

func (d *mongoDocuments) namespace() string { return d.Database().Name() + "." + d.Name() }

// checkShardKey refuses to change fields that say where in a cluster a document lives.
func (d *mongoDocuments) checkShardKey(ctx context.Context, fields []string) error {
	const commandNotFound = 59
	hello, err := d.Database().RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Raw()
	if old := mongo.ServerError(nil); errors.As(err, &old) && old.HasErrorCode(commandNotFound) {
		hello, err = d.Database().RunCommand(ctx, bson.D{{Key: "isMaster", Value: 1}}).Raw()
	}
	if err != nil {
		return err
	}
	if msg, _ := hello.Lookup("msg").StringValueOK(); msg != "isdbgrid" {
		return nil
	}
	entry, err := d.Database().Client().Database("config").Collection("collections").FindOne(ctx, bson.D{{Key: "_id", Value: d.namespace()}}).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("asking for the shard key in config.collections: %w", err)
	}
	key, _ := entry.Lookup("key").DocumentOK()
	it := bsonraw.Iterate(key)
	for len(key) > 0 && it.Next() {
		for _, field := range fields {
			if name := string(it.Element.Key); overlap(name, field) {
				return fmt.Errorf("the encrypted field %s is in the shard key (%s): it cannot be changed in place", field, name)
			}
		}
	}
	return nil
}

// overlap says whether one path is the other or lies above it. Patterns and "*" in a schema's path may be any name.
func overlap(path, field string) bool {
	a, b := strings.Split(path, "."), strings.Split(field, ".")
	for i := range min(len(a), len(b)) {
		if wild := strings.HasPrefix(b[i], "/") || b[i] == "*"; wild {
			return true
		}
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func (d *mongoDocuments) estimate(ctx context.Context) (int64, error) {
	return d.EstimatedDocumentCount(ctx)
}

var inOrder = bson.D{{Key: "_id", Value: 1}}

func (d *mongoDocuments) bounds(ctx context.Context, b bracket, step int64) ([]bson.RawValue, error) {
	var all []bson.RawValue
	opts := options.FindOne().SetSort(inOrder).SetSkip(step - 1).SetProjection(inOrder)
	for s := (span{bracket: b}); ; {
		found, err := d.FindOne(ctx, s.filter(bson.RawValue{}), opts).Raw()
		if errors.Is(err, mongo.ErrNoDocuments) {
			return all, nil
		}
		if err != nil {
			if server := mongo.ServerError(nil); errors.As(err, &server) && !passing(err) {
				return nil, nil // it cannot compare _ids of this kind: they stay one range
			}
			return nil, err
		}
		s.after = found.Lookup("_id")
		if isNaN(s.after) || len(all) > 0 && s.after.Equal(all[len(all)-1]) { // a server that does not know the order of such _ids
			return all, nil
		}
		all = append(all, s.after)
	}
}

// maxLosses is how often in a row, without any document read in between, a cursor may be lost.
const maxLosses = 8

func (d *mongoDocuments) scan(ctx context.Context, s span, resumed bson.RawValue, batch func() int, each func([]bson.Raw) error) error {
	for losses := 0; ; losses++ {
		before := resumed
		stop, err := d.scanOnce(ctx, s, &resumed, batch, each)
		if err == nil || stop || !passing(err) || ctx.Err() != nil {
			return err
		}
		if !resumed.Equal(before) {
			losses = 0
		}
		if losses == maxLosses {
			return err
		}
		d.log.WarnContext(ctx, "the server did not answer, it is asked again for documents", "tries", losses+1)
		if err := pause(ctx, losses); err != nil {
			return err
		}
	}
}

// scanOnce reads with one cursor; resumed follows. stop says that the error is not the cursor's.
func (d *mongoDocuments) scanOnce(ctx context.Context, s span, resumed *bson.RawValue, batch func() int, each func([]bson.Raw) error) (stop bool, err error) {
	cursor, err := d.Find(ctx, s.filter(*resumed), options.Find().SetSort(inOrder).SetBatchSize(int32(batch())))
	if err != nil {
		return false, err
	}
	defer cursor.Close(context.WithoutCancel(ctx))
	var docs []bson.Raw
	var bytes []byte // of docs
	flush := func() error {
		if len(docs) == 0 {
			return nil
		}
		if err := each(docs); err != nil {
			return err
		}
		*resumed = docs[len(docs)-1].Lookup("_id")
		docs, bytes = make([]bson.Raw, 0, len(docs)), make([]byte, 0, len(bytes))
		return nil
	}
	for size := 0; cursor.Next(ctx); {
		bytes = append(bytes, cursor.Current...)
		docs = append(docs, bytes[len(bytes)-len(cursor.Current):len(bytes):len(bytes)])
		if size += len(cursor.Current); len(docs) < batch() && size < maxBatchBytes {
			continue
		}
		if err := flush(); err != nil {
			return true, err
		}
		size = 0
	}
	if err := cursor.Err(); err != nil {
		return false, err
	}
	return true, flush()
}

func (d *mongoDocuments) fetch(ctx context.Context, ids []bson.RawValue) ([]bson.Raw, error) {
	var filter any = bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}
	if len(ids) == 1 {
		dst, start := bsonraw.Begin(nil)
		filter = bson.Raw(bsonraw.End(appendID(dst, ids[0]), start))
	}
	cursor, err := d.Find(ctx, filter)
	if err != nil {
		return nil, err
	}
	var docs []bson.Raw
	err = cursor.All(ctx, &docs)
	return docs, err
}

func (d *mongoDocuments) binary(ctx context.Context, path string, ids []bson.RawValue) (bson.RawValue, error) {
	filter := bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}, {Key: path, Value: bson.D{{Key: "$type", Value: "binData"}}}}
	found, err := d.FindOne(ctx, filter, options.FindOne().SetProjection(inOrder)).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return bson.RawValue{}, nil
	}
	return found.Lookup("_id"), err
}

func (d *mongoDocuments) update(ctx context.Context, edits []edit) (matched int64, refused map[int]int, err error) {
	models := make([]mongo.WriteModel, len(edits))
	for i, e := range edits {
		one := mongo.NewUpdateOneModel().SetFilter(e.filter()).SetUpdate(e.update())
		if d.collation != nil {
			one.SetCollation(d.collation)
		}
		models[i] = one
	}
	result, err := d.BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
	if result != nil {
		matched = result.MatchedCount
	}
	var bulk mongo.BulkWriteException
	if !errors.As(err, &bulk) {
		return matched, nil, err
	}
	if bulk.WriteConcernError != nil || len(bulk.WriteErrors) == 0 {
		bulk.WriteErrors = nil // they tell values: the keys of a unique index, what a validator refuses
		return matched, nil, bulk
	}
	refused = map[int]int{}
	for _, e := range bulk.WriteErrors {
		refused[e.Index] = e.Code
	}
	return matched, refused, nil
}

func (d *mongoDocuments) swap(ctx context.Context, e edit) (bson.Raw, error) {
	opts := options.FindOneAndUpdate().SetReturnDocument(options.Before)
	if d.collation != nil {
		opts.SetCollation(d.collation)
	}
	before, err := d.FindOneAndUpdate(ctx, e.filter(), e.update(), opts).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, nil
	}
	if unsafe := (mongo.WriteException{}); errors.As(err, &unsafe) && unsafe.WriteConcernError != nil {
		before, _ = unsafe.Raw.Lookup("value").DocumentOK()
		return before, mongo.WriteException{WriteConcernError: unsafe.WriteConcernError, Labels: unsafe.Labels} // without the document
	}
	return before, err
}
