package analyze

import (
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// logicalOperators hold a list of filters.
var logicalOperators = []string{"$and", "$or", "$nor"}

// filterOperators decides the other operators that stand in the place of a field name: nil passes when the argument is a scalar.
var filterOperators = map[string]*rule{
	"$comment":     nil,
	"$alwaysTrue":  nil,
	"$alwaysFalse": nil,
	"$sampleRate":  nil,
	"$expr":        ruleExpressionNested, // on whole documents its argument is analysed
	"$jsonSchema":  ruleMatchUnsupported,
	"$text":        ruleMatchUnsupported,
	"$where":       ruleMatchUnsupported,
}

// query writes a whole query document. In Exact mode one with a sealed value is written out in full; one without stays as it is.
func (a *analysis) query(dst []byte, v bson.RawValue) ([]byte, error) {
	mark, before := len(dst), a.sealed
	dst, err := a.filter(dst, v, a.root)
	if err != nil {
		return nil, err
	}
	return a.unchangedUnlessSealed(dst, mark, before, v.Value), nil
}

// filter writes a query document, or one inside it, whose field names are relative to node.
func (a *analysis) filter(dst []byte, v bson.RawValue, node *schema.Node) ([]byte, error) {
	if v.Type != bson.TypeEmbeddedDocument {
		return nil, a.refuse(ruleMalformed, "filter")
	}
	if err := a.nest(); err != nil {
		return nil, err
	}
	defer func() { a.depth-- }()
	if a.rewrite == Exact {
		return a.filterExact(dst, v.Value, node)
	}
	return a.filterMinimal(dst, v.Value, node)
}

func (a *analysis) filterMinimal(dst, filter []byte, node *schema.Node) ([]byte, error) {
	dst, start := bsonraw.Begin(dst)
	it := bsonraw.Iterate(filter)
	for it.Next() {
		var err error
		if dst, err = a.condition(dst, it.Element, node); err != nil {
			return nil, err
		}
	}
	return bsonraw.End(dst, start), it.Err
}

// condition writes one element of a filter.
func (a *analysis) condition(dst []byte, e bsonraw.Element, node *schema.Node) ([]byte, error) {
	if isOperator(e.Key) {
		return a.filterOperator(dst, e, node)
	}
	n := a.enter(e.Key)
	m, err := a.conditionPath(node, e.Key)
	if err != nil {
		return nil, err
	}
	if e.Type == bson.TypeEmbeddedDocument {
		operators, err := isOperatorDocument(e.Value)
		if err != nil {
			return nil, err
		}
		if operators {
			dst, err = a.operators(bsonraw.AppendKey(dst, e.Type, e.Key), e.Value, m)
			a.leave(n)
			return dst, err
		}
	}
	dst, err = a.implicit(dst, e, m)
	a.leave(n)
	return dst, err
}

// conditionPath resolves the path of a condition.
func (a *analysis) conditionPath(node *schema.Node, path []byte) (schema.Match, error) {
	m, err := a.lookupBytes(node, path)
	if err == nil && m.Class == schema.Plain {
		err = a.replaced(a.path, "")
	}
	return m, err
}

// filterOperator writes an operator that stands in the place of a field name.
func (a *analysis) filterOperator(dst []byte, e bsonraw.Element, node *schema.Node) ([]byte, error) {
	if isLogical(e.Key) {
		return a.filterList(dst, e, node)
	}
	r, known := filterOperators[string(e.Key)]
	switch {
	case string(e.Key) == "$expr" && node == a.root:
		return a.apart(func(a *analysis) ([]byte, error) { return a.filterExpression(dst, e) })
	case !known:
		return nil, a.refuse(ruleMatchUnknown, string(e.Key))
	case r != nil:
		return nil, a.refuse(r, string(e.Key))
	case e.IsContainer():
		return nil, a.refuse(ruleMalformed, string(e.Key))
	}
	return append(dst, e.Raw...), nil
}

func isLogical(key []byte) bool {
	for _, name := range logicalOperators {
		if string(key) == name {
			return true
		}
	}
	return false
}

// filterList writes $and, $or or $nor.
func (a *analysis) filterList(dst []byte, e bsonraw.Element, node *schema.Node) ([]byte, error) {
	if e.Type != bson.TypeArray {
		return nil, a.refuse(ruleMalformed, string(e.Key))
	}
	dst, start := bsonraw.BeginArray(dst, e.Key)
	it := bsonraw.Iterate(e.Value)
	for it.Next() {
		var err error
		dst = bsonraw.AppendKey(dst, it.Element.Type, it.Element.Key)
		if dst, err = a.filter(dst, it.Element.RawValue(), node); err != nil {
			return nil, err
		}
	}
	return bsonraw.End(dst, start), it.Err
}

// isOperatorDocument says whether a document in the place of a value holds operators. {$ref: …, $id: …} is a value, a DBRef.
func isOperatorDocument(doc []byte) (bool, error) {
	it := bsonraw.Iterate(doc)
	if !it.Next() {
		return false, it.Err
	}
	switch string(it.Element.Key) {
	case "$ref", "$id", "$db":
		return false, nil
	}
	return isOperator(it.Element.Key), nil
}

func orError(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// appendIndex appends the key of an array element.
func appendIndex(dst []byte, t bson.Type, i int) []byte {
	return append(strconv.AppendInt(append(dst, byte(t)), int64(i), 10), 0)
}
