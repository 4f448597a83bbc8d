package wire_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/wire"
)

var (
	ids   = rapid.Int32()
	names = rapid.StringMatching(`[a-z$.]{0,12}`)
)

var documents = rapid.Custom(func(t *rapid.T) bson.Raw {
	raw, err := bson.Marshal(rapid.MapOf(rapid.StringMatching(`[a-z]{1,5}`), rapid.String()).Draw(t, "document"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
})

var sequences = rapid.Custom(func(t *rapid.T) wire.Sequence {
	s := wire.Sequence{ID: []byte(names.Draw(t, "id"))}
	for _, doc := range rapid.SliceOfN(documents, 0, 4).Draw(t, "documents") {
		s.Documents = append(s.Documents, doc...)
	}
	return s
})

// Each message of each kind reads as what was written.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m message
		switch rapid.IntRange(0, 2).Draw(t, "kind") {
		case 0:
			flags := rapid.SampledFrom([]wire.MsgFlags{0, wire.ChecksumPresent, wire.MoreToCome, wire.ExhaustAllowed, 1<<31 | wire.ChecksumPresent}).Draw(t, "flags")
			m = &wire.Msg{RequestID: ids.Draw(t, "id"), ResponseTo: ids.Draw(t, "to"), Flags: flags,
				Body: documents.Draw(t, "body"), Sequences: rapid.SliceOfN(sequences, 0, 3).Draw(t, "sequences")}
		case 1:
			q := &wire.Query{RequestID: ids.Draw(t, "id"), ResponseTo: ids.Draw(t, "to"), Flags: ids.Draw(t, "flags"),
				Collection: []byte(names.Draw(t, "collection")), Skip: ids.Draw(t, "skip"), Return: ids.Draw(t, "return"), Document: documents.Draw(t, "query")}
			if rapid.Bool().Draw(t, "selects") {
				q.Fields = documents.Draw(t, "fields")
			}
			m = q
		case 2:
			m = &wire.Reply{RequestID: ids.Draw(t, "id"), ResponseTo: ids.Draw(t, "to"), Flags: ids.Draw(t, "flags"), Document: documents.Draw(t, "reply")}
		}
		before := rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "before")
		b, err := m.Append(bytes.Clone(before))
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode(b[len(before):])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(any(m), got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("written -, read +\n%s", diff)
		}
	})
}
