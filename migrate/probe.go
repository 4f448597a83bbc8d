package migrate

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/analyze"
)

var errAutomatic = errors.New("the collection is of a client with automatic encryption, which shows as plaintext what is ciphertext on the server: " +
	"take the collection of a client without")

// probe finds out whether the client decrypts what it reads. Of a client's options nothing is to be seen, so it asks the server whether values that docs
// show as plaintext are binary there. asked says that there were such values.
func (m *Migration) probe(ctx context.Context, docs []bson.Raw) (asked bool, err error) {
	path, ids, err := m.shownAsPlaintext(docs)
	if err != nil || len(ids) == 0 {
		return false, err
	}
	for range 3 { // somebody may encrypt meanwhile, and write plaintext again, but not time and again
		id, err := m.docs.binary(ctx, path, ids)
		if refused := (*analyze.RefusedError)(nil); errors.As(err, &refused) {
			return true, errAutomatic
		}
		if err != nil {
			return false, fmt.Errorf("asking for the type of field %s: %w", path, err)
		}
		if id.IsZero() {
			return true, nil
		}
		ids = []bson.RawValue{id}
		again, err := m.docs.fetch(ctx, ids)
		if err != nil {
			return false, fmt.Errorf("reading a document again: %w", err)
		}
		if len(again) == 0 || !showsPlaintext(at(again[0], path)) {
			return true, nil
		}
	}
	return true, errAutomatic
}

// shownAsPlaintext is a path, and the ids of the documents that have something there that is no ciphertext.
func (m *Migration) shownAsPlaintext(docs []bson.Raw) (path string, ids []bson.RawValue, err error) {
	for _, doc := range docs {
		leaves, err := new(walker).leavesOf(doc, m.opts.Schema.Root())
		if err != nil {
			return "", nil, err
		}
		for _, l := range leaves {
			if l.trouble == "" && showsPlaintext(l.value) && (path == "" || path == l.path) {
				path = l.path
				ids = append(ids, doc.Lookup("_id"))
				break
			}
		}
	}
	return path, ids, nil
}

// showsPlaintext says whether no server would call the value binary; an array is, where an element of it is.
func showsPlaintext(v bson.RawValue) bool {
	return !v.IsZero() && v.Type != bson.TypeBinary && v.Type != bson.TypeArray
}
