package analyze

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

var (
	ruleGroupRandom = &rule{"group-on-random", "Cannot query on fields encrypted with the randomized encryption: equal values have different ciphertexts, so each would make a group of its own",
		"group after decryption, or encrypt the field deterministically", 0}
	ruleGroupPrefix = &rule{"group-on-prefix", "grouping by a document that holds encrypted fields is not supported",
		"group by its inner fields: {_id: {a: \"$document.a\", b: \"$document.b\"}}", 0}
)

// group writes {_id: expression, name: {accumulator: …}, …}.
func (p *pipeline) group(dst []byte, e bsonraw.Element) ([]byte, error) {
	var result []schema.Field
	grouped := false
	dst, err := p.fields(dst, e, func(dst []byte, f bsonraw.Element) (out []byte, err error) {
		var value *schema.Node
		if string(f.Key) == "_id" {
			grouped = true
			out, value, err = p.groupKey(dst, f.Key, f.RawValue(), byName(stageOperands, "$group._id"), "$group")
		} else {
			out, value, err = p.accumulated(dst, f)
		}
		result = append(result, schema.Field{Path: string(f.Key), Node: value})
		return out, err
	})
	if err != nil {
		return nil, err
	}
	if !grouped {
		return nil, p.refuse(ruleMalformed, "$group")
	}
	p.root, err = p.built(result)
	return dst, err
}

// built is a document of nothing but fields.
func (a *analysis) built(fields []schema.Field) (*schema.Node, error) {
	return a.derived((*schema.Node)(nil).With(fields...))
}

// groupKey writes an expression whose equal values are taken for one: they must have equal ciphertexts. The fields of a document that it
// builds are decided one by one.
func (p *pipeline) groupKey(dst, key []byte, v bson.RawValue, row *operator, name string) (out []byte, value *schema.Node, err error) {
	if v.Type != bson.TypeEmbeddedDocument {
		return p.value(dst, key, v, wrapped, row, name)
	}
	operators, err := isOperatorDocument(v.Value)
	if err != nil {
		return nil, nil, err
	}
	if operators {
		return p.value(dst, key, v, wrapped, row, name)
	}
	if err := p.nest(); err != nil {
		return nil, nil, err
	}
	defer func() { p.depth-- }()
	var parts []schema.Field
	dst, err = p.fields(dst, bsonraw.Element{Type: v.Type, Key: key, Value: v.Value}, func(dst []byte, f bsonraw.Element) ([]byte, error) {
		if !isFieldName(f.Key) {
			return nil, p.refuse(ruleMalformed, name)
		}
		dst, part, err := p.groupKey(dst, f.Key, f.RawValue(), row, name)
		parts = append(parts, schema.Field{Path: string(f.Key), Node: part})
		return dst, err
	})
	if err != nil {
		return nil, nil, err
	}
	value, err = p.built(parts)
	return dst, value, err
}

// sortByCount writes $sortByCount, which is a $group that counts.
func (p *pipeline) sortByCount(dst []byte, e bsonraw.Element) ([]byte, error) {
	dst, value, err := p.groupKey(dst, e.Key, e.RawValue(), byName(stageOperands, "$sortByCount"), "$sortByCount")
	if err != nil {
		return nil, err
	}
	p.root, err = p.built([]schema.Field{{Path: "_id", Node: value}})
	return dst, err
}
