package analyze_test

import (
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// drawWorld draws three collections: the command's own, another with or without a schema, and one without.
func drawWorld(t *rapid.T) *world {
	w := &world{&vault{map[string]bson.RawValue{}}, map[string]*schema.Schema{"db.other": nil}, map[string]*shape{"other": nil}, map[string][]bson.Raw{}, map[string][]bson.Raw{}}
	for _, name := range []string{"c", "second"} {
		if name == "second" && evenly(t, 4) == 0 {
			w.schemas["db."+name], w.roots[name] = nil, nil
			continue
		}
		root, doc := drawSmallSchema(t)
		compiled, err := schema.Parse(marshal(t, doc), schema.Local)
		if err != nil {
			t.Fatal(err)
		}
		w.schemas["db."+name], w.roots[name] = compiled, shapeOf(root)
	}
	for _, name := range []string{"c", "second", "other"} {
		docs := bson.A{}
		for i := range rapid.IntRange(1, 4).Draw(t, "documents") {
			docs = append(docs, drawFitting(t, w.roots[name], i))
		}
		w.insert(t, name, docs)
	}
	return w
}

func (w *world) insert(t *rapid.T, name string, docs bson.A) {
	cmd := marshal(t, bson.D{{Key: "insert", Value: name}, {Key: "documents", Value: docs}})
	target, err := analyze.Classify("db", cmd)
	if err != nil {
		t.Fatal(err)
	}
	res, err := analyze.Command(nil, target, cmd, w.schemas, w.vault, analyze.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range elements(t, cmd.Lookup("documents").Value) {
		w.plain[name] = append(w.plain[name], bson.Raw(e.Value))
		w.stored[name] = append(w.stored[name], bson.Raw(elements(t, res.Command.Lookup("documents").Value)[i].Value))
	}
}

// drawSmallSchema draws a schema in which many fields are encrypted alike.
func drawSmallSchema(t *rapid.T) (*place, bson.D) {
	document := func(names ...string) (*place, bson.D) {
		p, properties := &place{children: map[string]*place{}, matched: map[string]*place{}}, bson.D{}
		for _, name := range names {
			field, doc := drawSmallField(t)
			p.names, p.children[name] = append(p.names, name), field
			properties = append(properties, bson.E{Key: name, Value: doc})
		}
		return p, bson.D{{Key: "bsonType", Value: "object"}, {Key: "properties", Value: properties}}
	}
	names := []string{"a", "b", "r"}
	if evenly(t, 4) == 0 {
		names = append(names, "_id")
	}
	p, doc := document(names...)
	p.names, p.children["a"] = append(p.names, "o"), &place{enc: &encryption{payload.Deterministic, 1, []string{"string"}}}
	doc[1].Value.(bson.D)[0].Value = encryptDocument(p.children["a"].enc)
	inner, innerDoc := document("z", "y")
	p.children["o"] = inner
	doc[1].Value = append(doc[1].Value.(bson.D), bson.E{Key: "o", Value: innerDoc})
	if rapid.Bool().Draw(t, "pattern") {
		field, fieldDoc := drawSmallField(t)
		p.patterns, p.matched["^k"] = []string{"^k"}, field
		doc = append(doc, bson.E{Key: "patternProperties", Value: bson.D{{Key: "^k", Value: fieldDoc}}})
	}
	return p, doc
}

func drawSmallField(t *rapid.T) (*place, bson.D) {
	e := &encryption{payload.Deterministic, 1, []string{"string"}}
	switch evenly(t, 9) {
	case 0:
		return nil, bson.D{}
	case 1:
		e.algorithm = payload.Random
	case 2:
		e.algorithm, e.types = payload.Random, []string{"object"}
	case 3:
		e.key = 2
	case 4, 5:
		e.types = []string{"long"}
	}
	return &place{enc: e}, encryptDocument(e)
}

func encryptDocument(e *encryption) bson.D {
	return bson.D{{Key: "encrypt", Value: bson.D{{Key: "algorithm", Value: e.algorithm.String()}, {Key: "keyId", Value: keyID(e.key)}, {Key: "bsonType", Value: e.types[0]}}}}
}

// drawLike draws a value like those at a place.
func drawLike(t *rapid.T, s *shape) any {
	e := s.enc()
	switch {
	case e != nil && e.types[0] == "long":
		return oneOf(t, int64(1), int64(2), int64(0))
	case e != nil && e.types[0] == "object":
		return bson.D{{Key: "plain", Value: oneOf(t, "x", "y")}}
	case e != nil:
		return oneOf(t, "x", "y")
	case s.encrypts(): // it may be like anything
		return oneOf(t, "x", "y", int64(1), nil)
	}
	return oneOf(t, "x", "y", "x", "y", int64(1), int32(1), int64(1), 1.0, int64(2), nil, true, "", bson.A{"x", "y"}, bson.A{}, bson.A{nil, int32(1)},
		bson.D{{Key: "a", Value: "x"}}, bson.D{})
}

// drawFitting draws a document of a collection.
func drawFitting(t *rapid.T, s *shape, id int) bson.D {
	doc := bson.D{{Key: "_id", Value: int32(id)}}
	if s.field("_id").encrypts() {
		doc[0].Value = drawLike(t, s.field("_id"))
	}
	for _, name := range []string{"plain", "other"} {
		if evenly(t, 4) > 0 {
			doc = append(doc, bson.E{Key: name, Value: drawLike(t, nil)})
		}
	}
	return append(doc, drawFields(t, s)...)
}

func drawFields(t *rapid.T, s *shape) bson.D {
	fields := bson.D{}
	if s == nil {
		s = &shape{set: map[string]*shape{"a": nil, "b": nil}}
	}
	names := []string{"a", "b"}
	if s.place != nil {
		names = s.place.known()
	}
	for _, name := range names {
		if name == "_id" || evenly(t, 5) == 0 {
			continue
		}
		value := any(nil)
		if child := s.field(name); child.isDocument() {
			value = drawFields(t, child)
		} else {
			value = drawLike(t, child)
		}
		if s.place == nil && evenly(t, 2) == 0 { // what other collections have in a field like it
			value = oneOf(t, "x", "y", int64(1))
		}
		fields = append(fields, bson.E{Key: name, Value: value})
	}
	return fields
}

func oneOf(t *rapid.T, values ...any) any { return values[evenly(t, len(values))] }
