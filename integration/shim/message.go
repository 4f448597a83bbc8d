package shim

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Numbers of the wire protocol (MongoDB manual, "MongoDB Wire Protocol").
const (
	opReply = 1
	opQuery = 2004 // a connection's first hello
	opMsg   = 2013

	headerSize     = 16 // length, request id, response to, opcode: int32 each
	maxMessage     = 48_000_000
	checksumFlag   = 1 << 0
	moreToComeFlag = 1 << 1
)

// message is a wire message; bytes[start:end] is the document of the command or of the reply, of which only the length was checked.
type message struct {
	bytes      []byte
	start, end int
}

// read reads one message. Memory grows with what arrives, not with what the header promises.
func read(r io.Reader) (message, error) {
	var b bytes.Buffer
	if _, err := io.CopyN(&b, r, headerSize); err != nil {
		return message{}, err
	}
	size := int32(binary.LittleEndian.Uint32(b.Bytes()))
	if size < headerSize || size > maxMessage {
		return message{}, fmt.Errorf("message length %d, want %d to %d", size, headerSize, maxMessage)
	}
	if _, err := io.CopyN(&b, r, int64(size-headerSize)); err != nil {
		return message{}, err
	}
	return parse(b.Bytes())
}

// parse finds the document in a message of at least headerSize bytes.
func parse(b []byte) (message, error) {
	m := message{bytes: b}
	switch m.opcode() {
	case opMsg:
		m.start = headerSize + 5 // flags, kind of the first section: 0, body
		if len(b) > m.start && b[m.start-1] != 0 {
			return m, errors.New("OP_MSG whose first section is not a body")
		}
	case opQuery:
		name := bytes.IndexByte(b[min(headerSize+4, len(b)):], 0) // after the flags
		m.start = headerSize + 4 + max(name, 0) + 1 + 8           // collection, skip, return
	case opReply:
		m.start = headerSize + 20 // flags, cursor id, from, returned
	default:
		return m, fmt.Errorf("opcode %d is not supported", m.opcode())
	}
	if len(b) < m.start+5 {
		return m, fmt.Errorf("message of %d bytes ends before its document", len(b))
	}
	size := int32(binary.LittleEndian.Uint32(b[m.start:]))
	if size < 5 || int64(size) > int64(len(b)-m.start) {
		return m, fmt.Errorf("document length %d, but %d bytes left in the message", size, len(b)-m.start)
	}
	m.end = m.start + int(size)
	return m, nil
}

func (m message) opcode() uint32 { return binary.LittleEndian.Uint32(m.bytes[12:]) }
func (m message) flags() uint32  { return binary.LittleEndian.Uint32(m.bytes[headerSize:]) }
func (m message) body() bson.Raw { return m.bytes[m.start:m.end] }

// moreToCome says that a request wants no reply, or that another reply follows unasked.
func (m message) moreToCome() bool { return m.opcode() == opMsg && m.flags()&moreToComeFlag != 0 }

// with returns m with another document.
func (m message) with(doc bson.D) (message, error) {
	body, err := bson.Marshal(doc)
	if err != nil {
		return m, err
	}
	b := slices.Concat(m.bytes[:m.start], body, m.bytes[m.end:])
	if m.opcode() == opMsg && m.flags()&checksumFlag != 0 && len(b) > m.start+len(body)+3 {
		b = b[:len(b)-4] // the checksum is optional
		b[headerSize] &^= checksumFlag
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	return message{b, m.start, m.start + len(body)}, nil
}

// answer returns the bytes of a reply to the request m.
func (m message) answer(doc bson.D) ([]byte, error) {
	reply := message{bytes: make([]byte, headerSize+5)}
	opcode := uint32(opMsg)
	if m.opcode() == opQuery {
		reply.bytes = make([]byte, headerSize+20)
		reply.bytes[headerSize+16] = 1 // documents returned
		opcode = opReply
	}
	reply.start, reply.end = len(reply.bytes), len(reply.bytes)
	copy(reply.bytes[8:12], m.bytes[4:8]) // response to: request id
	binary.LittleEndian.PutUint32(reply.bytes[12:], opcode)
	reply, err := reply.with(doc)
	return reply.bytes, err
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
