package analyze

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// maxStageFields bounds the fields that one stage or projection may name: what it makes of the documents is derived for each.
const maxStageFields = 10_000

var (
	ruleStageField = &rule{"stage-field-unknown", "field {operator} of an aggregation stage is not known to be safe on a collection with encrypted fields",
		"leave the field out, or send the command through a client without automatic encryption", 0}
	ruleStageLong = &rule{"stage-too-long", "{operator} names more than 10000 fields", "take fewer fields", 0}
)

// value writes an expression in the argument of a stage or accumulator, if its row allows what it gives.
func (p *pipeline) value(dst, key []byte, v bson.RawValue, in constants, row *operator, name string) (out []byte, node *schema.Node, err error) {
	p.op = name
	dst, got, err := p.evaluate(dst, key, v, in)
	if err != nil {
		return nil, nil, err
	}
	p.op = name
	return dst, got.node, p.accept(row, got)
}

// stageValue is value for a row of stageOperands.
func (p *pipeline) stageValue(dst, key []byte, v bson.RawValue, name string) (out []byte, node *schema.Node, err error) {
	return p.value(dst, key, v, wrapped, byName(stageOperands, name), name)
}

// stagePath resolves a path in the argument of a stage, if the row of stageOperands allows it.
func (p *pipeline) stagePath(root *schema.Node, v bson.RawValue, name string) (schema.Match, error) {
	path, isString := v.StringValueOK()
	if !isString || !namesField(path) {
		return schema.Match{}, p.refuse(ruleMalformed, name)
	}
	n := p.enter([]byte(path))
	defer p.leave(n)
	m, err := p.lookup(root, path)
	if err != nil {
		return m, err
	}
	if d := byName(stageOperands, name).of(m.Class, m.Field); d.verb == refuse {
		return m, p.refuse(d.rule, name)
	}
	return m, nil
}

// fields writes the argument of a stage, a document, field by field.
func (p *pipeline) fields(dst []byte, e bsonraw.Element, write func(dst []byte, f bsonraw.Element) ([]byte, error)) ([]byte, error) {
	if e.Type != bson.TypeEmbeddedDocument {
		return nil, p.refuse(ruleMalformed, string(e.Key))
	}
	dst, start := bsonraw.BeginDocument(dst, e.Key)
	seen := map[string]bool{}
	it := bsonraw.Iterate(e.Value)
	for it.Next() {
		name := string(it.Element.Key)
		switch {
		case len(seen) == maxStageFields:
			return nil, p.refuse(ruleStageLong, string(e.Key))
		case seen[name]:
			return nil, p.refuse(ruleFieldTwice, name)
		}
		seen[name] = true
		var err error
		if dst, err = write(dst, it.Element); err != nil {
			return nil, err
		}
	}
	return bsonraw.End(dst, start), it.Err
}

// keep writes f as it is when its value has the right shape.
func (p *pipeline) keep(dst []byte, f bsonraw.Element, rightShape bool) ([]byte, error) {
	if !rightShape {
		return nil, p.refuse(ruleMalformed, string(f.Key))
	}
	return append(dst, f.Raw...), nil
}

// setField makes the field that a stage writes, the path v, what node is.
func (p *pipeline) setField(v bson.RawValue, node *schema.Node, stage string) error {
	path, isString := v.StringValueOK()
	if !isString || !namesField(path) {
		return p.refuse(ruleMalformed, stage)
	}
	n := p.enter([]byte(path))
	defer p.leave(n)
	if err := p.reach(path, stage); err != nil {
		return err
	}
	root, err := p.derived(p.root.With(schema.Field{Path: path, Node: node}))
	p.root = root
	return err
}

// namesField says whether path names a field, as opposed to an operator or an array element.
func namesField(path string) bool {
	return isFieldPath(path) && path[0] != '$' && !strings.Contains(path, ".$")
}
