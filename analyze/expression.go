package analyze

import (
	"cmp"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// value is what an expression gives.
type value struct {
	node    *schema.Node // the place it is like; nil when nothing in it is encrypted
	path    string       // a field it comes from, for errors; set only when node is
	absent  bool         // it is null or missing in every document
	whole   bool         // it is the document itself
	literal bool         // it is a document or array written out: as a condition always true
}

// class is how the value relates to encrypted fields; Unknown is an undecided value, or an array with encrypted fields in it.
func (v value) class() schema.Class {
	_, isArray := v.node.Array()
	switch {
	case v.node == nil:
		return schema.Plain
	case isArray || v.node == schema.Undecided():
		return schema.Unknown
	case v.node.Encrypted() == nil:
		return schema.Prefix
	case v.node.Encrypted().Algorithm == payload.Deterministic:
		return schema.Deterministic
	default:
		return schema.Random
	}
}

// or is what is like v in some documents and like o in others. Null is never encrypted and a missing field stays missing, so beside an
// encrypted value they change nothing: {$cond: [c, "$ssn", "$$REMOVE"]} is the field ssn or nothing, which is what the field ssn is
// itself. Whatever may be done with it gives the same on ciphertext: $eq, $ne and $in with a sealed constant hold for null and missing as
// they do for a value that differs, and a comparison with null itself is refused.
func (v value) or(o value) value {
	switch {
	case v.absent:
		return o
	case o.absent:
		return v
	}
	return value{node: schema.Either(v.node, o.node), path: cmp.Or(v.path, o.path), literal: v.literal || o.literal}
}

// expression writes v, an aggregation expression over the documents a.root, under key, its constants sealed where they are
// compared with an encrypted field. node is the place its result is like: nil when nothing in it is encrypted.
func (a *analysis) expression(dst, key []byte, v bson.RawValue) (out []byte, node *schema.Node, err error) {
	out, got, err := a.evaluate(dst, key, v, wrapped)
	return out, got.node, err
}

// constants is how Exact writes those in an expression; Minimal leaves them bare.
type constants int

const (
	wrapped constants = iota // {$const: v}
	bare                     // as they are, in the named arguments of an operator: some must be literals
)

// evaluate writes an expression under key and says what it gives. It walks each part of it once.
func (a *analysis) evaluate(dst, key []byte, v bson.RawValue, in constants) ([]byte, value, error) {
	switch v.Type {
	case bson.TypeString:
		if s := v.StringValue(); strings.HasPrefix(s, "$") {
			got, err := a.reference(s)
			return bsonraw.AppendValue(dst, key, v), got, err
		}
	case bson.TypeArray, bson.TypeEmbeddedDocument:
		if err := a.nest(); err != nil {
			return nil, value{}, err
		}
		defer func() { a.depth-- }()
		if v.Type == bson.TypeArray {
			return a.arrayExpression(dst, key, v.Value, in)
		}
		return a.documentExpression(dst, key, v.Value, in)
	}
	got := value{absent: v.Type == bson.TypeNull}
	if a.rewrite == Minimal || in == bare {
		return bsonraw.AppendValue(dst, key, v), got, nil
	}
	dst, start := bsonraw.BeginDocument(dst, key)
	return bsonraw.End(bsonraw.AppendValue(dst, "$const", v), start), got, nil
}

// arrayExpression writes an array of expressions; what is encrypted in it lies in an array then.
func (a *analysis) arrayExpression(dst, key, list []byte, in constants) ([]byte, value, error) {
	dst, start := bsonraw.BeginArray(dst, key)
	elements := value{absent: true}
	it := bsonraw.Iterate(list)
	for it.Next() {
		var got value
		var err error
		if dst, got, err = a.evaluate(dst, it.Element.Key, it.Element.RawValue(), in); err != nil {
			return nil, value{}, err
		}
		elements = elements.or(got)
		if _, err = a.derived(got.node, nil); err != nil {
			return nil, value{}, err
		}
	}
	return bsonraw.End(dst, start), value{node: schema.ArrayOf(elements.node), path: elements.path, literal: true}, it.Err
}

// documentExpression writes {$operator: argument}, or a document whose fields are expressions.
func (a *analysis) documentExpression(dst, key, doc []byte, in constants) ([]byte, value, error) {
	op, is, err := a.operatorOf(doc)
	switch {
	case err != nil:
		return nil, value{}, err
	case is:
		return a.operatorExpression(dst, key, op)
	}
	return a.objectExpression(dst, key, doc, in)
}

// operatorOf is the only element of {$operator: argument}; false for a document of another kind.
func (a *analysis) operatorOf(doc []byte) (op bsonraw.Element, is bool, err error) {
	it := bsonraw.Iterate(doc)
	if !it.Next() || !isOperator(it.Element.Key) {
		return op, false, it.Err
	}
	if op = it.Element; it.Next() {
		return op, false, a.refuse(ruleExpressionMalformed, string(op.Key))
	}
	return op, true, it.Err
}

// objectExpression writes a document whose fields are expressions.
func (a *analysis) objectExpression(dst, key, doc []byte, in constants) ([]byte, value, error) {
	dst, start := bsonraw.BeginDocument(dst, key)
	var fields []schema.Field
	result := value{literal: true}
	it := bsonraw.Iterate(doc)
	for it.Next() {
		name := string(it.Element.Key)
		if isOperator(it.Element.Key) || strings.Contains(name, ".") {
			return nil, value{}, a.refuse(ruleExpressionMalformed, a.op)
		}
		var got value
		var err error
		if dst, got, err = a.evaluate(dst, it.Element.Key, it.Element.RawValue(), in); err != nil {
			return nil, value{}, err
		}
		fields = append(fields, schema.Field{Path: name, Node: got.node})
		result.path = cmp.Or(result.path, got.path)
	}
	if it.Err != nil {
		return nil, value{}, it.Err
	}
	if slices.ContainsFunc(fields, func(f schema.Field) bool { return f.Node != nil }) {
		if namesRepeat(fields) {
			return nil, value{}, a.refuse(ruleExpressionMalformed, a.op)
		}
		var err error
		if result.node, err = a.derived(result.node.With(fields...)); err != nil {
			return nil, value{}, err
		}
	}
	return bsonraw.End(dst, start), result, nil
}

// namesRepeat says whether two fields have one name: which of the two a server takes is not certain.
func namesRepeat(fields []schema.Field) bool {
	seen := make(map[string]bool, len(fields))
	for _, f := range fields {
		if seen[f.Path] {
			return true
		}
		seen[f.Path] = true
	}
	return false
}

// operatorExpression writes {$operator: argument} under key.
func (a *analysis) operatorExpression(dst, key []byte, e bsonraw.Element) ([]byte, value, error) {
	row := expressionNamed(string(e.Key))
	if row == nil {
		return nil, value{}, a.refuse(ruleExpressionUnknown, string(e.Key))
	}
	outer := a.op
	a.op = string(e.Key)
	if err := a.accept(&row.operator, value{}); err != nil {
		return nil, value{}, err
	}
	dst, start := bsonraw.BeginDocument(dst, key)
	dst, got, err := a.apply(dst, e, row)
	if err != nil {
		return nil, value{}, err
	}
	a.op = outer
	return bsonraw.End(dst, start), got, nil
}

// apply writes an operator and its argument.
func (a *analysis) apply(dst []byte, e bsonraw.Element, row *expressionOperator) (out []byte, got value, err error) {
	switch row.form {
	case formLiteral:
		got := value{absent: e.Type == bson.TypeNull, literal: e.IsContainer()}
		return bsonraw.AppendValue(dst, a.literalName(string(e.Key)), e.RawValue()), got, nil
	case formString, formNone:
		if row.form == formString && e.Type != bson.TypeString || row.form == formNone && !(e.IsContainer() && len(e.Value) == 5) {
			return nil, value{}, a.refuse(ruleExpressionMalformed, a.op)
		}
		return append(dst, e.Raw...), value{}, nil
	case formConditions:
		out, err = a.truths(dst, e)
	case formComparison:
		out, err = a.comparison(dst, e, &row.operator)
	case formMembership:
		out, err = a.membership(dst, e, &row.operator)
	case formCondition:
		return a.conditional(dst, e, &row.operator)
	case formSwitch:
		return a.switches(dst, e, &row.operator)
	case formFirst:
		return a.firstOf(dst, e, &row.operator)
	case formLet:
		return a.let(dst, e, &row.operator)
	case formField:
		return a.getField(dst, e, &row.operator)
	case formElement, formCount:
		return a.fromArray(dst, e, row)
	default:
		out, err = a.operands(dst, e, row)
	}
	return out, value{}, err
}

// literalName is what a constant goes under that was written as {name: v}, or bare when name is empty; empty: bare.
func (a *analysis) literalName(name string) string {
	if a.rewrite == Exact {
		return "$const"
	}
	return name
}
