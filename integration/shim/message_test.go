package shim

import (
	"bytes"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Any bytes give an error or a message that can be read, changed and answered, and stays readable: here, every truncation
// and every change of one byte of each kind of message.
func TestMessageFromAnyBytes(t *testing.T) {
	for _, valid := range []string{
		"\x24\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xdd\x07\x00\x00\x00\x00\x00\x00\x00\x0f\x00\x00\x00\x10ping\x00\x01\x00\x00\x00\x00",
		"\x28\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xdd\x07\x00\x00\x01\x00\x00\x00\x00\x0f\x00\x00\x00\x10ping\x00\x01\x00\x00\x00\x00sum!",
		"\x33\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xd4\x07\x00\x00\x00\x00\x00\x00a.$cmd\x00\x00\x00\x00\x00\xff\xff\xff\xff\x10\x00\x00\x00\x10hello\x00\x01\x00\x00\x00\x00",
		"\x29\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x05\x00\x00\x00\x00",
	} {
		if !readable(t, []byte(valid)) {
			t.Errorf("valid message %x refused", valid)
		}
		for i := range valid {
			if readable(t, []byte(valid[:i])) {
				t.Errorf("truncated message %x accepted", valid[:i])
			}
			changed := []byte(valid)
			for b := range 256 {
				changed[i] = byte(b)
				readable(t, slices.Clone(changed))
			}
		}
	}
}

func readable(t *testing.T, b []byte) bool {
	t.Helper()
	m, err := read(bytes.NewReader(b))
	if err != nil {
		return false
	}
	_ = m.command().namespace()
	doc := bson.D{{Key: "hello", Value: "there"}}
	want, _ := bson.Marshal(doc)
	changed, err := m.with(doc)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := m.answer(doc)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{changed.bytes, answer} {
		if again, err := read(bytes.NewReader(b)); err != nil || !bytes.Equal(again.body(), want) {
			t.Errorf("body %x, %v; want %x", again.body(), err, want)
		}
	}
	if len(changed.bytes)-changed.end > len(m.bytes)-m.end {
		t.Error("more follows the document than before")
	}
	return true
}
