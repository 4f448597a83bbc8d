package wire

import "go.mongodb.org/mongo-driver/v2/bson"

// Reply is an OP_REPLY with one document, the answer to an OP_QUERY that carried a command.
type Reply struct {
	RequestID, ResponseTo int32
	Flags                 int32
	Document              bson.Raw
}

// Decode reads a whole message and points into it.
func (r *Reply) Decode(message []byte) error {
	b := open(message, OpReply)
	*r = Reply{RequestID: getIDs(message, 4), ResponseTo: getIDs(message, 8)}
	r.Flags = b.int32("flags")
	b.take(8, "cursor id") // of no use for commands
	b.int32("start in the cursor")
	if n := b.int32("number of documents"); b.err == nil && n != 1 {
		b.fail("%d documents, want one", n)
	}
	r.Document = b.document("document")
	return b.end()
}

// Append appends the message. It fails when it is longer than MaxMessageSize.
func (r *Reply) Append(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = BeginReply(dst, r.RequestID, r.ResponseTo, r.Flags)
	return End(append(dst, r.Document...), start)
}

// BeginReply appends the start of an OP_REPLY up to its one document, for callers that write the document in place; then they call End.
func BeginReply(dst []byte, requestID, responseTo, flags int32) []byte {
	dst = begin(dst, Header{RequestID: requestID, ResponseTo: responseTo}, OpReply)
	dst = appendInt32(dst, flags)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0) // cursor
	dst = appendInt32(dst, 0)                 // start in the cursor
	return appendInt32(dst, 1)                // number of documents
}
