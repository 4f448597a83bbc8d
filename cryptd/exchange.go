package cryptd

import (
	"bytes"
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/wire"
)

// answer answers the message in b. An error ends the connection.
func (c *connection) answer(ctx context.Context, b *buffers, held share) error {
	message := b.message
	var h wire.Header
	if err := h.Decode(message, wire.MaxMessageSize); err != nil {
		return err
	}
	compressor := wire.Noop
	if h.OpCode == wire.OpCompressed {
		var packed wire.Compressed
		err := packed.Decode(message, wire.MaxMessageSize)
		if err == nil {
			b.plain, err = c.codec.Decompress(b.plain[:0], &packed)
		}
		if err != nil {
			return err
		}
		message, compressor = b.plain, packed.Compressor
		h.OpCode = packed.OpCode
	}
	switch h.OpCode {
	case wire.OpMsg:
		return c.answerMsg(ctx, b, message, compressor, held)
	case wire.OpQuery:
		return c.answerQuery(b, message, compressor)
	}
	return &wire.Error{OpCode: h.OpCode, Reason: "not a request"}
}

func (c *connection) answerMsg(ctx context.Context, b *buffers, message []byte, compressor wire.Compressor, held share) (err error) {
	var m wire.Msg
	if err := m.Decode(message); err != nil {
		return err
	}
	if m.Flags&wire.MoreToCome != 0 {
		return nil // nobody waits for an answer, and there is nothing to do but to answer
	}
	command := m.Body
	if len(m.Sequences) > 0 {
		if b.command, err = m.AppendCommand(b.command[:0]); err != nil {
			return err
		}
		command = b.command
	}
	b.reply = wire.BeginMsg(b.reply[:0], c.number(), m.RequestID, 0)
	if !isAnalysis(commandName(command)) {
		b.reply = append(b.reply, c.run(command)...)
		return c.send(b, compressor)
	}
	select {
	case c.memory.analyses <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	b.reply = c.appendAnalysis(b.reply, command)
	more, ok := c.memory.tryMore(held, int64(cap(b.reply)))
	defer more.giveBack()
	if ok {
		<-c.memory.analyses
	} else { // far more than usual, and no room for it: no other analysis in its place until it is sent
		defer func() { <-c.memory.analyses }()
	}
	return c.send(b, compressor)
}

// appendAnalysis appends the answer to an analysis request, or the error.
func (c *connection) appendAnalysis(dst []byte, request bson.Raw) (out []byte) {
	defer func() {
		if recover() != nil { // what it says might be a value
			c.Logger.Error("a fault of this program ended an analysis; please report it", "at", faultAt())
			out = append(dst, document(failed(Internal()))...)
		}
	}()
	out, err := c.analyzer.appendAnswer(dst, "", request)
	if err != nil {
		out = append(dst, document(failed(Describe(err)))...)
	}
	return out
}

// answerQuery answers the handshake of drivers that do not know yet whether there is OP_MSG.
func (c *connection) answerQuery(b *buffers, message []byte, compressor wire.Compressor) error {
	var q wire.Query
	if err := q.Decode(message); err != nil {
		return err
	}
	command := q.Document
	if inner, ok := command.Lookup("$query").DocumentOK(); ok {
		command = inner
	}
	b.reply = wire.BeginReply(b.reply[:0], c.number(), q.RequestID, awaitCapable)
	name := string(commandName(command))
	if !bytes.HasSuffix(q.Collection, []byte(".$cmd")) || !isHello(name) {
		b.reply = append(b.reply, document(failed(notInQuery(name)))...)
	} else {
		b.reply = append(b.reply, c.run(command)...)
	}
	return c.send(b, compressor)
}

// awaitCapable is the flag that every OP_REPLY has.
const awaitCapable = 1 << 3

// send sends the reply, compressed if the request was.
func (c *connection) send(b *buffers, compressor wire.Compressor) (err error) {
	if b.reply, err = wire.End(b.reply, 0); err != nil {
		return err
	}
	message := b.reply
	if compressor != wire.Noop {
		if b.plain, err = c.codec.Compress(b.plain[:0], message, compressor); err != nil {
			return err
		}
		message = b.plain
	}
	return c.write(message)
}

// number is the id of the next message.
func (c *connection) number() int32 {
	c.sent++
	return c.sent
}

// commandName is the name of a command's first field, which is the command's; empty if there is none.
func commandName(command bson.Raw) []byte {
	it := bsonraw.Iterate(command)
	if !it.Next() {
		return nil
	}
	return it.Element.Key
}
