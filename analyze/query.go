package analyze

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// sort checks a sort specification: ordering by ciphertext would give another result than by value.
func (a *analysis) sort(v bson.RawValue) error { return a.plainPaths(v, ruleSort, "sort") }

// bounds checks min and max, which hold index bounds by path.
func (a *analysis) bounds(name string, v bson.RawValue) error {
	return a.plainPaths(v, ruleBounds, name)
}

// plainPaths refuses with r a document one of whose paths reaches an encrypted field.
func (a *analysis) plainPaths(v bson.RawValue, r *rule, name string) error {
	return a.eachPath(v, name, func(e bsonraw.Element, class schema.Class) error {
		switch {
		case class != schema.Plain:
			return a.refuse(r, name)
		case isOperator(e.Key) && !isNumber(e.RawValue()): // $natural: 1 is all there is
			return a.refuse(ruleMalformed, name)
		}
		return nil
	})
}

// indexKeys checks {path: 1, path: "hashed", …}, an index given by its keys: over an encrypted field anything but a direction or
// a kind of index could be a value of the field. It also passes an index's name.
func (a *analysis) indexKeys(v bson.RawValue, name string) error {
	if v.Type == bson.TypeString {
		return nil
	}
	return a.eachPath(v, name, func(e bsonraw.Element, class schema.Class) error {
		if kind := e.RawValue(); !isNumber(kind) && (class != schema.Plain && !isIndexKind(kind) || e.IsContainer()) {
			return a.refuse(ruleIndexKey, name)
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
		m, err := a.lookup(a.root, string(it.Element.Key))
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

func isIndexKind(v bson.RawValue) bool {
	kind, _ := v.StringValueOK()
	switch kind {
	case "text", "hashed", "2d", "2dsphere":
		return true
	}
	return false
}

// projection checks a projection (of find, findAndModify or $project): including and excluding fields carries no value and is
// right for every field that the server can see; anything computed is refused.
func (a *analysis) projection(v bson.RawValue) error {
	if v.Type != bson.TypeEmbeddedDocument {
		return a.refuse(ruleMalformed, "projection")
	}
	if err := a.nest(); err != nil {
		return err
	}
	defer func() { a.depth-- }()
	it := bsonraw.Iterate(v.Value)
	for it.Next() {
		e := it.Element
		n := a.enter(e.Key)
		if err := a.projected(e); err != nil {
			return err
		}
		a.leave(n)
	}
	return it.Err
}

func (a *analysis) projected(e bsonraw.Element) error {
	if isOperator(e.Key) || strings.Contains(string(e.Key), ".$") {
		return a.refuse(ruleProjection, string(e.Key))
	}
	if e.Type == bson.TypeEmbeddedDocument {
		operators, err := isOperatorDocument(e.Value)
		if err != nil {
			return err
		}
		if operators {
			return a.projectedOperator(e)
		}
		return a.projection(e.RawValue())
	}
	if v := e.RawValue(); v.Type != bson.TypeBoolean && !isNumber(v) {
		return a.refuse(ruleProjection, "")
	}
	m, err := a.lookup(a.root, string(a.path))
	if err == nil && m.Class == schema.Below {
		// The server sees no fields there: it would neither include nor exclude any.
		err = a.refuse(ruleBelowEncrypted, "projection")
	}
	return err
}

// projectedOperator passes {$meta: "…"} and {$slice: number(s)} on a field with nothing encrypted at or below it.
func (a *analysis) projectedOperator(e bsonraw.Element) error {
	it := bsonraw.Iterate(e.Value)
	if !it.Next() {
		return it.Err
	}
	name, v := string(it.Element.Key), it.Element.RawValue()
	m, err := a.lookup(a.root, string(a.path))
	if err != nil {
		return err
	}
	meta := name == "$meta" && v.Type == bson.TypeString
	slice := name == "$slice" && (isNumber(v) || isNumbers(v))
	if m.Class != schema.Plain || !meta && !slice {
		return a.refuse(ruleProjection, name)
	}
	if it.Next() {
		return a.refuse(ruleProjection, string(it.Element.Key))
	}
	return it.Err
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
	case schema.Plain, schema.Deterministic:
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
