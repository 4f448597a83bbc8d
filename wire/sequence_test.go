package wire_test

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/wire"
)

func document(t testing.TB, d bson.D) bson.Raw {
	t.Helper()
	raw, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestAppendCommand(t *testing.T) {
	one, two := bson.D{{Key: "a", Value: int32(1)}}, bson.D{{Key: "b", Value: "x"}}
	body := bson.D{{Key: "insert", Value: "c"}, {Key: "$db", Value: "d"}}
	m := wire.Msg{Body: document(t, body), Sequences: []wire.Sequence{
		{ID: []byte("documents"), Documents: append(document(t, one), document(t, two)...)},
		{ID: []byte("none")},
	}}
	want := document(t, append(body, bson.E{Key: "documents", Value: bson.A{one, two}}, bson.E{Key: "none", Value: bson.A{}}))
	got, err := m.AppendCommand([]byte("before"))
	if err != nil || string(got) != "before"+string(want) {
		t.Errorf("got %x, %v; want %x", got, err, want)
	}
	m.Sequences = nil
	if got, err := m.AppendCommand(nil); err != nil || string(got) != string(m.Body) {
		t.Errorf("without sequences: got %x, %v", got, err)
	}
}

func TestAppendCommandRefuses(t *testing.T) {
	body := document(t, bson.D{{Key: "insert", Value: "c"}})
	empty := []byte{5, 0, 0, 0, 0}
	documents := wire.Sequence{ID: []byte("documents"), Documents: empty}
	for _, tt := range []struct {
		name, want string
		m          wire.Msg
	}{
		{"field of the body", "the name of a field in the body", wire.Msg{Body: body, Sequences: []wire.Sequence{{ID: []byte("insert"), Documents: empty}}}},
		{"two of one name", "two document sequences of one name", wire.Msg{Body: body, Sequences: []wire.Sequence{documents, documents}}},
		{"broken body", "body is not valid BSON", wire.Msg{Body: []byte("\x07\x00\x00\x00\x01\x01\x00"), Sequences: []wire.Sequence{documents}}},
		// Five million empty documents are 25 MB beside the command, but need names inside it.
		{"too long", "longer than", wire.Msg{Body: body, Sequences: []wire.Sequence{{ID: []byte("x"), Documents: []byte(strings.Repeat(string(empty), 5_000_000))}}}},
	} {
		if _, err := tt.m.AppendCommand(nil); !isMalformed(err) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}
