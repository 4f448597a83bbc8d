package analyze

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// maxPath bounds the paths in a projection, which are spelled out for each field; no server has documents so deep.
const maxPath = 8 << 10

var (
	ruleProjectionPath = &rule{"projection-path", "{operator} is not the name of a field that can be projected here",
		"name fields by dotted paths without dollar signs", 0}
	ruleProjectionMix = &rule{"projection-mixed", "a projection includes some fields and excludes others, so that what comes out is not certain",
		"either include or exclude, and only of _id the other", 0}
)

// projection collects what a projection, or a stage like one, does to the documents.
type projection struct {
	name     string // $project, $addFields or $set; "projection" in find and findAndModify
	included []string
	excluded []string
	computed []schema.Field
	idIn     bool // _id: 1
	idOut    bool // _id: 0
	seen     map[string]bool
}

// adds says whether all other fields stay and every value is an expression.
func (p *projection) adds() bool { return p.name == "$addFields" || p.name == "$set" }

// ofFind says whether the operators of find are known.
func (p *projection) ofFind() bool { return p.name == "projection" }

// project writes the projection e of find, findAndModify or (stage) $project, and gives the documents that come out.
func (a *analysis) project(dst []byte, e bsonraw.Element, stage bool) (out []byte, result *schema.Node, err error) {
	if stage {
		return a.projection(dst, e, "$project")
	}
	mark, before := len(dst), a.sealed
	dst, result, err = a.projection(dst, e, "projection")
	if err != nil {
		return nil, nil, err
	}
	return a.unchangedUnlessSealed(dst, mark, before, e.Raw), result, nil
}

// projection writes the projection e of the kind name.
func (a *analysis) projection(dst []byte, e bsonraw.Element, name string) (out []byte, result *schema.Node, err error) {
	p := projection{name: name, seen: map[string]bool{}}
	if dst, err = a.projectedFields(dst, e, &p); err != nil {
		return nil, nil, err
	}
	result, err = a.projected(&p)
	return dst, result, err
}

// projected is what comes out of a projection.
func (a *analysis) projected(p *projection) (*schema.Node, error) {
	including := len(p.included) > 0 || len(p.computed) > 0 || p.idIn && len(p.excluded) == 0
	switch {
	case p.adds():
		return a.derived(a.root.With(p.computed...))
	case including && len(p.excluded) > 0:
		return nil, a.refuse(ruleProjectionMix, p.name)
	case !including && p.idOut:
		return a.derived(a.root.Without(append(p.excluded, "_id")...))
	case !including:
		return a.derived(a.root.Without(p.excluded...))
	case !p.idOut:
		p.included = append(p.included, "_id")
	}
	kept, err := a.root.Only(p.included...)
	if err != nil {
		return nil, err
	}
	return a.derived(kept.With(p.computed...))
}

// projectedFields writes a document of a projection: {path: 1}, {path: expression}, {name: {name: …}}.
func (a *analysis) projectedFields(dst []byte, e bsonraw.Element, p *projection) ([]byte, error) {
	if e.Type != bson.TypeEmbeddedDocument {
		return nil, a.refuse(ruleMalformed, p.name)
	}
	if err := a.nest(); err != nil {
		return nil, err
	}
	defer func() { a.depth-- }()
	dst, start := bsonraw.BeginDocument(dst, e.Key)
	it := bsonraw.Iterate(e.Value)
	for it.Next() {
		n := a.enter(it.Element.Key)
		path := string(a.path)
		switch {
		case len(path) > maxPath:
			return nil, a.refuse(ruleDepth, p.name)
		case len(p.seen) == maxStageFields:
			return nil, a.refuse(ruleStageLong, p.name)
		case p.seen[path]:
			return nil, a.refuse(ruleFieldTwice, path)
		}
		p.seen[path] = true
		var err error
		if dst, err = a.projectedField(dst, it.Element, path, p); err != nil {
			return nil, err
		}
		a.leave(n)
	}
	return bsonraw.End(dst, start), it.Err
}

func (a *analysis) projectedField(dst []byte, e bsonraw.Element, path string, p *projection) ([]byte, error) {
	v := e.RawValue()
	flag := !p.adds() && (v.Type == bson.TypeBoolean || isNumber(v))
	if array, positional := strings.CutSuffix(path, ".$"); positional && p.ofFind() && flag {
		return a.positional(dst, e, array)
	}
	if !namesField(path) {
		return nil, a.refuse(ruleProjectionPath, string(e.Key))
	}
	if v.Type == bson.TypeEmbeddedDocument {
		operators, err := isOperatorDocument(v.Value)
		switch {
		case err != nil:
			return nil, err
		case len(v.Value) == 5: // the empty document, which servers refuse
			return nil, a.refuse(ruleMalformed, p.name)
		case !operators:
			return a.projectedFields(dst, e, p)
		case p.ofFind():
			if row := findProjectionOperator(v.Value); row != nil {
				return a.projectedOperator(dst, e, path, row)
			}
		}
	}
	if err := a.reach(path, p.name); err != nil {
		return nil, err
	}
	if flag {
		p.flag(path, isZero(v))
		return append(dst, e.Raw...), nil
	}
	a.op = p.name
	dst, value, err := a.expression(dst, e.Key, v)
	p.computed = append(p.computed, schema.Field{Path: path, Node: value})
	return dst, err
}

// flag takes down {path: 1} or {path: 0}.
func (p *projection) flag(path string, zero bool) {
	switch {
	case path == "_id":
		p.idIn, p.idOut = !zero, zero
	case zero:
		p.excluded = append(p.excluded, path)
	default:
		p.included = append(p.included, path)
	}
}

// reach refuses a path that leads below an encrypted field, where the server sees no fields. Stages that make documents anew reach
// into the elements of arrays, so theirs are known here.
func (a *analysis) reach(path, operator string) error {
	m, err := a.lookup(a.root, path)
	switch {
	case err != nil:
		return err
	case m.Class == schema.Below:
		return a.refuse(ruleBelowEncrypted, operator)
	case m.Class != schema.Unknown:
		return nil
	}
	node := a.root
	for name := range strings.SplitSeq(path, ".") {
		for elem, isArray := node.Array(); isArray; elem, isArray = node.Array() {
			node = elem
		}
		switch {
		case node == schema.Undecided():
			return a.refuse(ruleUnknown, operator)
		case node.Encrypted() != nil:
			return a.refuse(ruleBelowEncrypted, operator)
		}
		if node, err = node.Child(name); err != nil {
			return err
		}
	}
	return nil
}

// isZero says whether a number or boolean is what projections take for false.
func isZero(v bson.RawValue) bool {
	switch v.Type {
	case bson.TypeDouble:
		return v.Double() == 0
	case bson.TypeDecimal128:
		digits, _, err := v.Decimal128().BigInt()
		return err == nil && digits.Sign() == 0
	}
	return isFalse(v)
}
