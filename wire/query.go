package wire

import "go.mongodb.org/mongo-driver/v2/bson"

// Query is an OP_QUERY. What is left of it is a connection's first hello or isMaster, on the collection "$cmd" of a database.
type Query struct {
	RequestID, ResponseTo int32
	Flags                 int32
	Collection            []byte // "admin.$cmd"
	Skip, Return          int32
	Document              bson.Raw
	Fields                bson.Raw // nil: not given
}

// Decode reads a whole message and points into it.
func (q *Query) Decode(message []byte) error {
	b := open(message, OpQuery)
	*q = Query{RequestID: getIDs(message, 4), ResponseTo: getIDs(message, 8)}
	q.Flags = b.int32("flags")
	q.Collection = b.cstring("collection")
	q.Skip = b.int32("number to skip")
	q.Return = b.int32("number to return")
	q.Document = b.document("query")
	if len(b.rest) > 0 {
		q.Fields = b.document("selector of fields")
	}
	return b.end()
}

// Append appends the message. It fails when it is longer than MaxMessageSize.
func (q *Query) Append(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = begin(dst, Header{RequestID: q.RequestID, ResponseTo: q.ResponseTo}, OpQuery)
	dst = appendInt32(dst, q.Flags)
	dst = append(append(dst, q.Collection...), 0)
	dst = appendInt32(appendInt32(dst, q.Skip), q.Return)
	dst = append(append(dst, q.Document...), q.Fields...)
	return End(dst, start)
}
