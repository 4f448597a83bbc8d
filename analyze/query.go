package analyze

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// sort checks a sort specification: ordering by ciphertext would give another result than by value.
func (a *analysis) sort(v bson.RawValue) error { return a.plainPaths(v, "sort", ruleSort, AllowSort) }

// bounds checks min and max, which hold index bounds by path.
func (a *analysis) bounds(name string, v bson.RawValue) error {
	return a.plainPaths(v, name, ruleBounds, 0)
}

// plainPaths refuses with r a document one of whose paths reaches an encrypted field. With the relaxation unless it may reach one,
// but give no more than a number for it.
func (a *analysis) plainPaths(v bson.RawValue, name string, r *rule, unless Relaxation) error {
	return a.eachPath(v, name, func(e bsonraw.Element, class schema.Class) error {
		switch {
		case class == schema.Unknown:
			return a.refuse(ruleUnknown, name)
		case class == schema.Below:
			return a.refuse(ruleBelowEncrypted, name)
		case class != schema.Plain && a.allow&unless == 0:
			return a.refuse(r, name)
		case (class != schema.Plain || isOperator(e.Key)) && !isNumber(e.RawValue()): // of the operators, $natural: 1 is all there is
			return a.refuse(ruleMalformed, name)
		}
		return nil
	})
}

// eachPath calls check for each {path: value} of a document, with the class of the path.
func (a *analysis) eachPath(v bson.RawValue, name string, check func(bsonraw.Element, schema.Class) error) error {
	if v.Type != bson.TypeEmbeddedDocument {
		return a.refuse(ruleMalformed, name)
	}
	it := bsonraw.Iterate(v.Value)
	for it.Next() {
		n := a.enter(it.Element.Key)
		m, err := a.lookupBytes(a.root, it.Element.Key)
		if err != nil {
			return err
		}
		if err := check(it.Element, m.Class); err != nil {
			return err
		}
		a.leave(n)
	}
	return it.Err
}

// distinctKey checks the key of distinct: equal values must have equal ciphertexts.
func (a *analysis) distinctKey(v bson.RawValue) error {
	if v.Type != bson.TypeString {
		return a.refuse(ruleMalformed, "key")
	}
	key := v.StringValue()
	n := a.enter([]byte(key))
	defer a.leave(n)
	m, err := a.lookup(a.root, key)
	if err != nil {
		return err
	}
	switch m.Class {
	case schema.Plain:
		return nil
	case schema.Deterministic:
		if migrates(m) {
			return a.refuse(ruleMigratingForms, "distinct")
		}
		return nil
	case schema.Random:
		if m.Field.KeyPointer != "" {
			return a.refuse(ruleDistinctPointer, "distinct")
		}
		return a.refuse(ruleDistinctRandom, "distinct")
	case schema.Prefix:
		return a.refuse(ruleDistinct, "distinct")
	default:
		return a.refuse(ruleBelowEncrypted, "distinct")
	}
}
