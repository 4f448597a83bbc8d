package analyze

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// sideKind is what stands on one side of a comparison.
type sideKind int

const (
	aConstant   sideKind = iota
	aReference           // to a field or a variable
	anOperation          // an operator, or a document or array of expressions
)

// side is one side of a comparison.
type side struct {
	bsonraw.Element
	kind     sideKind
	literal  string        // of a constant: the operator it stands in, $literal or $const; empty when it is bare
	constant bson.RawValue // of a constant: itself
	value    value         // of a reference
}

// sideOf reads one side of a comparison without going into it.
func (a *analysis) sideOf(e bsonraw.Element) (s side, err error) {
	s = side{Element: e, constant: e.RawValue()}
	switch e.Type {
	case bson.TypeString:
		if text := e.RawValue().StringValue(); strings.HasPrefix(text, "$") {
			s.kind = aReference
			s.value, err = a.reference(text)
		}
	case bson.TypeArray:
		s.kind = anOperation
	case bson.TypeEmbeddedDocument:
		s.kind = anOperation
		op, is, err := a.operatorOf(e.Value)
		if err != nil || !is {
			return s, err
		}
		if row := expressionNamed(string(op.Key)); row != nil && row.form == formLiteral {
			s.kind, s.literal, s.constant = aConstant, string(op.Key), op.RawValue()
		}
	}
	return s, err
}

// sides reads the two operands of a comparison.
func (a *analysis) sides(e bsonraw.Element) (x, y side, err error) {
	if e.Type != bson.TypeArray {
		return x, y, a.refuse(ruleExpressionMalformed, a.op)
	}
	it := bsonraw.Iterate(e.Value)
	for _, s := range []*side{&x, &y} {
		if !it.Next() {
			return x, y, orError(it.Err, a.refuse(ruleExpressionMalformed, a.op))
		}
		if *s, err = a.sideOf(it.Element); err != nil {
			return x, y, err
		}
	}
	if it.Next() || it.Err != nil {
		err = orError(it.Err, a.refuse(ruleExpressionMalformed, a.op))
	}
	return x, y, err
}

// comparison writes the two operands of $eq or $ne.
func (a *analysis) comparison(dst []byte, e bsonraw.Element, row *operator) ([]byte, error) {
	x, y, err := a.sides(e)
	if err != nil {
		return nil, err
	}
	for _, got := range []value{x.value, y.value} {
		if err := a.accept(row, got); err != nil {
			return nil, err
		}
	}
	encrypted, other := &x, &y
	if x.value.node == nil {
		encrypted, other = &y, &x
	}
	field := encrypted.value
	if field.node == nil {
		return a.eachOperand(dst, e, func(dst []byte, _ int, e bsonraw.Element) ([]byte, error) {
			return a.operand(dst, e, &comparedOperand, wrapped)
		})
	}
	if err := a.comparable(field, other); err != nil {
		return nil, err
	}
	if field.node.Encrypted().Migration.ReadsBoth() {
		return a.comparedBoth(dst, string(e.Key), encrypted, other)
	}
	return a.eachOperand(dst, e, func(dst []byte, _ int, e bsonraw.Element) ([]byte, error) {
		if other.kind == aConstant && &e.Raw[0] == &other.Raw[0] {
			return a.sealConstant(dst, other, field, ruleEqualityNull)
		}
		return append(dst, e.Raw...), nil
	})
}

// comparable refuses what a deterministically encrypted field cannot be compared with on ciphertext. A constant can still have a
// type that cannot be sealed.
func (a *analysis) comparable(field value, other *side) error {
	var r *rule
	switch {
	case other.kind == aConstant:
	case other.kind == anOperation:
		r = ruleComparedResult
	case other.value.absent:
		r = ruleEqualityNull
	case other.value.node == nil:
		r = ruleComparedPlain
	case !field.node.Encrypted().SameMetadata(other.value.node.Encrypted()):
		r = ruleComparedMetadata
	case field.node.Encrypted().Migration.ReadsBoth():
		r = ruleMigratingForms
	}
	if r != nil {
		return refused(r, field.path, a.op)
	}
	return nil
}

// membership writes the two operands of $in: [what, list].
func (a *analysis) membership(dst []byte, e bsonraw.Element, row *operator) ([]byte, error) {
	what, list, err := a.sides(e)
	if err != nil {
		return nil, err
	}
	if err := a.accept(row, what.value); err != nil {
		return nil, err
	}
	return a.eachOperand(dst, e, func(dst []byte, i int, e bsonraw.Element) ([]byte, error) {
		switch {
		case what.value.node == nil:
			return a.operand(dst, e, &comparedOperand, wrapped)
		case i == 0:
			return append(dst, e.Raw...), nil
		}
		return a.sealMembers(dst, &list, what.value)
	})
}

// sealMembers writes the list of constants, [c, …] or {$literal: [c, …]}, that an encrypted field is compared with.
func (a *analysis) sealMembers(dst []byte, list *side, field value) ([]byte, error) {
	switch {
	case list.Type == bson.TypeArray:
		return a.eachOperand(dst, list.Element, func(dst []byte, i int, e bsonraw.Element) ([]byte, error) {
			member, err := a.sideOf(e)
			if err == nil && member.kind != aConstant {
				err = refused(ruleComparedList, field.path, a.op)
			}
			if err != nil {
				return nil, err
			}
			if field.node.Encrypted().Migration.ReadsBoth() {
				return a.constantBoth(dst, 2*i, &member, field, ruleInNull)
			}
			return a.sealConstant(dst, &member, field, ruleInNull)
		})
	case list.literal == "" || list.constant.Type != bson.TypeArray:
		return nil, refused(ruleComparedList, field.path, a.op)
	}
	outer := a.at(field.path)
	dst, start := bsonraw.BeginDocument(dst, list.Key)
	dst, err := a.sealList(dst, []byte(a.literalName(list.literal)), field.node.Encrypted(), list.constant)
	if err != nil {
		return nil, err
	}
	a.path = outer
	return bsonraw.End(dst, start), nil
}

// sealConstant writes the constant c as a value of the encrypted field it is compared with.
func (a *analysis) sealConstant(dst []byte, c *side, field value, null *rule) ([]byte, error) {
	outer := a.at(field.path)
	name, key, start := a.literalName(c.literal), c.Key, 0
	if name != "" {
		dst, start = bsonraw.BeginDocument(dst, c.Key)
		key = []byte(name)
	}
	dst, err := a.sealOperand(bsonraw.AppendKey(dst, bson.TypeBinary, key), field.node.Encrypted(), c.constant, null)
	if err != nil {
		return nil, err
	}
	a.path = outer
	if name != "" {
		dst = bsonraw.End(dst, start)
	}
	return dst, nil
}
