package main

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/interop/differential/draw"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// markingQuestions draws markings, most of which are wrong in one way.
func markingQuestions(d *draw.Drawer, v *vault) (all []*question) {
	for range 20 {
		for _, m := range markingMistakes {
			es := marking(d, v)
			if m.elements != nil {
				es = m.elements(d, es)
			}
			b := append([]byte{0}, draw.Document(es...).Value...)
			if m.bytes != nil {
				b = m.bytes(d, b)
			}
			all = append(all, &question{kind: sealMarking, detail: m.name, document: alone(draw.Binary(payload.Subtype, b))})
		}
	}
	return all
}

// marking draws the fields of a good one, in any order.
func marking(d *draw.Drawer, v *vault) []draw.E {
	alg := draw.Pick(d, payload.Deterministic, payload.Random)
	key := draw.E{Key: "ka", Value: draw.String(draw.AltName(d.IntN(draw.AltNames)))}
	if d.Chance(2) {
		key = draw.E{Key: "ki", Value: draw.Binary(bson.TypeBinaryUUID, draw.Pick(d, v.ids...).Binary().Data)}
	}
	value := d.Value(draw.Pick(d, draw.EncryptedBy(alg)...), 2)
	es := []draw.E{{Key: "a", Value: draw.Int(int(alg))}, key, {Key: "v", Value: value}}
	d.Shuffle(len(es), func(i, j int) { es[i], es[j] = es[j], es[i] })
	return es
}

// markingMistakes change the fields of a good marking, or its bytes.
var markingMistakes = []struct {
	name     string
	elements func(*draw.Drawer, []draw.E) []draw.E
	bytes    func(*draw.Drawer, []byte) []byte
}{
	{name: "none"},
	{name: "a field missing", elements: func(d *draw.Drawer, es []draw.E) []draw.E {
		i := d.IntN(len(es))
		return slices.Delete(es, i, i+1)
	}},
	{name: "a field twice", elements: func(d *draw.Drawer, es []draw.E) []draw.E { return append(es, draw.Pick(d, es...)) }},
	{name: "an unknown field", elements: func(d *draw.Drawer, es []draw.E) []draw.E {
		return slices.Insert(es, d.IntN(len(es)+1), draw.E{Key: draw.Pick(d, "iv", "", "A", "vv"), Value: d.Any(1)})
	}},
	{name: "both keys", elements: func(d *draw.Drawer, es []draw.E) []draw.E {
		for _, e := range es {
			if e.Key == "ka" {
				return append(es, draw.E{Key: "ki", Value: draw.Binary(bson.TypeBinaryUUID, d.Bytes(16))})
			}
		}
		return append(es, draw.E{Key: "ka", Value: draw.String(draw.AltName(0))})
	}},
	{name: "a of another type", elements: set("a", func(d *draw.Drawer) bson.RawValue { return d.Any(1) })},
	{name: "a of another number", elements: set("a", func(d *draw.Drawer) bson.RawValue { return draw.Int(d.IntN(7) - 2) })},
	{name: "ki of another type", elements: set("ki", func(d *draw.Drawer) bson.RawValue { return d.Any(1) })},
	{name: "ki of another subtype", elements: set("ki", func(d *draw.Drawer) bson.RawValue { return draw.Binary(byte(d.IntN(8)), d.Bytes(16)) })},
	{name: "ki of another length", elements: set("ki", func(d *draw.Drawer) bson.RawValue { return draw.Binary(bson.TypeBinaryUUID, d.Bytes(d.IntN(40))) })},
	{name: "ka of another type", elements: set("ka", func(d *draw.Drawer) bson.RawValue { return d.Any(1) })},
	{name: "ka of another name", elements: set("ka", func(d *draw.Drawer) bson.RawValue {
		return draw.String(draw.Pick(d, "", "nobody", "\xff", "a\x00b", draw.AltName(1)+"\x00", draw.AltName(2)+"x"))
	})},
	{name: "v of any type", elements: set("v", func(d *draw.Drawer) bson.RawValue { return d.Any(2) })},
	{name: "v encrypted already", elements: set("v", func(d *draw.Drawer) bson.RawValue { return draw.Binary(payload.Subtype, d.Bytes(d.IntN(100))) })},
	{name: "first byte", bytes: func(d *draw.Drawer, b []byte) []byte {
		b[0] = 3
		return b
	}},
	{name: "truncated", bytes: func(d *draw.Drawer, b []byte) []byte { return b[:1+d.IntN(len(b)-1)] }},
	{name: "lengthened", bytes: func(d *draw.Drawer, b []byte) []byte { return append(b, d.Bytes(1+d.IntN(20))...) }},
	{name: "flipped bit", bytes: flipOutsideValue},
}

// flipOutsideValue leaves v alone but for its name: libmongocrypt aborts the process when that is malformed.
func flipOutsideValue(d *draw.Drawer, b []byte) []byte {
	var bits []int
	it := bsonraw.Iterate(b[1:])
	for at := 5; it.Next(); at += len(it.Element.Raw) {
		from, to := 0, len(it.Element.Raw)
		if string(it.Element.Key) == "v" {
			from, to = 1, 2
		}
		for i := from; i < to; i++ {
			bits = append(bits, at+i)
		}
	}
	i := draw.Pick(d, append(bits, 1, 2, 3, 4, len(b)-1)...)
	b[i] ^= 1 << d.IntN(8)
	return b
}

// set changes the value of a field, if it is there.
func set(name string, value func(*draw.Drawer) bson.RawValue) func(*draw.Drawer, []draw.E) []draw.E {
	return func(d *draw.Drawer, es []draw.E) []draw.E {
		for i := range es {
			if es[i].Key == name {
				es[i].Value = value(d)
			}
		}
		return es
	}
}
