package wire

import (
	"encoding/binary"
	"io"
	"slices"
)

const (
	// HeaderSize is the length in bytes of what every message begins with.
	HeaderSize = 16
	// MaxMessageSize is the longest message in bytes, header included, that servers and drivers take (maxMessageSizeBytes of hello).
	MaxMessageSize = 48_000_000
)

// OpCode is the kind of a message.
type OpCode int32

// The kinds of messages that are in use. All others ended with MongoDB 5.1.
const (
	OpReply      OpCode = 1 // only in answer to OpQuery
	OpQuery      OpCode = 2004
	OpCompressed OpCode = 2012
	OpMsg        OpCode = 2013
)

// String is the name that the manual has for it.
func (c OpCode) String() string {
	switch c {
	case OpReply:
		return "OP_REPLY"
	case OpQuery:
		return "OP_QUERY"
	case OpCompressed:
		return "OP_COMPRESSED"
	case OpMsg:
		return "OP_MSG"
	}
	return "an unknown opcode"
}

// Header is what every message begins with.
type Header struct {
	Length     int32 // of the message in bytes, header included; the encoders set it
	RequestID  int32 // chosen by the sender
	ResponseTo int32 // the RequestID that a reply answers
	OpCode     OpCode
}

// Decode reads the header at the start of a message and checks that its length is from HeaderSize to limit and to MaxMessageSize.
func (h *Header) Decode(message []byte, limit int) error {
	if len(message) < HeaderSize {
		return malformed(0, "%d bytes, want a header of %d", len(message), HeaderSize)
	}
	h.Length = getInt32(message)
	h.RequestID = getInt32(message[4:])
	h.ResponseTo = getInt32(message[8:])
	h.OpCode = OpCode(getInt32(message[12:]))
	if limit = min(limit, MaxMessageSize); h.Length < HeaderSize || int(h.Length) > limit {
		return malformed(h.OpCode, "message length %d, want %d to %d", h.Length, HeaderSize, limit)
	}
	return nil
}

// Append appends the header.
func (h Header) Append(dst []byte) []byte {
	dst = appendInt32(dst, h.Length)
	dst = appendInt32(dst, h.RequestID)
	dst = appendInt32(dst, h.ResponseTo)
	return appendInt32(dst, int32(h.OpCode))
}

// firstPart is how much room a message gets before any of it has come.
const firstPart = 64 << 10

// Read reads one whole message of at most limit bytes into buf, which grows with what arrives, not with what the header promises. The
// error is io.EOF when r ended before the message began, io.ErrUnexpectedEOF when it ended inside, an *Error for a bad header, or that of r.
func Read(r io.Reader, buf []byte, limit int) (message []byte, h Header, err error) {
	buf = slices.Grow(buf[:0], HeaderSize)[:HeaderSize]
	if _, err = io.ReadFull(r, buf); err != nil {
		return buf[:0], h, err
	}
	if err = h.Decode(buf, limit); err != nil {
		return buf[:0], h, err
	}
	for size := int(h.Length); len(buf) < size; {
		have := len(buf)
		room := min(size, max(cap(buf), 2*have, firstPart))
		buf = slices.Grow(buf, room-have)[:room]
		if _, err = io.ReadFull(r, buf[have:]); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return buf[:0], h, err
		}
	}
	return buf, h, nil
}

// begin appends a header whose length end sets.
func begin(dst []byte, h Header, code OpCode) []byte {
	h.Length, h.OpCode = 0, code
	return h.Append(dst)
}

// End sets the length of the message that begins at start and goes to the end of dst. A message without a checksum is then complete. It
// fails when the message is longer than MaxMessageSize.
func End(dst []byte, start int) ([]byte, error) {
	size := len(dst) - start
	if size > MaxMessageSize {
		return dst, malformed(OpCode(getInt32(dst[start+12:])), "%d bytes to send, want %d at most", size, MaxMessageSize)
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(size))
	return dst, nil
}

func getInt32(b []byte) int32 { return int32(binary.LittleEndian.Uint32(b)) }

func appendInt32(dst []byte, v int32) []byte { return binary.LittleEndian.AppendUint32(dst, uint32(v)) }
