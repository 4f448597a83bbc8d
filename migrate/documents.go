package migrate

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// documents is what a migration asks of a collection.
type documents interface {
	// check refuses what cannot be migrated, such as a view. The identity is another one when the collection has been dropped and made anew; "" when the
	// server does not tell.
	check(ctx context.Context, fields []string) (identity string, err error)
	// estimate is about how many documents there are.
	estimate(ctx context.Context) (int64, error)
	// bounds cuts the bracket into parts of step documents: the last _id of each part but the last.
	bounds(ctx context.Context, b bracket, step int64) ([]bson.RawValue, error)
	// scan reads the documents of s whose _id is greater than resumed, if that is given, in the order of _id. It survives the loss of the cursor.
	// The documents are each's own.
	scan(ctx context.Context, s span, resumed bson.RawValue, batch func() int, each func([]bson.Raw) error) error
	// fetch reads the documents of these ids that are there.
	fetch(ctx context.Context, ids []bson.RawValue) ([]bson.Raw, error)
	// binary finds one of these ids whose document has binary data at the path; the zero value when there is none.
	binary(ctx context.Context, path string, ids []bson.RawValue) (bson.RawValue, error)
	// update makes the edits whose old values are all there. It tells how many were, and which ones the server refused, by index. After an error it is
	// not known which edits were made.
	update(ctx context.Context, edits []edit) (matched int64, refused map[int]int, err error)
	// swap makes one edit and returns the document as it was just before; nil when no document fitted. Both a document and an error: the edit was made, but
	// it is not known to outlive the loss of a server.
	swap(ctx context.Context, e edit) (bson.Raw, error)
}
