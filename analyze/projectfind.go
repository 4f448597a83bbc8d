package analyze

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

var ruleProjectionOperator = &rule{"projection-operator-on-encrypted", "{operator} in a projection cannot look into an encrypted field, or into a document that holds one",
	"project the field whole, and take it apart after decryption", 0}

// findProjectionOperators decides the operators that only projections of find and findAndModify have; "$" is the positional one.
// There are no arrays with encrypted fields in them, and the elements of one that is encrypted whole cannot be seen.
var findProjectionOperators = []operator{
	operandsWithout(ruleProjectionOperator, "$", "$slice", "$meta"),
	{names: []string{"$elemMatch"}, plain: decision{verb: element}, deterministic: no(ruleProjectionOperator), random: no(ruleProjectionOperator),
		prefix: decision{verb: element}, below: no(ruleBelowEncrypted)},
}

// findProjectionOperator is the row of the first operator in doc; nil when it belongs to expressions.
func findProjectionOperator(doc []byte) *operator {
	it := bsonraw.Iterate(doc)
	it.Next()
	return byName(findProjectionOperators, string(it.Element.Key))
}

// positional writes {"array.$": 1}.
func (a *analysis) positional(dst []byte, e bsonraw.Element, array string) ([]byte, error) {
	if !namesField(array) || isZero(e.RawValue()) {
		return nil, a.refuse(ruleProjectionPath, string(e.Key))
	}
	m, err := a.lookup(a.root, array)
	if err != nil {
		return nil, err
	}
	if d := byName(findProjectionOperators, "$").on(m.Class); d.verb == refuse {
		return nil, a.refuse(d.rule, "$")
	}
	return append(dst, e.Raw...), nil
}

// projectedOperator writes {path: {$meta: "…"}}, {path: {$slice: number(s)}} or {path: {$elemMatch: condition}}.
func (a *analysis) projectedOperator(dst []byte, e bsonraw.Element, path string, row *operator) ([]byte, error) {
	it := bsonraw.Iterate(e.Value)
	it.Next()
	op := it.Element
	if it.Next() || it.Err != nil {
		return nil, orError(it.Err, a.refuse(ruleMalformed, string(it.Element.Key)))
	}
	m, err := a.lookup(a.root, path)
	if err != nil {
		return nil, err
	}
	name, v := string(op.Key), op.RawValue()
	switch d := row.on(m.Class); d.verb {
	case element:
		return a.projectedElement(dst, e, op, m)
	case pass:
		if name == "$meta" && v.Type == bson.TypeString || name == "$slice" && (isNumber(v) || isNumbers(v)) {
			return append(dst, e.Raw...), nil
		}
		return nil, a.refuse(ruleMalformed, name)
	default:
		return nil, a.refuse(d.rule, name)
	}
}

func (a *analysis) projectedElement(dst []byte, e, op bsonraw.Element, m schema.Match) ([]byte, error) {
	dst, start := bsonraw.BeginDocument(dst, e.Key)
	dst, err := a.elementMatch(dst, op.Key, op.RawValue(), m)
	if err != nil {
		return nil, err
	}
	return bsonraw.End(dst, start), nil
}

func isNumbers(v bson.RawValue) bool {
	if v.Type != bson.TypeArray {
		return false
	}
	it := bsonraw.Iterate(v.Value)
	for it.Next() {
		if !isNumber(it.Element.RawValue()) {
			return false
		}
	}
	return it.Err == nil
}
