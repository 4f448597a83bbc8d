package analyze

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// matchOperators decides every operator that stands below a field name. Operators that are not here are refused.
//
// Source: MongoDB manual, "Supported Operations for Automatic Encryption": of all query operators only $eq, $ne, $in, $nin, the
// logical ones and $exists may touch an encrypted field.
var matchOperators = []operator{
	{names: []string{"$eq", "$ne"}, plain: decision{verb: pass}, deterministic: decision{verb: sealValue},
		random: no(ruleRandomEquality), prefix: decision{scalarOnly, rulePrefixLiteral}, below: no(ruleBelowEncrypted)},
	{names: []string{"$in", "$nin"}, plain: decision{verb: pass}, deterministic: decision{verb: sealEach},
		random: no(ruleRandomEquality), prefix: decision{scalarOnly, rulePrefixLiteral}, below: no(ruleBelowEncrypted)},
	{names: []string{"$all"}, plain: decision{verb: pass}, deterministic: no(ruleMatchOperator),
		random: no(ruleMatchRandom), prefix: decision{scalarOnly, rulePrefixLiteral}, below: no(ruleBelowEncrypted)},
	{names: []string{"$not"}, plain: decision{verb: negate}, deterministic: decision{verb: negate},
		random: decision{verb: negate}, prefix: decision{verb: negate}, below: no(ruleBelowEncrypted)},
	{names: []string{"$exists"}, plain: decision{verb: pass}, deterministic: onlyFlag(),
		random: onlyFlag(), prefix: onlyFlag(), below: no(ruleBelowEncrypted)},
	{names: []string{"$gt", "$gte", "$lt", "$lte"}, plain: decision{verb: pass}, deterministic: no(ruleMatchOperator),
		random: no(ruleMatchRandom), prefix: decision{scalarOnly, rulePrefixLiteral}, below: no(ruleBelowEncrypted)},
	{names: []string{"$elemMatch"}, plain: decision{verb: element}, deterministic: no(ruleMatchOperator),
		random: no(ruleMatchRandom), prefix: decision{verb: element}, below: no(ruleBelowEncrypted)},
	{names: []string{"$regex", "$options"}, plain: decision{verb: pass}, deterministic: no(ruleRegex),
		random: no(ruleMatchRandom), prefix: decision{scalarOnly, rulePrefixLiteral}, below: no(ruleBelowEncrypted)},
	// $type would see binData where the application expects its own type.
	{names: []string{"$type"}, plain: decision{verb: pass}, deterministic: decision{typeNames, ruleMatchType},
		random: decision{typeNames, ruleMatchType}, prefix: decision{scalarOnly, rulePrefixLiteral}, below: no(ruleBelowEncrypted)},
	{names: []string{"$mod", "$size", "$bitsAllClear", "$bitsAllSet", "$bitsAnyClear", "$bitsAnySet"},
		plain: decision{verb: pass}, deterministic: no(ruleMatchOperator), random: no(ruleMatchRandom),
		prefix: decision{scalarOnly, rulePrefixLiteral}, below: no(ruleBelowEncrypted)},
	// A place is a document, {type: …, coordinates: …}, so at a prefix the encrypted fields may be the coordinates.
	{names: []string{"$near", "$nearSphere", "$maxDistance", "$minDistance", "$geoWithin", "$geoIntersects", "$within"},
		plain: decision{verb: pass}, deterministic: no(ruleMatchOperator), random: no(ruleMatchRandom),
		prefix: no(ruleMatchOperator), below: no(ruleBelowEncrypted)},
}

// implicit writes {field: value}: an equality, or a match against a regular expression.
func (a *analysis) implicit(dst []byte, e bsonraw.Element, m schema.Match) ([]byte, error) {
	name := "$eq"
	if e.Type == bson.TypeRegex {
		name = "$regex"
	}
	row := byName(matchOperators, name)
	if a.rewrite == Minimal && !migrates(m) || e.Type == bson.TypeRegex {
		return a.matched(dst, row, name, e.Key, e.RawValue(), m)
	}
	dst, start := bsonraw.BeginDocument(dst, e.Key)
	dst, err := a.matched(dst, row, name, []byte(name), e.RawValue(), m)
	if err != nil {
		return nil, err
	}
	return bsonraw.End(dst, start), nil
}

// operators writes an operator document such as {$gt: 1, $lt: 5}, without the key it stands under.
func (a *analysis) operators(dst, doc []byte, m schema.Match) ([]byte, error) {
	if migrates(m) {
		if err := a.comparedOnce(doc); err != nil {
			return nil, err
		}
	}
	dst, start := bsonraw.Begin(dst)
	it := bsonraw.Iterate(doc)
	for it.Next() {
		var err error
		if dst, err = a.operator(dst, it.Element, m); err != nil {
			return nil, err
		}
	}
	return bsonraw.End(dst, start), it.Err
}

// operator writes one match operator on a field of class m.Class.
func (a *analysis) operator(dst []byte, op bsonraw.Element, m schema.Match) ([]byte, error) {
	row, name := named(matchOperators, string(op.Key))
	if row == nil {
		return nil, a.refuse(ruleMatchUnknown, string(op.Key))
	}
	return a.matched(dst, row, name, op.Key, op.RawValue(), m)
}

// matched decides the operator row, called name, on a field of class m.Class and writes its argument v under key.
func (a *analysis) matched(dst []byte, row *operator, name string, key []byte, v bson.RawValue, m schema.Match) ([]byte, error) {
	d := row.on(m.Class)
	if a.forbid != nil && d.verb != flagOnly && (m.Class == schema.Deterministic || m.Class == schema.Random) {
		return nil, a.refuse(a.forbid, name)
	}
	a.op = name
	switch d.verb {
	case pass:
	case flagOnly:
		if !isFlag(v) {
			return nil, a.refuse(d.rule, name)
		}
	case typeNames:
		if a.allow&AllowType == 0 || !isTypeNames(v) {
			return nil, a.refuse(d.rule, name)
		}
	case scalarOnly:
		if holds, err := mayHoldEncrypted(m.Node, v); holds || err != nil {
			return nil, orError(err, a.refuse(d.rule, name))
		}
	case sealValue:
		if migrates(m) {
			return a.equalBoth(dst, name, m.Field, v)
		}
		return a.sealOperand(bsonraw.AppendKey(dst, bson.TypeBinary, key), m.Field, v, ruleEqualityNull)
	case sealEach:
		return a.sealList(dst, key, m.Field, v)
	case negate:
		return a.negated(dst, key, v, m)
	case element:
		return a.elementMatch(dst, key, v, m)
	default:
		return nil, a.refuse(d.rule, name)
	}
	return bsonraw.AppendValue(dst, key, v), nil
}

// sealOperand seals a constant that an encrypted field is compared with.
func (a *analysis) sealOperand(dst []byte, field *schema.Encrypted, v bson.RawValue, null *rule) ([]byte, error) {
	switch v.Type {
	case bson.TypeNull:
		return nil, a.refuse(null, a.op)
	case bson.TypeRegex:
		return nil, a.refuse(ruleRegex, a.op)
	}
	return a.seal(dst, field, v)
}

// sealList writes the argument of $in or $nin on a deterministically encrypted field.
func (a *analysis) sealList(dst, key []byte, field *schema.Encrypted, list bson.RawValue) ([]byte, error) {
	if list.Type != bson.TypeArray {
		return nil, a.refuse(ruleMalformed, string(key))
	}
	if field.Migration.ReadsBoth() {
		return a.listBoth(dst, key, field, list.Value)
	}
	dst, start := bsonraw.BeginArray(dst, key)
	it := bsonraw.Iterate(list.Value)
	for it.Next() {
		var err error
		dst = bsonraw.AppendKey(dst, bson.TypeBinary, it.Element.Key)
		if dst, err = a.sealOperand(dst, field, it.Element.RawValue(), ruleInNull); err != nil {
			return nil, err
		}
	}
	return bsonraw.End(dst, start), it.Err
}

// negated writes the argument of $not.
func (a *analysis) negated(dst, key []byte, v bson.RawValue, m schema.Match) ([]byte, error) {
	switch v.Type {
	case bson.TypeRegex:
		return a.matched(dst, byName(matchOperators, "$regex"), "$not", key, v, m)
	case bson.TypeEmbeddedDocument:
		if err := a.nest(); err != nil {
			return nil, err
		}
		defer func() { a.depth-- }()
		return a.operators(bsonraw.AppendKey(dst, v.Type, key), v.Value, m)
	default:
		return nil, a.refuse(ruleMalformed, "$not")
	}
}

// elementMatch writes the argument of $elemMatch: operators on the element itself, or a filter on its fields. Encrypted
// fields cannot lie in arrays, so nothing in it may need sealing.
func (a *analysis) elementMatch(dst, key []byte, v bson.RawValue, m schema.Match) ([]byte, error) {
	if v.Type != bson.TypeEmbeddedDocument {
		return nil, a.refuse(ruleMalformed, "$elemMatch")
	}
	if a.forbid == nil {
		a.forbid = ruleElemMatch
		defer func() { a.forbid = nil }()
	}
	operators, err := isOperatorDocument(v.Value)
	if err != nil {
		return nil, err
	}
	if first := bsonraw.Iterate(v.Value); first.Next() && isLogical(first.Element.Key) { // servers read it as a filter too
		operators = false
	}
	dst = bsonraw.AppendKey(dst, v.Type, key)
	if !operators {
		return a.filter(dst, v, m.Node)
	}
	if err := a.nest(); err != nil {
		return nil, err
	}
	defer func() { a.depth-- }()
	return a.operators(dst, v.Value, m)
}
