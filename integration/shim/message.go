package shim

import (
	"fmt"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/wire"
)

// message is a wire message that was read, of which one of msg, query and reply is set.
type message struct {
	bytes []byte
	msg   *wire.Msg
	query *wire.Query
	reply *wire.Reply
}

// read reads one message.
func read(r io.Reader) (m message, err error) {
	var h wire.Header
	if m.bytes, h, err = wire.Read(r, nil, wire.MaxMessageSize); err != nil {
		return m, err
	}
	switch h.OpCode {
	case wire.OpMsg:
		m.msg = &wire.Msg{}
		return m, m.msg.Decode(m.bytes)
	case wire.OpQuery:
		m.query = &wire.Query{}
		return m, m.query.Decode(m.bytes)
	case wire.OpReply:
		m.reply = &wire.Reply{}
		return m, m.reply.Decode(m.bytes)
	}
	return m, fmt.Errorf("%s is not supported", h.OpCode)
}

// body is the document of the command or of the reply, of which only the length was checked.
func (m message) body() bson.Raw {
	switch {
	case m.query != nil:
		return m.query.Document
	case m.reply != nil:
		return m.reply.Document
	}
	return m.msg.Body
}

// moreToCome says that a request wants no reply, or that another reply follows unasked.
func (m message) moreToCome() bool { return m.msg != nil && m.msg.Flags&wire.MoreToCome != 0 }

// with returns m with another document.
func (m message) with(doc bson.D) (message, error) {
	body, err := bson.Marshal(doc)
	if err != nil {
		return m, err
	}
	switch {
	case m.query != nil:
		changed := *m.query
		changed.Document = body
		m.query = &changed
		m.bytes, err = changed.Append(nil)
	case m.reply != nil:
		changed := *m.reply
		changed.Document = body
		m.reply = &changed
		m.bytes, err = changed.Append(nil)
	default:
		changed := *m.msg
		changed.Body = body
		m.msg = &changed
		m.bytes, err = changed.Append(nil)
	}
	return m, err
}

// answer returns the bytes of a reply to the request m.
func (m message) answer(doc bson.D) ([]byte, error) {
	body, err := bson.Marshal(doc)
	if err != nil {
		return nil, err
	}
	switch {
	case m.query != nil:
		return (&wire.Reply{ResponseTo: m.query.RequestID, Document: body}).Append(nil)
	case m.msg != nil:
		return (&wire.Msg{ResponseTo: m.msg.RequestID, Body: body}).Append(nil)
	}
	return nil, fmt.Errorf("%s has no reply", wire.OpReply)
}

func (m message) command() Command {
	c := Command{Body: m.body(), Message: m.bytes}
	if first, err := c.Body.IndexErr(0); err == nil {
		c.Name = first.Key()
	}
	c.DB, _ = c.Body.Lookup("$db").StringValueOK()
	return c
}

// namespace is "db.collection" for a command whose first field names a collection.
func (c Command) namespace() string {
	collection, _ := c.Body.Lookup(c.Name).StringValueOK()
	return c.DB + "." + collection
}
