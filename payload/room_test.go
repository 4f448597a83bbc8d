package payload

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

// Room that is filled is what AppendEncrypt appends, and only room is filled.
func TestRoom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key, id := drawKey(t), drawKeyID(t)
		alg := rapid.SampledFrom([]Algorithm{Deterministic, Random}).Draw(t, "algorithm")
		values := generatorsFor(alg)
		typ := rapid.SampledFrom(slices.Sorted(maps.Keys(values))).Draw(t, "type")
		v := value(t, values[typ].Draw(t, "value"))
		prefix := drawBuffer(t)
		before := slices.Clone(prefix)
		out, err := AppendRoom(prefix, alg, id, v)
		if err != nil {
			t.Fatal(err)
		}
		room := out[len(before):]
		other := slices.Clone(room)
		if err := key.Fill(room, v); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out[:len(before)], before) {
			t.Fatal("dst was changed")
		}
		if got, err := decrypt(key, room); err != nil || !got.Equal(v) {
			t.Fatalf("comes back as %s, %v", got.Type, err)
		}
		if want := encrypt(t, key, alg, id, v); alg == Deterministic && !bytes.Equal(room, want) || len(room) != len(want) {
			t.Fatal("not what AppendEncrypt makes")
		}
		if key.Fill(room, v) == nil {
			t.Fatal("filled twice")
		}
		other[rapid.SampledFrom([]int{0, 17, 18, 33}).Draw(t, "overwritten")] ^= 0x80
		if key.Fill(other, v) == nil {
			t.Fatal("filled what was overwritten")
		}
		if key.Fill(other[:len(other)-1], v) == nil || key.Fill(nil, v) == nil {
			t.Fatal("filled too little room")
		}
	})
}

func TestRoomRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		alg Algorithm
		v   bson.RawValue
	}{
		"algorithm": {0, value(t, "x")},
		"type":      {Deterministic, value(t, 1.5)},
		"bytes":     {Random, bson.RawValue{Type: bson.TypeString, Value: []byte{9, 0, 0, 0, 0}}},
		"encrypted": {Random, value(t, bson.Binary{Subtype: Subtype, Data: []byte{1}})},
	} {
		dst := []byte("head")
		if out, err := AppendRoom(dst, tt.alg, KeyID{}, tt.v); err == nil || string(out) != "head" {
			t.Errorf("%s: got %q, %v", name, out, err)
		}
	}
}
