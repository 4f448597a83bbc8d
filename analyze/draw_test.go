package analyze_test

import (
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// drawer draws commands over a schema, with string constants that are each unique: the canaries. The commands are such as people
// write, but for a few odd things; more than a few, and every command would be refused for one of them.
type drawer struct {
	*rapid.T
	root     *place
	roots    map[string]*shape // of the documents of all collections
	oddities int               // left to draw
	canaries []canary
}

type canary struct {
	text   string
	secret bool        // it belongs to an encrypted field
	enc    *encryption // the field's, when there is no doubt
}

func (g *drawer) chance(of int) bool { return rapid.IntRange(1, of).Draw(g.T, "chance") == 1 }

// odd says whether the next thing is to be something unexpected.
func (g *drawer) odd() bool {
	if g.oddities == 0 || !g.chance(4) {
		return false
	}
	g.oddities--
	return true
}

func pick[V any](g *drawer, values ...V) V { return rapid.SampledFrom(values).Draw(g.T, "pick") }

// canary makes a new constant for w.
func (g *drawer) canary(w where) string {
	c := canary{text: fmt.Sprintf("canary%04dx", len(g.canaries)), secret: w.secret()}
	for n := range w.paths[0] {
		if p := g.root.at(w.paths[0][:n+1]); p != nil && p.enc != nil && len(w.paths) == 1 {
			c.enc = p.enc
		}
	}
	g.canaries = append(g.canaries, c)
	return c.text
}

// encryptedAt is the encryption of the very field w, if it is one.
func (g *drawer) encryptedAt(w where) *encryption {
	if p := w.at(); p != nil {
		return p.enc
	}
	return nil
}

// value draws a value to be stored at, or compared with, w.
func (g *drawer) value(w where, depth int) any {
	if e := g.encryptedAt(w); e != nil && !g.odd() {
		return g.fitting(e, w, depth)
	}
	kind := rapid.IntRange(0, 11).Draw(g.T, "value")
	if p := w.at(); p != nil && p.enc == nil && !g.odd() {
		kind = 6 // what a document is expected to be
	}
	switch {
	case kind == 6 && depth < 4:
		return g.document(w, depth+1)
	case kind == 7 && depth < 4:
		return bson.A{g.value(w, depth+1), g.value(w.path("0"), depth+1)}
	case kind == 8:
		return pick(g, any(bson.Regex{Pattern: g.canary(w)}), any(bson.JavaScript(g.canary(w))), any(bson.Symbol(g.canary(w))),
			any(bson.Binary{Data: []byte(g.canary(w))}), any(bson.Binary{Subtype: 2, Data: []byte(g.canary(w))}),
			any(bson.CodeWithScope{Code: bson.JavaScript(g.canary(w)), Scope: bson.D{{Key: "x", Value: g.canary(w)}}}))
	case kind == 9:
		return pick(g, any(nil), any(int32(7)), any(int64(8)), any(true), any(1.5), any(bson.MinKey{}), any(bson.Undefined{}), any(bson.Timestamp{}))
	}
	return g.canary(w)
}

// fitting draws a value that a field encrypted like e takes.
func (g *drawer) fitting(e *encryption, w where, depth int) any {
	bsonType := "string"
	if e.types != nil {
		bsonType = pick(g, e.types...)
	}
	switch bsonType {
	case "object":
		return g.document(w, depth+1)
	case "array":
		return bson.A{g.canary(w), g.document(w.path("1"), depth+1)}
	case "int":
		return int32(g.Int("int"))
	case "long":
		return int64(g.Int("long"))
	case "binData":
		return bson.Binary{Data: []byte(g.canary(w))}
	case "javascript":
		return bson.JavaScript(g.canary(w))
	case "symbol":
		return bson.Symbol(g.canary(w))
	}
	return g.canary(w)
}

func (g *drawer) Int(label string) int { return rapid.IntRange(0, 100).Draw(g.T, label) }

func (g *drawer) document(w where, depth int) bson.D {
	doc := bson.D{}
	for range rapid.IntRange(0, 4).Draw(g.T, "fields") {
		name := g.name(w.at())
		if g.odd() {
			name = g.path(w)
		}
		doc = append(doc, bson.E{Key: name, Value: g.value(w.field(name), depth)})
	}
	return doc
}

// name draws a field name that has a meaning at p, or none.
func (g *drawer) name(p *place) string {
	names := []string{"x", "y", "pz", "zqz", "r1", "0", "a", "b"}
	if g.odd() {
		names = []string{"$x", "$a", "$q", "", "$", "pq", keyName}
	} else if p != nil {
		names = append(slices.Concat(p.names, p.names, p.names), names[:5]...)
	}
	return pick(g, names...)
}

// path draws a dotted path below w.
func (g *drawer) path(w where) string {
	at := slices.Clone(w.paths[0])
	var parts []string
	if g.odd() {
		parts, at = []string{"$"}, append(at, "$")
	}
	for len(parts) == 0 || len(parts) < 5 && (g.inside(at) || g.chance(8)) {
		part := g.name(g.root.at(at))
		at = append(at, part)
		if parts = append(parts, part); g.odd() {
			parts = append(parts, pick(g, "0", "12", "x", "$", "$[]", "$[i]", ""))
		}
	}
	return strings.Join(parts, ".")
}

// inside says whether a path should go on, because it has reached a document with fields.
func (g *drawer) inside(path []string) bool {
	p := g.root.at(path)
	return p != nil && p.enc == nil && !g.chance(3)
}

var matchOperators = []string{
	"$eq", "$ne", "$in", "$nin", "$all", "$not", "$exists", "$gt", "$gte", "$lt", "$lte", "$elemMatch", "$regex", "$options", "$type", "$mod", "$size",
	"$bitsAllSet", "$near", "$maxDistance", "$geoWithin", "$unknown", "$and", "$expr", "$jsonSchema", "x", "$ref", "$const",
}

func (g *drawer) filter(w where, depth int) bson.D {
	filter := bson.D{}
	for range rapid.IntRange(1, 3).Draw(g.T, "conditions") {
		switch {
		case depth < 3 && g.chance(4):
			var list bson.A
			for range rapid.IntRange(1, 2).Draw(g.T, "clauses") {
				list = append(list, g.filter(w, depth+1))
			}
			filter = append(filter, bson.E{Key: pick(g, "$and", "$or", "$nor"), Value: list})
		case len(w.paths[0]) == 0 && g.chance(6):
			filter = append(filter, bson.E{Key: "$expr", Value: g.pipes().boolean(shapeOf(g.root), 1)})
		case g.odd():
			name := pick(g, "$and", "$comment", "$alwaysTrue", "$expr", "$where", "$jsonSchema", "$unknown", "$text", "$sampleRate", "$not", "$elemMatch")
			filter = append(filter, bson.E{Key: name, Value: g.about(w, depth)})
		default:
			path := g.path(w)
			for range 3 { // most paths lead to what no filter may ask for
				if e := g.encryptedAt(w.path(path)); e == nil || e.algorithm != payload.Deterministic {
					path = g.path(w)
				}
			}
			filter = append(filter, bson.E{Key: path, Value: g.condition(w.path(path), depth)})
		}
	}
	return filter
}

// about draws something that speaks of fields below w in a place where no operator is known to take it.
func (g *drawer) about(w where, depth int) any {
	path := g.path(w)
	below := w.path(path)
	switch kind := rapid.IntRange(0, 4).Draw(g.T, "about"); {
	case kind == 0 && !strings.HasPrefix(path, "$"): // "$$a" would be a variable
		return bson.D{{Key: "$eq", Value: bson.A{"$" + path, g.canary(below)}}}
	case kind == 1:
		return bson.D{{Key: "properties", Value: bson.D{{Key: path, Value: bson.D{{Key: "enum", Value: bson.A{g.canary(below)}}}}}}}
	case kind == 2:
		return bson.A{g.filter(w, depth+1)}
	}
	return bson.D{{Key: path, Value: g.value(below, depth)}}
}

// condition draws what stands under a path of a filter.
func (g *drawer) condition(w where, depth int) any {
	if g.odd() {
		return g.operators(w, matchOperators, depth)
	}
	p := w.at()
	switch e := g.encryptedAt(w); {
	case p != nil && g.odd(): // a value, whatever the operator asks for
		return bson.D{{Key: pick(g, slices.DeleteFunc(slices.Clone(matchOperators[:20]), isElemMatch)...), Value: g.value(w, depth)}}
	case e != nil && e.algorithm == payload.Deterministic && g.chance(2):
		return g.value(w, depth)
	case e != nil && e.algorithm == payload.Deterministic:
		return g.operators(w, []string{"$eq", "$ne", "$in", "$nin", "$not", "$exists"}, depth)
	case p != nil:
		return bson.D{{Key: "$exists", Value: true}}
	case g.chance(2):
		return g.value(w, depth)
	}
	return g.operators(w, matchOperators[:20], depth)
}

func (g *drawer) operators(w where, names []string, depth int) bson.D {
	doc := bson.D{}
	for range rapid.IntRange(1, 2).Draw(g.T, "operators") {
		name := pick(g, names...)
		doc = append(doc, bson.E{Key: name, Value: g.operand(w, name, names, depth)})
	}
	return doc
}

func (g *drawer) operand(w where, operator string, names []string, depth int) any {
	if depth > 4 {
		return int32(1)
	}
	switch operator {
	case "x": // no operator: a field of a value
		return g.value(w.field(operator), depth+1)
	case "$ref", "$const", "$unknown": // either
		return g.value(w.or(w.field(operator)), depth+1)
	}
	if !isElemMatch(operator) && g.odd() {
		return g.value(w, depth)
	}
	switch operator {
	case "$in", "$nin", "$all":
		return bson.A{g.value(w, depth+1), g.value(w, depth+1)}
	case "$not":
		return g.operators(w, names, depth+1)
	case "$exists":
		return pick(g, true, false)
	case "$elemMatch":
		if g.chance(2) {
			return g.filter(w, depth+1)
		}
		return g.operators(w, names, depth+1)
	}
	return g.value(w, depth+1)
}

// isElemMatch knows the operator whose argument is a filter: names with dots in it are paths, in no value are they.
func isElemMatch(operator string) bool { return operator == "$elemMatch" }
