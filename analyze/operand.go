package analyze

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// accept refuses got as an operand when the operator's row says so.
func (a *analysis) accept(row *operator, got value) error {
	d := row.of(got.class(), got.node.Encrypted())
	switch {
	case d.verb != refuse:
		return nil
	case got.path == "":
		return a.refuse(d.rule, a.op)
	}
	return refused(d.rule, got.path, a.op)
}

// acceptResult is accept for an operand that the operator hands on: it may be undecided, or an array, until it is referred to.
func (a *analysis) acceptResult(row *operator, got value) error {
	if got.class() == schema.Unknown {
		return nil
	}
	return a.accept(row, got)
}

// operand writes one operand that the operator's row must accept.
func (a *analysis) operand(dst []byte, e bsonraw.Element, row *operator, in constants) ([]byte, error) {
	dst, got, err := a.evaluate(dst, e.Key, e.RawValue(), in)
	if err != nil {
		return nil, err
	}
	return dst, a.accept(row, got)
}

// operands writes an argument that is one expression, a list of them, or a document of named ones.
func (a *analysis) operands(dst []byte, e bsonraw.Element, row *expressionOperator) ([]byte, error) {
	switch e.Type {
	case bson.TypeArray:
		return a.eachOperand(dst, e, func(dst []byte, _ int, e bsonraw.Element) ([]byte, error) {
			return a.operand(dst, e, &row.operator, wrapped)
		})
	case bson.TypeEmbeddedDocument:
		if _, is, err := a.operatorOf(e.Value); err != nil {
			return nil, err
		} else if !is {
			return a.namedOperands(dst, e, row)
		}
	}
	return a.operand(dst, e, &row.operator, wrapped)
}

// namedOperands writes {input: …, as: "x", …}.
func (a *analysis) namedOperands(dst []byte, e bsonraw.Element, row *expressionOperator) ([]byte, error) {
	dst, start := bsonraw.BeginDocument(dst, e.Key)
	it := bsonraw.Iterate(e.Value)
	for it.Next() {
		name := string(it.Element.Key)
		var err error
		switch {
		case slices.Contains(row.variables, name):
			err = a.variableName(it.Element.RawValue())
			dst = append(dst, it.Element.Raw...)
		case row.condition != "" && name == row.condition:
			dst, err = a.truth(dst, it.Element, bare)
		case row.order != "" && name == row.order:
			err = a.order(it.Element.RawValue())
			dst = append(dst, it.Element.Raw...)
		default:
			dst, err = a.operand(dst, it.Element, &row.operator, bare)
		}
		if err != nil {
			return nil, err
		}
	}
	return bsonraw.End(dst, start), it.Err
}

// order checks an order of array elements, {field: 1} or 1, which is no expression.
func (a *analysis) order(v bson.RawValue) error {
	if isNumber(v) {
		return nil
	}
	if v.Type != bson.TypeEmbeddedDocument {
		return a.refuse(ruleExpressionMalformed, a.op)
	}
	it := bsonraw.Iterate(v.Value)
	for it.Next() {
		if !isNumber(it.Element.RawValue()) {
			return a.refuse(ruleExpressionMalformed, a.op)
		}
	}
	return it.Err
}

// eachOperand writes a list of operands, one by one.
func (a *analysis) eachOperand(dst []byte, e bsonraw.Element, write func(dst []byte, i int, e bsonraw.Element) ([]byte, error)) ([]byte, error) {
	if e.Type != bson.TypeArray {
		return nil, a.refuse(ruleExpressionMalformed, a.op)
	}
	dst, start := bsonraw.BeginArray(dst, e.Key)
	it := bsonraw.Iterate(e.Value)
	for i := 0; it.Next(); i++ {
		var err error
		if dst, err = write(dst, i, it.Element); err != nil {
			return nil, err
		}
	}
	return bsonraw.End(dst, start), it.Err
}

// eachArgument writes a document of named arguments, one by one: all of those required, and none twice. write refuses what it does
// not know.
func (a *analysis) eachArgument(dst []byte, e bsonraw.Element, required []string, write func(dst []byte, e bsonraw.Element) ([]byte, error)) ([]byte, error) {
	if e.Type != bson.TypeEmbeddedDocument {
		return nil, a.refuse(ruleExpressionMalformed, a.op)
	}
	missing := len(required)
	dst, start := bsonraw.BeginDocument(dst, e.Key)
	it := bsonraw.Iterate(e.Value)
	for it.Next() {
		if repeats(e.Value, it.Element) {
			return nil, a.refuse(ruleExpressionMalformed, a.op)
		}
		var err error
		if dst, err = write(dst, it.Element); err != nil {
			return nil, err
		}
		if slices.Contains(required, string(it.Element.Key)) {
			missing--
		}
	}
	if it.Err == nil && missing > 0 {
		return nil, a.refuse(ruleExpressionMalformed, a.op)
	}
	return bsonraw.End(dst, start), it.Err
}
