package analyze

import (
	"bytes"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// updateOperators decides every update operator. Operators that are not here are refused.
//
// Source: MongoDB manual, "Supported Operations for Automatic Encryption": $set, $unset and $rename may touch an encrypted
// field. $setOnInsert is sealed like $set: it stores a value just so.
var updateOperators = []operator{
	{names: []string{"$set", "$setOnInsert"}, plain: decision{verb: pass}, deterministic: decision{verb: sealValue},
		random: decision{verb: sealValue}, prefix: decision{verb: walk}, below: no(ruleUpdateBelow)},
	// The server ignores the argument of $unset, but it would see it.
	{names: []string{"$unset"}, plain: decision{verb: pass}, deterministic: onlyFlag(),
		random: onlyFlag(), prefix: onlyFlag(), below: no(ruleUpdateBelow)},
	{names: []string{"$rename"}, plain: decision{verb: rename}, deterministic: decision{verb: rename},
		random: decision{verb: rename}, prefix: no(ruleRename), below: no(ruleUpdateBelow)},
	{names: []string{"$inc", "$mul"}, plain: decision{verb: pass}, deterministic: no(ruleIncMul),
		random: no(ruleIncMul), prefix: decision{scalarOnly, rulePrefixLiteral}, below: no(ruleUpdateBelow)},
	{names: []string{"$max", "$min"}, plain: decision{verb: pass}, deterministic: no(ruleMaxMin),
		random: no(ruleMaxMin), prefix: decision{scalarOnly, rulePrefixLiteral}, below: no(ruleUpdateBelow)},
	{names: []string{"$currentDate"}, plain: decision{verb: pass}, deterministic: no(ruleCurrentDate),
		random: no(ruleCurrentDate), prefix: onlyFlag(), below: no(ruleUpdateBelow)},
	{names: []string{"$addToSet", "$pop", "$pull", "$pullAll", "$push", "$pushAll"}, plain: decision{verb: pass},
		deterministic: no(ruleArrayOperator), random: no(ruleArrayOperator),
		prefix: no(ruleArrayAtPrefix), below: no(ruleUpdateBelow)},
	{names: []string{"$bit"}, plain: decision{verb: pass}, deterministic: no(ruleUpdateOp),
		random: no(ruleUpdateOp), prefix: no(ruleUpdateOp), below: no(ruleUpdateBelow)},
}

// update writes the modification of an update: a replacement document or update operators.
func (a *analysis) update(dst []byte, e bsonraw.Element) ([]byte, error) {
	switch e.Type {
	case bson.TypeEmbeddedDocument:
	case bson.TypeArray:
		return nil, a.refuse(ruleUpdatePipeline, string(e.Key))
	default:
		return nil, a.refuse(ruleMalformed, string(e.Key))
	}
	dst = bsonraw.AppendKey(dst, e.Type, e.Key)
	it := bsonraw.Iterate(e.Value)
	if it.Next() && isOperator(it.Element.Key) {
		return a.updateOperators(dst, e.Value)
	}
	for it.Next() {
		if isOperator(it.Element.Key) {
			return nil, a.refuse(ruleReplacementOperator, string(it.Element.Key))
		}
	}
	if it.Err != nil {
		return nil, it.Err
	}
	a.op = ""
	return a.fields(dst, e.Value, a.root, document{inserted: true})
}

func (a *analysis) updateOperators(dst, update []byte) ([]byte, error) {
	dst, start := bsonraw.Begin(dst)
	it := bsonraw.Iterate(update)
	for it.Next() {
		row, name := named(updateOperators, string(it.Element.Key))
		switch {
		case row == nil:
			return nil, a.refuse(ruleUpdateUnknown, string(it.Element.Key))
		case it.Element.Type != bson.TypeEmbeddedDocument:
			return nil, a.refuse(ruleMalformed, name)
		}
		var err error
		if dst, err = a.modifications(dst, it.Element.Value, row, name); err != nil {
			return nil, err
		}
	}
	return bsonraw.End(dst, start), it.Err
}

// modifications writes the update operator row, called name, with its {path: argument} pairs.
func (a *analysis) modifications(dst, pairs []byte, row *operator, name string) ([]byte, error) {
	dst, start := bsonraw.BeginDocument(dst, name)
	it := bsonraw.Iterate(pairs)
	for it.Next() {
		n := a.enter(it.Element.Key)
		m, err := a.updatePath(it.Element.Key)
		if err != nil {
			return nil, err
		}
		if dst, err = a.modification(dst, it.Element, name, row.on(m.Class), m); err != nil {
			return nil, err
		}
		a.leave(n)
	}
	return bsonraw.End(dst, start), it.Err
}

func (a *analysis) modification(dst []byte, e bsonraw.Element, name string, d decision, m schema.Match) ([]byte, error) {
	a.op = name
	switch d.verb {
	case pass:
		return append(dst, e.Raw...), nil
	case sealValue, walk:
		// The argument is stored at the path just so, so it is sealed, or its fields are, like in an insert.
		return a.stored(dst, e, m.Node, document{})
	case flagOnly:
		if !isFlag(e.RawValue()) {
			return nil, a.refuse(d.rule, name)
		}
		return append(dst, e.Raw...), nil
	case scalarOnly:
		if holds, err := mayHoldEncrypted(m.Node, e.RawValue()); holds || err != nil {
			return nil, orError(err, a.refuse(d.rule, name))
		}
		return append(dst, e.Raw...), nil
	case rename:
		return a.renamed(dst, e, m)
	default:
		return nil, a.refuse(d.rule, name)
	}
}

// renamed writes {from: to} of $rename. Both must be plain, or encrypted alike: a ciphertext keeps key, algorithm and type.
func (a *analysis) renamed(dst []byte, e bsonraw.Element, from schema.Match) ([]byte, error) {
	target := e.RawValue()
	if target.Type != bson.TypeString {
		return nil, a.refuse(ruleMalformed, "$rename")
	}
	to, err := a.updatePath([]byte(target.StringValue()))
	if err != nil {
		return nil, err
	}
	alike := from.Class == to.Class
	if from.Class != schema.Plain {
		alike = alike && from.Field.SameMetadata(to.Field)
	}
	if !alike {
		return nil, a.refuse(ruleRename, "$rename")
	}
	return append(dst, e.Raw...), nil
}

// updatePath resolves a path of an update. A positional part ($, $[], $[name]) addresses array elements, so nothing encrypted
// may lie at or below what comes before it.
func (a *analysis) updatePath(path []byte) (schema.Match, error) {
	before, positional := cutPositional(path)
	m, err := a.lookupBytes(a.root, before)
	switch {
	case err != nil || len(positional) == 0:
		return m, err
	case m.Class == schema.Plain && len(before) > 0:
		return m, nil
	case string(positional) == "$":
		return m, a.refuse(rulePositional, "")
	default:
		return m, a.refuse(ruleArrayPath, "")
	}
}

// cutPositional splits a path at its first positional part, which is empty when there is none.
func cutPositional(path []byte) (before, positional []byte) {
	for start := 0; ; {
		name, _, more := bytes.Cut(path[start:], []byte{'.'})
		if isPositional(name) {
			return path[:max(start-1, 0)], name
		}
		if !more {
			return path, nil
		}
		start += len(name) + 1
	}
}

// isPositional knows $, $[] and $[name]; any other name with a dollar sign is a field's.
func isPositional(name []byte) bool {
	return string(name) == "$" || bytes.HasPrefix(name, []byte("$[")) && name[len(name)-1] == ']'
}

// arrayFilters checks that every identifier belongs to a positional path of the update. Those paths hold no encrypted field
// (updatePath), so neither do the elements that the filters look at.
func (a *analysis) arrayFilters(filters bson.RawValue, update []byte) error {
	identifiers, err := positionalIdentifiers(update)
	if err != nil {
		return err
	}
	return a.arrayFilterList(filters, identifiers)
}

func (a *analysis) arrayFilterList(filters bson.RawValue, identifiers map[string]bool) error {
	if filters.Type != bson.TypeArray {
		return a.refuse(ruleMalformed, "arrayFilters")
	}
	it := bsonraw.Iterate(filters.Value)
	for it.Next() {
		if it.Element.Type != bson.TypeEmbeddedDocument {
			return a.refuse(ruleMalformed, "arrayFilters")
		}
		if err := a.arrayFilter(it.Element.Value, identifiers); err != nil {
			return err
		}
	}
	return it.Err
}

func (a *analysis) arrayFilter(filter []byte, identifiers map[string]bool) error {
	if err := a.nest(); err != nil {
		return err
	}
	defer func() { a.depth-- }()
	it := bsonraw.Iterate(filter)
	for it.Next() {
		key := it.Element.Key
		if isLogical(key) {
			if err := a.arrayFilterList(it.Element.RawValue(), identifiers); err != nil {
				return err
			}
			continue
		}
		identifier, _, _ := bytes.Cut(key, []byte{'.'})
		if isOperator(key) || !identifiers[string(identifier)] {
			return a.refuse(ruleArrayFilter, string(key))
		}
	}
	return it.Err
}

// positionalIdentifiers are the names in the $[name] parts of the paths of update operators.
func positionalIdentifiers(update []byte) (map[string]bool, error) {
	names := map[string]bool{}
	operators := bsonraw.Iterate(update)
	for operators.Next() {
		if !isOperator(operators.Element.Key) || !operators.Element.IsContainer() {
			continue
		}
		paths := bsonraw.Iterate(operators.Element.Value)
		for paths.Next() {
			for name := range bytes.SplitSeq(paths.Element.Key, []byte{'.'}) {
				if len(name) > len("$[]") && isPositional(name) {
					names[string(name[2:len(name)-1])] = true
				}
			}
		}
		if paths.Err != nil {
			return nil, paths.Err
		}
	}
	return names, operators.Err
}
