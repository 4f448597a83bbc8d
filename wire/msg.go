package wire

import (
	"hash/crc32"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// MsgFlags are the flag bits of an OP_MSG. Bits 0 to 15 must be understood by whoever gets them.
type MsgFlags uint32

const (
	// ChecksumPresent says that the message ends with its CRC-32C.
	ChecksumPresent MsgFlags = 1 << 0
	// MoreToCome on a request asks for no reply; on a reply it says that another one follows unasked.
	MoreToCome MsgFlags = 1 << 1
	// ExhaustAllowed on a request permits replies with MoreToCome.
	ExhaustAllowed MsgFlags = 1 << 16

	required = MsgFlags(0xffff)
	known    = ChecksumPresent | MoreToCome
)

// The kinds of sections.
const (
	kindBody     = 0
	kindSequence = 1
)

// maxSequences bounds the sections of one message; no command has more than two sequences (bulkWrite: ops and nsInfo).
const maxSequences = 8

const checksumSize = 4

// Msg is an OP_MSG: a command, or the reply to one.
type Msg struct {
	RequestID, ResponseTo int32
	Flags                 MsgFlags
	Body                  bson.Raw   // the command or reply, without what Sequences has of it
	Sequences             []Sequence // arrays of the command that stand beside it; usually none
}

// Decode reads a whole message, verifies its checksum if it has one, and points into it. The message of a Msg that is decoded into again
// may be reused.
func (m *Msg) Decode(message []byte) error {
	b := open(message, OpMsg)
	flags := MsgFlags(b.int32("flags"))
	if b.err == nil && flags&required&^known != 0 {
		b.fail("required flag bits %#x are not known", uint32(flags&required&^known))
	}
	if b.err == nil && flags&ChecksumPresent != 0 {
		b.checksum(message)
	}
	*m = Msg{getIDs(message, 4), getIDs(message, 8), flags, nil, m.Sequences[:0]}
	for b.err == nil && len(b.rest) > 0 {
		m.section(&b)
	}
	if b.err == nil && m.Body == nil {
		b.fail("no body")
	}
	return b.end()
}

func getIDs(message []byte, at int) int32 {
	if len(message) < HeaderSize {
		return 0
	}
	return getInt32(message[at:])
}

// checksum verifies the CRC-32C at the end of the message and takes it off what is left to read.
func (b *body) checksum(message []byte) {
	if len(b.rest) < checksumSize {
		b.fail("checksum needs %d bytes, %d left", checksumSize, len(b.rest))
		return
	}
	sum := message[len(message)-checksumSize:]
	if uint32(getInt32(sum)) != crc32c(message[:len(message)-checksumSize]) {
		b.fail("checksum does not match")
		return
	}
	b.rest = b.rest[:len(b.rest)-checksumSize]
}

func crc32c(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func (m *Msg) section(b *body) {
	switch kind := b.byte("section"); {
	case kind == kindBody && m.Body != nil:
		b.fail("two bodies")
	case kind == kindBody:
		m.Body = b.document("body")
	case kind == kindSequence && len(m.Sequences) == maxSequences:
		b.fail("more than %d document sequences", maxSequences)
	case kind == kindSequence:
		if s, ok := b.sequence(); ok {
			m.Sequences = append(m.Sequences, s)
		}
	default:
		b.fail("section of kind %d", kind)
	}
}

// Append appends the message, with its checksum if Flags says so. It fails when it is longer than MaxMessageSize.
func (m *Msg) Append(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = BeginMsg(dst, m.RequestID, m.ResponseTo, m.Flags)
	dst = append(dst, m.Body...)
	for _, s := range m.Sequences {
		dst = s.append(dst)
	}
	if m.Flags&ChecksumPresent == 0 {
		return End(dst, start)
	}
	dst, err := End(append(dst, make([]byte, checksumSize)...), start)
	if err != nil {
		return dst, err
	}
	end := len(dst) - checksumSize
	return appendInt32(dst[:end], int32(crc32c(dst[start:end]))), nil
}

// BeginMsg appends the start of an OP_MSG up to its body, for callers that write the body in place; then they call End. That makes no
// checksum, so flags must not have ChecksumPresent.
func BeginMsg(dst []byte, requestID, responseTo int32, flags MsgFlags) []byte {
	dst = begin(dst, Header{RequestID: requestID, ResponseTo: responseTo}, OpMsg)
	return append(appendInt32(dst, int32(flags)), kindBody)
}
