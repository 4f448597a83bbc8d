package main

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/interop/differential/draw"
	"github.com/fieldcrypt/fieldcrypt/interop/differential/libmongocrypt"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// caseQuestions draws the questions of one case and opens the sides that are to answer them. What is drawn depends on seed and number, and on
// whether library is an older one.
func caseQuestions(seed, number uint64, v *vault, library *libmongocrypt.Library) (*sides, []*question, error) {
	d := draw.New(seed, number)
	d.Tidy = number%6 == 1 || number%6 == 3 // commands
	d.UTF8 = older(library)                 // which refuses such strings in more places
	var own, other *draw.Schema
	var all []*question
	switch number % 6 {
	case 0, 2:
		all = valueQuestions(d)
	case 1, 3:
		own, other = d.Schema(v.ids), d.Schema(v.ids)
		all = commandQuestions(d, own, other)
	case 4:
		all = ciphertextQuestions(d, v)
	case 5:
		all = markingQuestions(d, v)
	}
	s, err := open(v, library, own, other)
	return s, slices.DeleteFunc(all, aborting), err
}

// aborting says whether libmongocrypt, rather than answer, aborts the process: when a marking's value has no bytes.
func aborting(q *question) bool {
	if q.kind != sealMarking {
		return false
	}
	it := bsonraw.Iterate(only(q.document).Value[6:])
	for it.Next() {
		if string(it.Element.Key) == "v" && len(it.Element.Value) == 0 {
			return true
		}
	}
	return false
}

// valueQuestions draws values of each type, with either algorithm whether it takes them or not.
func valueQuestions(d *draw.Drawer) (all []*question) {
	ask := func(detail string, value bson.RawValue) {
		for _, alg := range []payload.Algorithm{payload.Deterministic, payload.Random} {
			all = append(all, &question{
				kind: encryptValue, detail: detail, document: alone(value), algorithm: alg, key: d.IntN(draw.AltNames), byName: d.Chance(4),
			})
		}
	}
	for range 10 {
		for _, t := range draw.Types {
			ask(payload.TypeAlias(t), d.Value(t, 3))
		}
		old := draw.Binary(bson.TypeBinaryBinaryOld, d.Bytes(4+d.IntN(20)))
		if d.Chance(2) {
			old.Value[5], old.Value[6], old.Value[7], old.Value[8] = byte(d.IntN(24)), 0, 0, 0
		}
		ask("binData of subtype 2, any second length", old)
		ask("binData of subtype 6", draw.Binary(payload.Subtype, d.Bytes(d.IntN(100))))
	}
	return all
}

func commandQuestions(d *draw.Drawer, own, other *draw.Schema) (all []*question) {
	for _, name := range slices.Concat(draw.Commands, draw.Commands) {
		all = append(all, &question{kind: encryptCommand, detail: name, document: d.Command(name, own, other), exact: d.Chance(2)})
	}
	return all
}
