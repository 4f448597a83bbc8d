package keyvault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// AddKeyAltName implements Store with findAndModify and $addToSet.
func (s *MongoStore) AddKeyAltName(ctx context.Context, id payload.KeyID, name string) (*DataKey, error) {
	const op = "adding an alt name to data key "
	update := bson.D{{Key: "$addToSet", Value: bson.D{{Key: "keyAltNames", Value: name}}}}
	before, err := s.findAndModify(ctx, byID(id), update)
	return before, s.changed(op, id, err)
}

// RemoveKeyAltName implements Store with findAndModify and the update pipeline of the MongoDB driver specification; on servers that know
// no update pipelines with plain update operators. Either way every write is one atomic command, so writers at the same time do not undo
// each other. Of a key without keyAltNames the pipeline makes one with keyAltNames: null; a second command puts that right.
//
// FerretDB 1.x is the exception: it executes no update atomically, so that of changes to one document at the same time most
// are lost, whatever the client does. Change the alt names of a key from one place at a time there.
func (s *MongoStore) RemoveKeyAltName(ctx context.Context, id payload.KeyID, name string) (*DataKey, error) {
	const op = "removing an alt name from data key "
	before, err := s.findAndModify(ctx, byID(id), removeName(name))
	switch {
	case refusesPipeline(err):
		before, err = s.removeWithoutPipeline(ctx, id, name)
	case err == nil && len(before.KeyAltNames) == 0:
		err = s.unsetNull(ctx, id)
	}
	if err != nil {
		return nil, s.changed(op, id, err)
	}
	return before, nil
}

// unsetTimeout bounds unsetNull, which goes on when the caller gives up.
const unsetTimeout = 5 * time.Second

// unsetNull takes away the null that the pipeline, as the specification has it, makes of a missing keyAltNames: other drivers cannot read a
// key with it, and a unique index takes two such keys for duplicates.
func (s *MongoStore) unsetNull(ctx context.Context, id payload.KeyID) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unsetTimeout)
	defer cancel()
	null := append(byID(id), bson.E{Key: "keyAltNames", Value: bson.D{{Key: "$type", Value: "null"}}})
	unset := bson.D{{Key: "$unset", Value: bson.D{{Key: "keyAltNames", Value: ""}}}}
	if _, err := s.coll.UpdateOne(withoutSession(ctx), null, unset); err != nil {
		return fmt.Errorf("it had none and its keyAltNames may be null now, which other drivers cannot read until the field is unset: %w", err)
	}
	return nil
}

// removeName is the update that the MongoDB driver specification gives: without the name, or without the field when it was the
// last one.
func removeName(name string) mongo.Pipeline {
	rest := bson.D{{Key: "$filter", Value: bson.D{
		{Key: "input", Value: "$keyAltNames"},
		{Key: "cond", Value: bson.D{{Key: "$ne", Value: bson.A{"$$this", name}}}},
	}}}
	isLast := bson.D{{Key: "$eq", Value: bson.A{"$keyAltNames", bson.A{name}}}}
	return mongo.Pipeline{{{Key: "$set", Value: bson.D{{Key: "keyAltNames", Value: bson.D{
		{Key: "$cond", Value: bson.A{isLast, "$$REMOVE", rest}},
	}}}}}}
}

// refusesPipeline tells a server that cannot update with a pipeline, by the codes that such servers answer with. A wrong guess is
// harmless: removeWithoutPipeline has the same result.
func refusesPipeline(err error) bool {
	return answeredWith(err,
		9,     // FailedToParse
		14,    // TypeMismatch: MongoDB before 4.2
		115,   // CommandNotSupported
		168,   // InvalidPipelineOperator
		238,   // NotImplemented: FerretDB 1.x
		303,   // feature not supported: Amazon DocumentDB
		40324) // unrecognized stage
}

// removeAttempts bounds removeWithoutPipeline: an attempt fails only when other writers added or removed names in the middle of it.
const removeAttempts = 10

// removeWithoutPipeline has one command for the last name, which takes the field along, and one for a name among others. A list that
// was empty for a moment would collide with another key's in the unique index.
func (s *MongoStore) removeWithoutPipeline(ctx context.Context, id payload.KeyID, name string) (*DataKey, error) {
	isLast := append(byID(id), bson.E{Key: "keyAltNames", Value: bson.A{name}})
	unset := bson.D{{Key: "$unset", Value: bson.D{{Key: "keyAltNames", Value: ""}}}}
	amongOthers := append(byID(id), bson.E{Key: "keyAltNames", Value: name},
		bson.E{Key: "keyAltNames.1", Value: bson.D{{Key: "$exists", Value: true}}})
	pull := bson.D{{Key: "$pullAll", Value: bson.D{{Key: "keyAltNames", Value: bson.A{name}}}}}
	for range removeAttempts {
		before, err := s.findAndModify(ctx, isLast, unset)
		if errors.Is(err, mongo.ErrNoDocuments) {
			before, err = s.findAndModify(ctx, amongOthers, pull)
		}
		if !errors.Is(err, mongo.ErrNoDocuments) {
			return before, err
		}
		before, err = s.findOne(ctx, id)
		if err != nil || !slices.Contains(before.KeyAltNames, name) {
			return before, err
		}
	}
	return nil, fmt.Errorf("other writers changed its alt names %d times meanwhile; try again", removeAttempts)
}

func (s *MongoStore) findAndModify(ctx context.Context, filter, update any) (*DataKey, error) {
	return parsed(s.coll.FindOneAndUpdate(withoutSession(ctx), filter, update))
}

func (s *MongoStore) findOne(ctx context.Context, id payload.KeyID) (*DataKey, error) {
	return parsed(s.coll.FindOne(withoutSession(ctx), byID(id)))
}

// documentError marks an error about a document, not about the server.
type documentError struct{ error }

func parsed(result *mongo.SingleResult) (*DataKey, error) {
	doc, err := result.Raw()
	if err != nil {
		return nil, err
	}
	key, err := ParseDataKey(doc)
	if err != nil {
		return nil, documentError{err}
	}
	return key, nil
}

// changed makes the error that callers see.
func (s *MongoStore) changed(op string, id payload.KeyID, err error) error {
	var malformed documentError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, mongo.ErrNoDocuments):
		return fmt.Errorf("key vault %s: %w", s.namespace, notFound(id))
	case errors.As(err, &malformed):
		return fmt.Errorf("key vault %s: %w", s.namespace, malformed.error)
	default:
		return s.failed(op+id.String(), err)
	}
}
