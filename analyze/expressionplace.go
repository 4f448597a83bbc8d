package analyze

import (
	"cmp"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// getField writes $getField: {field: name, input: expression}, or $getField: name, which reads a field of $$CURRENT.
func (a *analysis) getField(dst []byte, e bsonraw.Element, row *operator) (out []byte, got value, err error) {
	if e.Type == bson.TypeEmbeddedDocument {
		if _, is, err := a.operatorOf(e.Value); err != nil {
			return nil, value{}, err
		} else if !is {
			return a.getFieldOf(dst, e, row)
		}
	}
	dst, name, err := a.fieldName(dst, e)
	if err != nil {
		return nil, value{}, err
	}
	document, err := a.wholeDocument(a.redact == redactDescends)
	if err != nil {
		return nil, value{}, err
	}
	got, err = a.child(document, name)
	return dst, got, orError(err, a.acceptResult(row, got))
}

func (a *analysis) getFieldOf(dst []byte, e bsonraw.Element, row *operator) (out []byte, got value, err error) {
	var name *string
	var document value
	dst, err = a.eachArgument(dst, e, []string{"field", "input"}, func(dst []byte, e bsonraw.Element) ([]byte, error) {
		switch string(e.Key) {
		case "field":
			dst, name, err = a.fieldName(dst, e)
		case "input":
			dst, document, err = a.evaluate(dst, e.Key, e.RawValue(), bare)
		default:
			err = a.refuse(ruleExpressionMalformed, a.op)
		}
		return dst, err
	})
	if err != nil {
		return nil, value{}, err
	}
	got, err = a.child(document, name)
	return dst, got, orError(err, a.acceptResult(row, got))
}

// fieldName writes the name of a field; nil when it is no constant.
func (a *analysis) fieldName(dst []byte, e bsonraw.Element) ([]byte, *string, error) {
	s, err := a.sideOf(e)
	if err != nil {
		return nil, nil, err
	}
	if s.kind != aConstant {
		dst, err = a.operand(dst, e, &fieldNameOperand, bare)
		return dst, nil, err
	}
	name, isString := s.constant.StringValueOK()
	if !isString {
		return nil, nil, a.refuse(ruleExpressionMalformed, a.op)
	}
	return append(dst, e.Raw...), &name, nil
}

// child is the field of that very name, dots and dollar signs included, of a document.
func (a *analysis) child(document value, name *string) (value, error) {
	switch document.class() {
	case schema.Plain:
		if document.whole && name != nil {
			return value{}, a.replaced([]byte(*name), a.op)
		}
		return value{}, nil
	case schema.Unknown:
		return value{}, refused(ruleUnknown, document.path, a.op)
	case schema.Deterministic, schema.Random:
		return value{}, refused(ruleBelowEncrypted, document.path, a.op)
	}
	if name == nil {
		return value{}, refused(ruleExpressionFieldName, document.path, a.op)
	}
	node, err := document.node.Child(*name)
	if node == nil && err == nil && document.whole {
		err = a.replaced([]byte(*name), a.op)
	}
	if node == nil || err != nil {
		return value{}, err
	}
	return value{node: node, path: cmp.Or(document.path, *name)}, nil
}

// fromArray writes an operator that gives an element of an array ($first, $arrayElemAt, …), or only looks at the array itself ($size,
// $isArray). Arrays of encrypted fields, which stages and expressions make, are let through.
func (a *analysis) fromArray(dst []byte, e bsonraw.Element, row *expressionOperator) (out []byte, element value, err error) {
	array := func(dst []byte, e bsonraw.Element) ([]byte, error) {
		dst, got, err := a.evaluate(dst, e.Key, e.RawValue(), wrapped)
		if err != nil {
			return nil, err
		}
		elem, isArray := got.node.Array()
		switch {
		case !isArray:
			return dst, a.accept(&row.operator, got)
		case row.form == formElement:
			element = value{node: elem, path: got.path}
		}
		return dst, nil
	}
	if e.Type != bson.TypeArray {
		out, err = array(dst, e)
		return out, element, err
	}
	out, err = a.eachOperand(dst, e, func(dst []byte, i int, e bsonraw.Element) ([]byte, error) {
		if i == 0 {
			return array(dst, e)
		}
		return a.operand(dst, e, &row.operator, wrapped)
	})
	return out, element, err
}
