package shim

import (
	"bytes"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/wire"
)

// A message of each kind can be changed and, if it is a request, answered; what else it carries stays.
func TestMessage(t *testing.T) {
	before, after := bson.D{{Key: "ping", Value: int32(1)}}, bson.D{{Key: "hello", Value: "there"}}
	documents := wire.Sequence{ID: []byte("documents"), Documents: raw(t, before)}
	for _, tt := range []struct {
		name    string
		message interface{ Append([]byte) ([]byte, error) }
		request bool
	}{
		{"msg", &wire.Msg{RequestID: 7, Flags: wire.ChecksumPresent, Body: raw(t, before), Sequences: []wire.Sequence{documents}}, true},
		{"query", &wire.Query{RequestID: 7, Collection: []byte("a.$cmd"), Return: -1, Document: raw(t, before)}, true},
		{"reply", &wire.Reply{RequestID: 7, Document: raw(t, before)}, false},
	} {
		b, err := tt.message.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		m := readBytes(t, b)
		if !bytes.Equal(m.body(), raw(t, before)) || m.command().Name != "ping" {
			t.Errorf("%s: body %s", tt.name, m.body())
		}
		changed, err := m.with(after)
		if err != nil {
			t.Fatal(err)
		}
		again := readBytes(t, changed.bytes)
		if !bytes.Equal(again.body(), raw(t, after)) || again.msg != nil && (len(again.msg.Sequences) != 1 || again.msg.RequestID != 7) {
			t.Errorf("%s, changed: body %s", tt.name, again.body())
		}
		answer, err := m.answer(after)
		if (err == nil) != tt.request {
			t.Errorf("%s, answered: %v", tt.name, err)
		}
		if err == nil && (!bytes.Equal(readBytes(t, answer).body(), raw(t, after)) || answer[8] != 7) {
			t.Errorf("%s, answered: %x", tt.name, answer)
		}
	}
}

func raw(t *testing.T, doc bson.D) bson.Raw {
	t.Helper()
	b, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readBytes(t *testing.T, b []byte) message {
	t.Helper()
	m, err := read(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return m
}
