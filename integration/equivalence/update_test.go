package equivalence

import (
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

// update draws an update document. random says that it may write randomly encrypted values, which the server takes for a
// change even where the plaintext is the old one.
func (w *workload) update() (update bson.D, random bool) {
	u := &paths{workload: w, free: rapid.Permutation(w.places[2:]).Draw(w.T, "places")} // without _id and n
	for _, operator := range w.updateOperators() {
		args := bson.D{}
		for range 1 + number(w.T, 2, "arguments") {
			if arg, ok := u.argument(operator); ok {
				args = append(args, arg)
			}
		}
		if len(args) > 0 {
			update = append(update, bson.E{Key: operator, Value: args})
		}
	}
	if len(update) == 0 {
		return bson.D{{Key: "$set", Value: bson.D{{Key: "extra", Value: int32(1)}}}}, false
	}
	return update, slices.ContainsFunc(w.places, func(p place) bool {
		return p.enc != nil && !p.enc.deterministic && slices.ContainsFunc(u.used, func(path string) bool { return around(path, p.path) })
	})
}

// paths are what an update document may still name, and what it names. A server refuses paths that overlap.
type paths struct {
	*workload
	free []place
	used []string
}

func (u *paths) overlaps(path string) bool {
	return slices.ContainsFunc(u.used, func(other string) bool { return around(path, other) || around(other, path) })
}

// argument draws {path: argument} of an update operator.
func (u *paths) argument(operator string) (arg bson.E, ok bool) {
	if len(u.free) < 2 {
		return arg, false
	}
	p := u.free[0]
	u.free = u.free[1:]
	switch operator {
	case "$set", "$setOnInsert":
		arg = u.assignment(p)
	case "$unset":
		arg = bson.E{Key: p.path, Value: ""}
	case "$rename":
		to := u.newName(p)
		if u.overlaps(to) {
			return arg, false
		}
		arg, u.used = bson.E{Key: p.path, Value: to}, append(u.used, to)
	default:
		arg = u.modifier(operator, p)
	}
	if u.overlaps(arg.Key) && !chance(u.T, 10) {
		return arg, false
	}
	u.used = append(u.used, arg.Key)
	return arg, true
}

// updateOperators draws one operator or two; $currentDate gives no twice the same.
func (w *workload) updateOperators() []string {
	draw := func() string {
		return pick(w.T, "$set", "$set", "$set", "$set", "$unset", "$unset", "$setOnInsert", "$rename", "$rename", "$inc", "$mul", "$min", "$max",
			"$push", "$addToSet", "$pop", "$pull")
	}
	return slices.Compact(slices.Sorted(slices.Values([]string{draw(), draw()})))
}

// assignment is an argument of $set: mostly a value of the field, else a document around it or something below it.
func (w *workload) assignment(p place) bson.E {
	switch number(w.T, 20, "assignment") {
	case 0:
		return bson.E{Key: p.path + ".x", Value: "red"}
	case 1:
		return bson.E{Key: p.path, Value: w.content(p.field)}
	case 2, 3, 4: // the document that holds it
		if top, _, inner := strings.Cut(p.path, "."); inner {
			i := slices.IndexFunc(w.fields, func(f field) bool { return f.name == top })
			return bson.E{Key: top, Value: w.unlikeBefore(w.fields[i].fields)}
		}
	}
	return bson.E{Key: p.path, Value: p.value(w.T)}
}

// unlikeBefore draws a document with a value that the collection does not have: FerretDB's $set does nothing when the old document
// has the same values under other names.
func (w *workload) unlikeBefore(fields []field) bson.D {
	i := slices.IndexFunc(fields, func(f field) bool { return f.enc == nil && len(f.plain) == len(texts) })
	doc := slices.DeleteFunc(w.rest(fields), func(e bson.E) bool { return e.Key == fields[i].name })
	w.serial++
	return append(doc, bson.E{Key: fields[i].name, Value: fmt.Sprint("set ", w.serial)})
}

// newName is what $rename renames p to: mostly a field of its kind, which may have another key.
func (u *paths) newName(p place) string {
	alike := rapid.Bool().Draw(u.T, "alike")
	same := func(q place) bool {
		return (p.enc == nil) == (q.enc == nil) && (p.enc == nil || *p.enc == *q.enc || !alike) || chance(u.T, 20)
	}
	if i := slices.IndexFunc(u.free, same); i >= 0 && !chance(u.T, 4) {
		to := u.free[i].path
		u.free = slices.Delete(u.free, i, i+1)
		return to
	}
	if p.by == "^k_" {
		return "k_3" // is in the schema's pattern, although no other place is called so
	}
	return "extra"
}

// modifier is an argument of an operator that computes with the old value: mostly on a plain field.
func (w *workload) modifier(operator string, p place) bson.E {
	arithmetic := slices.Contains([]string{"$inc", "$mul", "$min", "$max"}, operator)
	if p.enc != nil || p.name != "p" && arithmetic || p.name != "tags" && !arithmetic {
		if !chance(w.T, 6) { // else as drawn, to be refused by us or by the server
			p = place{path: "tags", field: field{name: "tags"}}
			if arithmetic {
				p = place{path: "p", field: field{name: "p"}}
			}
		}
	}
	switch operator {
	case "$pop":
		return bson.E{Key: p.path, Value: pick(w.T, int32(1), int32(-1))}
	case "$push", "$addToSet", "$pull":
		return bson.E{Key: p.path, Value: pick(w.T, texts...)}
	}
	return bson.E{Key: p.path, Value: rapid.Int32Range(0, 3).Draw(w.T, "number")}
}

// replacement draws a document to replace another.
func (w *workload) replacement(id bool) (doc bson.D, random bool) {
	doc = w.document()
	if !id {
		doc = doc[1:]
	}
	return doc, slices.ContainsFunc(w.places, func(p place) bool { return p.enc != nil && !p.enc.deterministic })
}
