package analyze_test

import (
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// place is a model of an encryption schema, made by drawing and read naively: what it says of a path does not depend on package
// schema. Patterns are either "^prefix" or "part".
type place struct {
	enc      *encryption
	names    []string // of properties
	children map[string]*place
	patterns []string
	matched  map[string]*place
	rest     *place // additionalProperties
}

type encryption struct {
	algorithm payload.Algorithm
	key       byte     // first byte of the key id; 0 with a pointer
	types     []string // bsonType; nil for any
}

// keyName is a plain field of every document, to which pointers lead.
const keyName = "keyname"

func matches(pattern, name string) bool {
	if prefix, anchored := strings.CutPrefix(pattern, "^"); anchored {
		return strings.HasPrefix(name, prefix)
	}
	return strings.Contains(name, pattern)
}

// under is every rule that hits a name below p; a plain rule is a nil.
func (p *place) under(name string) []*place {
	var hit []*place
	if child, named := p.children[name]; named {
		hit = append(hit, child)
	}
	for _, pattern := range p.patterns {
		if matches(pattern, name) {
			hit = append(hit, p.matched[pattern])
		}
	}
	if hit == nil {
		hit = append(hit, p.rest)
	}
	return hit
}

// secret says whether any rule encrypts the place at the path, or one above it.
func (p *place) secret(path []string) bool {
	if p == nil {
		return false
	}
	if p.enc != nil || len(path) == 0 {
		return p.enc != nil
	}
	return slices.ContainsFunc(p.under(path[0]), func(child *place) bool { return child.secret(path[1:]) })
}

// at is the place at a path when the rules leave no doubt; nil when it is plain, and below an encrypted field.
func (p *place) at(path []string) *place {
	for _, name := range path {
		if p == nil || p.enc != nil {
			return nil
		}
		hit := p.under(name)
		if len(hit) != 1 {
			return nil
		}
		p = hit[0]
	}
	return p
}

// where is a location of a value: the paths that it may be taken for.
type where struct {
	root  *place
	paths [][]string
}

// top is the location of a whole document.
func top(root *place) where { return where{root, [][]string{{}}} }

func (w where) secret() bool { return slices.ContainsFunc(w.paths, w.root.secret) }

// at is the place at w, by what its name says.
func (w where) at() *place { return w.root.at(w.paths[0]) }

// or is a location that may be taken for others as well.
func (w where) or(others where) where { return where{w.root, slices.Concat(w.paths, others.paths)} }

// field goes to a field of a stored document. Its name is literal, but a person may have meant a path.
func (w where) field(name string) where {
	out := where{root: w.root}
	for _, path := range w.paths {
		out.paths = append(out.paths, append(slices.Clip(path), name))
		if strings.Contains(name, ".") {
			out.paths = append(out.paths, append(slices.Clip(path), strings.Split(name, ".")...))
		}
	}
	return out
}

// path goes down a dotted path of a filter. An array index leads through an element of an array.
func (w where) path(dotted string) where { return w.through(dotted, w.isIndex) }

// updated goes down a dotted path of an update, where $, $[] and $[name] lead through elements of arrays as well.
func (w where) updated(dotted string) where {
	return w.path(dotted).or(w.through(dotted, func(path []string, part string) bool {
		return w.isIndex(path, part) || part == "$" || strings.HasPrefix(part, "$[")
	}))
}

// isIndex knows array indexes. The whole document is no array, and a number may be the name of a field in the schema.
func (w where) isIndex(path []string, part string) bool {
	_, err := strconv.Atoi(part)
	return err == nil && len(path) > 0 && w.root.at(append(slices.Clip(path), part)) == nil
}

func (w where) through(dotted string, isElement func(path []string, part string) bool) where {
	out := where{root: w.root}
	for _, path := range w.paths {
		path = slices.Clip(path)
		parts, through := append(path, strings.Split(dotted, ".")...), path
		for _, part := range parts[len(path):] {
			if !isElement(through, part) {
				through = append(through, part)
			}
		}
		if out.paths = append(out.paths, parts); len(through) < len(parts) {
			out.paths = append(out.paths, through)
		}
	}
	return out
}

// drawSchema makes a schema as a model and as the document to parse.
func drawSchema(t *rapid.T) (*place, bson.D) {
	return drawObject(t, 0, inherited{})
}

// inherited is what an encryptMetadata further out sets.
type inherited struct {
	algorithm payload.Algorithm
	key       byte
}

func drawObject(t *rapid.T, depth int, in inherited) (*place, bson.D) {
	p := &place{children: map[string]*place{}, matched: map[string]*place{}}
	doc := bson.D{{Key: "bsonType", Value: "object"}}
	if rapid.IntRange(0, 3).Draw(t, "metadata") == 0 {
		in.algorithm = rapid.SampledFrom([]payload.Algorithm{payload.Deterministic, payload.Random}).Draw(t, "inherited")
		in.key = byte(rapid.IntRange(1, 9).Draw(t, "inherited key"))
		doc = append(doc, bson.E{Key: "encryptMetadata", Value: bson.D{{Key: "algorithm", Value: in.algorithm.String()}, {Key: "keyId", Value: keyID(in.key)}}})
	}
	properties := bson.D{}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "_id"}), 1, 4, rapid.ID).Draw(t, "names") {
		sub, subdoc := drawPlace(t, depth+1, in)
		p.names, p.children[name] = append(p.names, name), sub
		properties = append(properties, bson.E{Key: name, Value: subdoc})
	}
	if depth == 0 {
		p.children[keyName] = nil
		properties = append(properties, bson.E{Key: keyName, Value: bson.D{{Key: "bsonType", Value: "string"}}})
	}
	doc = append(doc, bson.E{Key: "properties", Value: properties})
	if rapid.IntRange(0, 2).Draw(t, "patterns") == 0 {
		patterns := bson.D{}
		for _, pattern := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"^p", "q", "^r"}), 1, 2, rapid.ID).Draw(t, "patterns") {
			sub, subdoc := drawPlace(t, depth+1, in)
			p.patterns, p.matched[pattern] = append(p.patterns, pattern), sub
			patterns = append(patterns, bson.E{Key: pattern, Value: subdoc})
		}
		doc = append(doc, bson.E{Key: "patternProperties", Value: patterns})
	}
	if rapid.IntRange(0, 4).Draw(t, "additional") == 0 {
		var subdoc bson.D
		p.rest, subdoc = drawPlace(t, depth+1, in)
		doc = append(doc, bson.E{Key: "additionalProperties", Value: subdoc})
	}
	return p, doc
}

// drawPlace is a plain field, an encrypted one or a document; nil when it is plain.
func drawPlace(t *rapid.T, depth int, in inherited) (*place, bson.D) {
	switch kind := rapid.IntRange(0, 6).Draw(t, "kind"); {
	case kind == 0:
		return nil, bson.D{}
	case kind <= 2 && depth < 3:
		return drawObject(t, depth, in)
	}
	return drawEncrypted(t, in)
}

func drawEncrypted(t *rapid.T, in inherited) (*place, bson.D) {
	e := &encryption{algorithm: in.algorithm, key: in.key}
	doc := bson.D{}
	if in.algorithm == 0 || rapid.Bool().Draw(t, "own algorithm") {
		e.algorithm = rapid.SampledFrom([]payload.Algorithm{payload.Deterministic, payload.Random}).Draw(t, "algorithm")
		doc = append(doc, bson.E{Key: "algorithm", Value: e.algorithm.String()})
	}
	switch {
	case e.algorithm == payload.Random && rapid.IntRange(0, 5).Draw(t, "pointer") == 0:
		e.key = 0
		doc = append(doc, bson.E{Key: "keyId", Value: "/" + keyName})
	case in.key == 0 || rapid.Bool().Draw(t, "own key"):
		e.key = byte(rapid.IntRange(1, 9).Draw(t, "key"))
		doc = append(doc, bson.E{Key: "keyId", Value: keyID(e.key)})
	}
	choices := [][]string{{"string"}, {"string"}, {"string"}, {"long"}, {"binData"}, {"javascript"}, {"symbol"}}
	if e.algorithm == payload.Random {
		choices = [][]string{{"string"}, {"object"}, {"array"}, {"string", "int"}, nil}
	}
	e.types = rapid.SampledFrom(choices).Draw(t, "types")
	switch len(e.types) {
	case 0:
	case 1:
		doc = append(doc, bson.E{Key: "bsonType", Value: e.types[0]})
	default:
		doc = append(doc, bson.E{Key: "bsonType", Value: e.types})
	}
	return &place{enc: e}, bson.D{{Key: "encrypt", Value: doc}}
}

func keyID(b byte) bson.A { return bson.A{payload.KeyID{b}.Binary()} }
