package wire_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldcrypt/fieldcrypt/wire"
)

// Messages written by hand from the manual's page on the wire protocol.
var messages = map[string]struct {
	bytes string
	want  any // what it decodes to
}{
	"msg": {
		"24000000 01000000 00000000 dd070000" + // length 36, request 1, response to 0, 2013
			"00000000" + // flags
			"00 0f000000 10 70696e6700 01000000 00", // body {ping: 1}
		&wire.Msg{RequestID: 1, Body: ping},
	},
	"msg with checksum": { // CRC-32C computed bit by bit from its polynomial, by another program
		"28000000 01000000 00000000 dd070000 01000000 00 0f000000 10 70696e6700 01000000 00" + "ad90aa79",
		&wire.Msg{RequestID: 1, Flags: wire.ChecksumPresent, Body: ping},
	},
	"msg with sequence before the body": {
		"38000000 02000000 07000000 dd070000 02000100" + // more to come, exhaust allowed
			"01 13000000 646f637300 0500000000 0500000000" + // docs: {}, {}
			"00 0f000000 10 70696e6700 01000000 00",
		&wire.Msg{RequestID: 2, ResponseTo: 7, Flags: wire.MoreToCome | wire.ExhaustAllowed, Body: ping,
			Sequences: []wire.Sequence{{ID: []byte("docs"), Documents: []byte("\x05\x00\x00\x00\x00\x05\x00\x00\x00\x00")}}},
	},
	"query": {
		"33000000 01000000 00000000 d4070000 04000000" + // 2004, flags: secondary ok
			"612e24636d6400 00000000 ffffffff" + // a.$cmd, skip 0, return -1
			"10000000 10 68656c6c6f00 01000000 00", // {hello: 1}
		&wire.Query{RequestID: 1, Flags: 4, Collection: []byte("a.$cmd"), Return: -1, Document: hello},
	},
	"query with selector": {
		"38000000 01000000 00000000 d4070000 00000000 612e24636d6400 00000000 ffffffff 10000000 10 68656c6c6f00 01000000 00 0500000000",
		&wire.Query{RequestID: 1, Collection: []byte("a.$cmd"), Return: -1, Document: hello, Fields: []byte{5, 0, 0, 0, 0}},
	},
	"reply": {
		"29000000 02000000 01000000 01000000 08000000 0000000000000000 00000000 01000000 0500000000",
		&wire.Reply{RequestID: 2, ResponseTo: 1, Flags: 8, Document: []byte{5, 0, 0, 0, 0}},
	},
	"compressed": {
		"23000000 01000000 00000000 dc070000 dd070000 0a000000 00 6162636465666768696a",
		&wire.Compressed{RequestID: 1, OpCode: wire.OpMsg, Size: 10, Data: []byte("abcdefghij")},
	},
}

var (
	ping  = []byte("\x0f\x00\x00\x00\x10ping\x00\x01\x00\x00\x00\x00")
	hello = []byte("\x10\x00\x00\x00\x10hello\x00\x01\x00\x00\x00\x00")
)

type message interface {
	Append([]byte) ([]byte, error)
}

// decode reads one message of whatever kind.
func decode(b []byte) (any, error) {
	var h wire.Header
	if err := h.Decode(b, wire.MaxMessageSize); err != nil {
		return nil, err
	}
	switch h.OpCode {
	case wire.OpQuery:
		q := &wire.Query{}
		return q, q.Decode(b)
	case wire.OpReply:
		r := &wire.Reply{}
		return r, r.Decode(b)
	case wire.OpCompressed:
		c := &wire.Compressed{}
		return c, c.Decode(b, wire.MaxMessageSize)
	}
	m := &wire.Msg{}
	return m, m.Decode(b)
}

func fromHex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMessages(t *testing.T) {
	for name, tt := range messages {
		t.Run(name, func(t *testing.T) {
			b := fromHex(t, tt.bytes)
			got, err := decode(b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("want -, got +\n%s", diff)
			}
			m, ok := got.(message)
			if !ok || strings.Contains(name, "before the body") { // Append puts the body first
				return
			}
			again, err := m.Append([]byte("before"))
			if err != nil || !bytes.Equal(again, append([]byte("before"), b...)) {
				t.Errorf("written again: %x, %v; want %x", again, err, b)
			}
		})
	}
}

// Every truncation is an error, whether the header tells of it or not.
func TestTruncated(t *testing.T) {
	for name, tt := range messages {
		whole := fromHex(t, tt.bytes)
		for i := range whole {
			_, _, err := wire.Read(bytes.NewReader(whole[:i]), nil, wire.MaxMessageSize)
			if want := map[bool]error{true: io.EOF, false: io.ErrUnexpectedEOF}[i == 0]; !errors.Is(err, want) {
				t.Errorf("%s cut off at %d: %v, want %v", name, i, err, want)
			}
			cut := bytes.Clone(whole[:i])
			if _, err := decode(cut); !isMalformed(err) {
				t.Errorf("%s cut off at %d: %v", name, i, err)
			}
			if i < wire.HeaderSize || strings.HasPrefix(name, "query with") && i == len(whole)-5 || name == "compressed" && i >= 25 {
				continue // what is left is a message
			}
			binary.LittleEndian.PutUint32(cut, uint32(i))
			if _, err := decode(cut); !isMalformed(err) {
				t.Errorf("%s cut off at %d, with that length: %v", name, i, err)
			}
		}
	}
}

func isMalformed(err error) bool {
	var malformed *wire.Error
	return errors.As(err, &malformed) && malformed.Reason != ""
}

func TestMalformed(t *testing.T) {
	const head, body = "01000000 00000000 dd070000", "00 0f000000 10 70696e6700 01000000 00"
	const empty = "00 0500000000"
	const sequence = "01 0b000000 7800 0500000000"
	for _, tt := range []struct{ name, bytes, want string }{
		{"length below a header", "0f000000 " + head, "message length 15, want 16 to 48000000"},
		{"negative length", "ffffffff " + head, "message length -1, want"},
		{"length over the limit", "016cdc02 " + head, "message length 48000001, want"},
		{"more bytes than the length", "24000000 " + head + "00000000" + body + "00", "message length 36, but got 37 bytes"},
		{"required flag", "24000000 " + head + "04000000" + body, "required flag bits 0x4 are not known"},
		{"wrong checksum", "28000000 " + head + "01000000" + body + "00000000", "checksum does not match"},
		{"no room for a checksum", "14000000 " + head + "01000000", "checksum needs 4 bytes, 0 left"},
		{"no body", "14000000 " + head + "00000000", "no body"},
		{"two bodies", "20000000 " + head + "00000000" + empty + empty, "two bodies"},
		{"internal section", "20000000 " + head + "00000000" + empty + "02 0500000000", "section of kind 2"},
		{"short document", "1a000000 " + head + "00000000 00 0400000000", "body has the length 4, want 5 at least"},
		{"long document", "1a000000 " + head + "00000000 00 0600000000", "body needs 6 bytes, 5 left"},
		{"negative document", "1a000000 " + head + "00000000 00 ffffffff00", "body has the length -1"},
		{"document without its zero", "1a000000 " + head + "00000000 00 0500000001", "body does not end with a zero byte"},
		{"negative sequence", "1f000000 " + head + "00000000" + empty + "01 00000080", "document sequence needs"},
		{"sequence without a name's end", "20000000 " + head + "00000000" + empty + "01 05000000 78", "name of a document sequence does not end"},
		{"long sequence", "26000000 " + head + "00000000" + empty + "01 0c000000 7800 0500000000", "document sequence needs 8 bytes, 7 left"},
		{"document across a sequence's end", "26000000 " + head + "00000000" + empty + "01 0b000000 7800 0600000000", "document of a sequence needs 6 bytes, 5 left"},
		{"nine sequences", "86000000 " + head + "00000000" + empty + strings.Repeat(sequence, 9), "more than 8 document sequences"},
		{"one compressed inside another", "19000000 01000000 00000000 dc070000 dc070000 00000000 00", "one inside another"},
		{"size inside over the limit", "19000000 01000000 00000000 dc070000 dd070000 f16bdc02 00", "size inside 47999985, want 0 to 47999984"},
		{"negative size inside", "19000000 01000000 00000000 dc070000 dd070000 ffffffff 00", "size inside -1"},
		{"unknown compressor", "19000000 01000000 00000000 dc070000 dd070000 00000000 04", "compressor 4 is not known"},
		{"reply with two documents", "2e000000 02000000 01000000 01000000 00000000 0000000000000000 00000000 02000000 0500000000 0500000000", "2 documents, want one"},
	} {
		_, err := decode(fromHex(t, tt.bytes))
		if !isMalformed(err) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// A message that is read in pieces of one byte into a used buffer is the same, and the next one follows it.
func TestRead(t *testing.T) {
	first, second := fromHex(t, messages["msg"].bytes), fromHex(t, messages["query"].bytes)
	stream := iotest.OneByteReader(bytes.NewReader(append(bytes.Clone(first), second...)))
	buf := make([]byte, 0, 20)
	for _, want := range [][]byte{first, second} {
		got, h, err := wire.Read(stream, buf, wire.MaxMessageSize)
		if err != nil || !bytes.Equal(got, want) || int(h.Length) != len(want) {
			t.Errorf("got %x, %v; want %x", got, err, want)
		}
		buf = got
	}
	if _, _, err := wire.Read(bytes.NewReader(first), nil, len(first)-1); !isMalformed(err) {
		t.Errorf("over the limit: %v", err)
	}
	broken := errors.New("broken")
	if _, _, err := wire.Read(io.MultiReader(bytes.NewReader(first[:20]), iotest.ErrReader(broken)), nil, wire.MaxMessageSize); !errors.Is(err, broken) {
		t.Errorf("got %v, want the reader's error", err)
	}
}

// A header that promises the longest message costs no more than what comes.
func TestReadBelievesNoHeader(t *testing.T) {
	h := wire.Header{Length: wire.MaxMessageSize, OpCode: wire.OpMsg}
	start := append(h.Append(nil), make([]byte, 100)...)
	got, _, err := wire.Read(bytes.NewReader(start), nil, wire.MaxMessageSize)
	if !errors.Is(err, io.ErrUnexpectedEOF) || cap(got) > 128<<10 {
		t.Errorf("got a buffer of %d bytes, %v", cap(got), err)
	}
}

func TestTooLongToSend(t *testing.T) {
	long := make([]byte, wire.MaxMessageSize)
	for _, m := range []message{&wire.Msg{Body: long}, &wire.Msg{Body: long, Flags: wire.ChecksumPresent}, &wire.Query{Document: long}, &wire.Reply{Document: long}} {
		if _, err := m.Append(nil); !isMalformed(err) {
			t.Errorf("%T: %v", m, err)
		}
	}
}
