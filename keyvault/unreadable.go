package keyvault

import (
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// UnreadableError says that some documents of the key vault are not data keys: foreign, damaged, or of a later format. It comes alongside the data
// keys that could be read, so that one bad document does not take the others away.
type UnreadableError struct {
	Namespace string // "db.coll"; empty for a MemoryStore
	Documents []Unreadable
}

// Unreadable is a document that is not a data key.
type Unreadable struct {
	ID  bson.RawValue // its _id as stored; a missing _id has type 0
	Err error         // what is wrong: names the field, never a value
}

// NewUnreadable says what is wrong with a document that ParseDataKey refused with err. It does not share memory with doc.
func NewUnreadable(doc bson.Raw, err error) Unreadable {
	id, lookupErr := doc.LookupErr("_id")
	if lookupErr != nil {
		return Unreadable{Err: err}
	}
	u := Unreadable{ID: bson.RawValue{Type: id.Type, Value: append([]byte(nil), id.Value...)}, Err: err}
	if _, ok := keyID(id); !ok {
		u.Err = fmt.Errorf("document with %s: %w", describeID(id), err)
	}
	return u
}

// describeID names an _id that is no key's; of types that can hold anything, only the type.
func describeID(id bson.RawValue) string {
	if oid, ok := id.ObjectIDOK(); ok {
		return "_id " + oid.Hex()
	}
	if n, ok := id.AsInt64OK(); ok && id.Type != bson.TypeDouble {
		return fmt.Sprintf("_id %d", n)
	}
	return "an _id of type " + typeName(id)
}

// errorsShown bounds the text of an UnreadableError.
const errorsShown = 3

func (e *UnreadableError) Error() string {
	where := "key vault"
	if e.Namespace != "" {
		where += " " + e.Namespace
	}
	var parts []string
	for i, d := range e.Documents {
		if i == errorsShown {
			parts = append(parts, "…")
			break
		}
		parts = append(parts, d.Err.Error())
	}
	if len(e.Documents) == 1 {
		return where + ": " + parts[0]
	}
	return fmt.Sprintf("%s: %d documents are not data keys: %s", where, len(e.Documents), strings.Join(parts, "; "))
}

// find returns what is wrong with the document of this id.
func (e *UnreadableError) find(id payload.KeyID) (error, bool) {
	for _, d := range e.Documents {
		if got, ok := keyID(d.ID); ok && got == id {
			return d.Err, true
		}
	}
	return nil, false
}

// reader collects documents: data keys, and what is not.
type reader struct {
	keys       []*DataKey
	unreadable []Unreadable
}

func (r *reader) read(doc bson.Raw) error {
	key, err := ParseDataKey(doc)
	if err != nil {
		r.unreadable = append(r.unreadable, NewUnreadable(doc, err))
		return nil
	}
	r.keys = append(r.keys, key)
	return nil
}

// result returns the keys, with an *UnreadableError if there is reason.
func (r *reader) result(namespace string) ([]*DataKey, error) {
	if len(r.unreadable) > 0 {
		return r.keys, &UnreadableError{Namespace: namespace, Documents: r.unreadable}
	}
	return r.keys, nil
}
