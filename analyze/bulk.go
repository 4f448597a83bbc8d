package analyze

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// bulkStatements are the fields of the operations of the server's bulkWrite command, by their first field, whose value is the index of the
// operation's collection in nsInfo. Each operation is judged by the schema of its own collection, however many the command names
// (drivers that encrypt with libmongocrypt let one through only).
//
// Source: MongoDB manual, "bulkWrite" (database command, 8.0).
var bulkStatements = map[string]parts{
	"insert": {"insert": partPass, "document": partDocument},
	"update": {
		"update": partPass, "filter": partFilter, "updateMods": partUpdate, "multi": partPass, "upsert": partPass, "collation": partPass,
		"hint": partHint, "arrayFilters": partArrayFilters, "sort": partSort, "constants": partConstants,
	},
	"delete": {"delete": partPass, "filter": partFilter, "multi": partPass, "collation": partPass, "hint": partHint},
}

// bulkOperations writes the operations of a bulkWrite.
func (a *analysis) bulkOperations(dst []byte, list bsonraw.Element) ([]byte, error) {
	if list.Type != bson.TypeArray {
		return nil, a.refuse(ruleMalformed, "ops")
	}
	dst, start := bsonraw.BeginArray(dst, list.Key)
	it := bsonraw.Iterate(list.Value)
	for it.Next() {
		if it.Element.Type != bson.TypeEmbeddedDocument {
			return nil, a.refuse(ruleMalformed, "ops")
		}
		var err error
		dst = bsonraw.AppendKey(dst, it.Element.Type, it.Element.Key)
		if dst, err = a.bulkOperation(dst, it.Element.Value); err != nil {
			return nil, err
		}
	}
	return bsonraw.End(dst, start), it.Err
}

// bulkOperation writes one operation; as it is when its collection encrypts nothing.
func (a *analysis) bulkOperation(dst, operation []byte) ([]byte, error) {
	fields, index, err := a.bulkTarget(operation)
	if err != nil {
		return nil, err
	}
	own, root := a.schema, a.root
	a.use(a.target.Namespaces[index])
	if a.root.Encrypts() {
		dst, err = a.statement(dst, operation, fields)
	} else {
		dst = append(dst, operation...)
	}
	a.schema, a.root = own, root
	return dst, err
}

// bulkTarget gives the fields that an operation may have, and the index of its collection. An operation that reads like two is refused:
// which of them a server takes is not certain.
func (a *analysis) bulkTarget(operation []byte) (fields parts, index int, err error) {
	it := bsonraw.Iterate(operation)
	for first := true; it.Next(); first = false {
		found, isKind := bulkStatements[string(it.Element.Key)]
		switch {
		case first && !isKind:
			return nil, 0, a.refuse(ruleBulkOperation, string(it.Element.Key))
		case !isKind:
			continue
		case !first:
			return nil, 0, a.refuse(ruleBulkOperation, string(it.Element.Key))
		}
		fields = found
		n, isInteger := integer(it.Element.RawValue())
		if !isInteger || n < 0 || n >= int64(len(a.target.Namespaces)) {
			return nil, 0, a.refuse(ruleBulkIndex, string(it.Element.Key))
		}
		index = int(n)
	}
	if it.Err == nil && fields == nil {
		return nil, 0, a.refuse(ruleBulkOperation, "ops")
	}
	return fields, index, it.Err
}

// bulkEntries checks the entries of nsInfo, which Classify has read already: whatever else they hold would go to the server unread.
func (a *analysis) bulkEntries(list bson.RawValue) error {
	it := bsonraw.Iterate(list.Value)
	for it.Next() {
		entry := it.Element.Value
		fields := bsonraw.Iterate(entry)
		for fields.Next() {
			switch name := string(fields.Element.Key); {
			case name != "ns" && name != "collectionUUID":
				return a.refuse(ruleCommandField, name)
			case repeats(entry, fields.Element):
				return a.refuse(ruleFieldTwice, name)
			}
		}
		if fields.Err != nil {
			return fields.Err
		}
	}
	return it.Err
}

func integer(v bson.RawValue) (int64, bool) {
	switch v.Type {
	case bson.TypeInt32:
		return int64(v.Int32()), true
	case bson.TypeInt64:
		return v.Int64(), true
	}
	return 0, false
}
