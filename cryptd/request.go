package cryptd

import (
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// maxRequest is as long as a message of the wire protocol may be, in bytes.
const maxRequest = 48_000_000

var errRequestTooLong = errors.New("a request must not be longer than the 48,000,000 bytes of a message")

// request is an analysis request: a command, and what libmongocrypt has added to it.
type request struct {
	doc    []byte
	db     string
	size   int // bytes of the command, at most
	nested bool

	jsonSchema, isRemote, several bson.RawValue // of type 0 when they are not there
	queryable                     bson.RawValue // the encryption information of Queryable Encryption
}

// field is where a request keeps the value of a field that is no part of the command; nil for one that is.
func (r *request) field(name []byte) *bson.RawValue {
	switch string(name) {
	case "jsonSchema":
		return &r.jsonSchema
	case "isRemoteSchema":
		return &r.isRemote
	case "csfleEncryptionSchemas":
		return &r.several
	case "encryptionInformation":
		return &r.queryable
	}
	return nil
}

// read finds what was added to a command.
func read(db string, doc bson.Raw) (request, error) {
	r := request{doc: doc, db: db}
	if len(doc) > maxRequest {
		return r, errRequestTooLong
	}
	it := bsonraw.Iterate(doc)
	for it.Next() {
		e := it.Element
		switch field := r.field(e.Key); {
		case field != nil:
			if err := r.set(field, e); err != nil {
				return r, err
			}
		case string(e.Key) == "$db":
			if err := r.database(e.RawValue()); err != nil {
				return r, err
			}
		default:
			r.size += len(e.Raw)
			if err := r.readNested(e); err != nil {
				return r, err
			}
		}
	}
	if it.Err == nil && r.db == "" {
		return r, refuse(ruleDatabase, "$db")
	}
	return r, it.Err
}

// set notes a field that may be there once: which of two a reader takes would decide on what is encrypted.
func (r *request) set(field *bson.RawValue, e bsonraw.Element) error {
	if field.Type != 0 {
		return refuse(ruleTwice, string(e.Key))
	}
	*field = e.RawValue()
	return nil
}

// database takes the request's own $db, which must be the one that was given, if one was.
func (r *request) database(v bson.RawValue) error {
	if v.Type != bson.TypeString {
		return refuse(ruleShape, "$db")
	}
	name := v.Value[4 : len(v.Value)-1]
	if r.db == "" {
		r.db = string(name)
	}
	if string(name) != r.db || r.db == "" {
		return refuse(ruleDatabase, "$db")
	}
	return nil
}

// carries says whether an element of a command is where libmongocrypt puts encryptionInformation instead of at the end: the document in
// explain, or the entries of nsInfo in bulkWrite.
func (r *request) carries(e bsonraw.Element) bool {
	switch string(e.Key) {
	case "explain":
		return e.Type == bson.TypeEmbeddedDocument
	case "nsInfo":
		return e.Type == bson.TypeArray
	}
	return false
}

// readNested looks for encryptionInformation inside an element of the command.
func (r *request) readNested(e bsonraw.Element) error {
	if !r.carries(e) {
		return nil
	}
	it := bsonraw.Iterate(e.Value)
	for it.Next() {
		inner := it.Element
		switch {
		case e.Type == bson.TypeEmbeddedDocument && string(inner.Key) == "encryptionInformation":
			r.nested = true
			if err := r.set(&r.queryable, inner); err != nil {
				return err
			}
		case e.Type == bson.TypeArray && inner.Type == bson.TypeEmbeddedDocument:
			if err := r.readEntry(inner.Value); err != nil {
				return err
			}
		}
	}
	return it.Err
}

// readEntry looks for encryptionInformation in an entry of nsInfo.
func (r *request) readEntry(entry []byte) error {
	it := bsonraw.Iterate(entry)
	for it.Next() {
		if string(it.Element.Key) != "encryptionInformation" {
			continue
		}
		r.nested = true
		if err := r.set(&r.queryable, it.Element); err != nil {
			return err
		}
	}
	return it.Err
}

// appendCommand appends the command without what was added to it.
func (r *request) appendCommand(dst []byte) ([]byte, error) {
	dst, start := bsonraw.Begin(dst)
	it := bsonraw.Iterate(r.doc)
	for it.Next() {
		e := it.Element
		switch {
		case r.field(e.Key) != nil || string(e.Key) == "$db":
		case r.nested && r.carries(e):
			dst = appendWithout(bsonraw.AppendKey(dst, e.Type, e.Key), e.Value, e.Type == bson.TypeArray)
		default:
			dst = append(dst, e.Raw...)
		}
	}
	return bsonraw.End(dst, start), it.Err
}

// appendWithout appends a document without encryptionInformation, or a list of such documents. doc was read before.
func appendWithout(dst, doc []byte, isList bool) []byte {
	dst, start := bsonraw.Begin(dst)
	it := bsonraw.Iterate(doc)
	for it.Next() {
		e := it.Element
		switch {
		case isList && e.Type == bson.TypeEmbeddedDocument:
			dst = appendWithout(bsonraw.AppendKey(dst, e.Type, e.Key), e.Value, false)
		case isList || string(e.Key) != "encryptionInformation":
			dst = append(dst, e.Raw...)
		}
	}
	return bsonraw.End(dst, start)
}
