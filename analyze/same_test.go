package analyze_test

import (
	"bytes"
	"cmp"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// checkSame checks what a rewrite may change: Minimal only the values it seals; nothing sealed, nothing changed; and Exact seals
// the same values.
func checkSame(t *rapid.T, cmd bson.Raw, results []outcome) {
	minimal, exact := results[0], results[1]
	if !sameValues(minimal.sealed, exact.sealed) {
		t.Fatalf("Minimal seals %d values, Exact others: %d", len(minimal.sealed), len(exact.sealed))
	}
	for _, res := range results {
		if len(res.sealed) == 0 && (&res.Command[0] != &cmd[0] || len(res.Command) != len(cmd)) {
			t.Fatal("nothing was sealed, but the command is not the slice that was given")
		}
	}
	if replaced := countReplaced(t, cmd, minimal.Command); replaced != len(minimal.sealed) {
		t.Fatalf("%d values were sealed, %d are replaced\nin  %v\nout %v", len(minimal.sealed), replaced, cmd, minimal.Command)
	}
}

func sameValues(x, y []sealed) bool {
	order := func(a, b sealed) int {
		return cmp.Or(cmp.Compare(a.field.Path, b.field.Path), cmp.Compare(a.t, b.t), cmp.Compare(a.value, b.value), cmp.Compare(a.field.KeyAltName, b.field.KeyAltName))
	}
	return slices.Equal(slices.SortedFunc(slices.Values(x), order), slices.SortedFunc(slices.Values(y), order))
}

// countReplaced walks two documents, which must have the same fields in the same order with the same values, but for binaries of subtype
// 6 in the second one, which it counts.
func countReplaced(t *rapid.T, in, out []byte) int {
	n := 0
	a, b := bsonraw.Iterate(in), bsonraw.Iterate(out)
	for a.Next() {
		if !b.Next() || !bytes.Equal(a.Element.Key, b.Element.Key) {
			t.Fatalf("field %q is missing or elsewhere", a.Element.Key)
		}
		x, y := a.Element, b.Element
		_, wasEncrypted := bsonraw.EncryptedPayload(x.Type, x.Value)
		_, isEncrypted := bsonraw.EncryptedPayload(y.Type, y.Value)
		switch {
		case bytes.Equal(x.Raw, y.Raw):
		case isEncrypted && !wasEncrypted:
			n++
		case x.IsContainer() && x.Type == y.Type:
			n += countReplaced(t, x.Value, y.Value)
		default:
			t.Fatalf("field %q changed", x.Key)
		}
	}
	if b.Next() || a.Err != nil || b.Err != nil {
		t.Fatalf("field %q was added, or %v %v", b.Element.Key, a.Err, b.Err)
	}
	return n
}

// checkIdempotent analyses a result again: encrypted values are never encrypted twice.
func checkIdempotent(t *rapid.T, res outcome, schemas map[string]*schema.Schema) {
	r := &recorder{}
	target, err := analyze.Classify("db", res.Command)
	if err != nil {
		t.Fatal(err)
	}
	again, err := analyze.Command(nil, target, res.Command, schemas, r, analyze.Options{})
	if err == nil && (again.HasPlaceholders || len(r.sealed) > 0) {
		t.Fatalf("sealed twice: %v", res.Command)
	}
}
