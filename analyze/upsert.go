package analyze

import (
	"bytes"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

var ruleMigratingUpsert = &rule{"migrating-upsert",
	"an upsert copies what its filter says a field is equal to into the new document, but not while the collection is migrated, when the filter asks for two forms of the value",
	"say in the update, too, what the field is in a new document: {$setOnInsert: {\"{path}\": value}}", 0}

// upsertSets refuses an upsert whose new document would lack a field that its filter, or would have taken it from there: an equality with an encrypted field of a
// collection that is migrated becomes a list, of which servers copy nothing.
func (a *analysis) upsertSets(statement []byte, update bson.RawValue) error {
	upsert, found, err := find(statement, "upsert")
	if err != nil || !found || isFalse(upsert) {
		return err
	}
	return eachFilter(statement, func(filter []byte) error { return a.copiedAreSet(filter, update) })
}

// copiedAreSet checks the equalities of a filter that servers copy: those at its top, in $and, and in what is the same as $and, $or with one clause. Where a
// server may or may not see an equality, as in $in with one value, it is taken for one.
func (a *analysis) copiedAreSet(filter []byte, update bson.RawValue) error {
	if err := a.nest(); err != nil {
		return err
	}
	defer func() { a.depth-- }()
	it := bsonraw.Iterate(filter)
	for it.Next() {
		var err error
		switch e := it.Element; {
		case string(e.Key) == "$and" || string(e.Key) == "$or" && !holdsSeveral(e):
			err = a.clausesAreSet(e, update)
		case !isOperator(e.Key):
			err = a.copiedIsSet(e, update)
		}
		if err != nil {
			return err
		}
	}
	return it.Err
}

func (a *analysis) clausesAreSet(list bsonraw.Element, update bson.RawValue) error {
	if list.Type != bson.TypeArray {
		return nil // malformed: the filter's own rule decides
	}
	it := bsonraw.Iterate(list.Value)
	for it.Next() {
		if it.Element.Type != bson.TypeEmbeddedDocument {
			continue
		}
		if err := a.copiedAreSet(it.Element.Value, update); err != nil {
			return err
		}
	}
	return it.Err
}

func (a *analysis) copiedIsSet(condition bsonraw.Element, update bson.RawValue) error {
	m, err := a.lookupBytes(a.root, condition.Key)
	if err != nil || m.Class != schema.Deterministic {
		return err
	}
	if equality, err := isEquality(condition); err != nil || !equality {
		return err
	}
	if set, err := setsField(update, condition.Key); err != nil || set {
		return err
	}
	n := a.enter(condition.Key)
	defer a.leave(n)
	return a.refuse(ruleMigratingUpsert, "upsert")
}

// isEquality says whether a condition demands one value of its field.
func isEquality(condition bsonraw.Element) (bool, error) {
	if condition.Type != bson.TypeEmbeddedDocument {
		return true, nil
	}
	operators, err := isOperatorDocument(condition.Value)
	if err != nil || !operators {
		return true, err
	}
	it := bsonraw.Iterate(condition.Value)
	for it.Next() {
		switch e := it.Element; string(e.Key) {
		case "$eq":
			return true, nil
		case "$in":
			if !holdsSeveral(e) {
				return true, nil
			}
		case "$not": // not unequal is equal
			if e.Type != bson.TypeEmbeddedDocument {
				continue
			}
			for _, unequal := range [...]string{"$ne", "$nin"} {
				if _, found, err := find(e.Value, unequal); found || err != nil {
					return found, err
				}
			}
		}
	}
	return false, it.Err
}

// holdsSeveral says whether an array has more than one element.
func holdsSeveral(e bsonraw.Element) bool {
	if e.Type != bson.TypeArray {
		return false
	}
	n := 0
	for it := bsonraw.Iterate(e.Value); n < 2 && it.Next(); {
		n++
	}
	return n == 2
}

// setsField says whether an update gives the field at path, or the document around it, a value in a document that it inserts. To a replacement servers
// add nothing but _id.
func setsField(update bson.RawValue, path []byte) (bool, error) {
	if update.Type != bson.TypeEmbeddedDocument {
		return false, nil
	}
	it := bsonraw.Iterate(update.Value)
	for it.Next() {
		e := it.Element
		if !isOperator(e.Key) {
			_, given, err := find(update.Value, "_id")
			return given || string(path) != "_id", err
		}
		if e.Type != bson.TypeEmbeddedDocument || string(e.Key) != "$set" && string(e.Key) != "$setOnInsert" {
			continue
		}
		fields := bsonraw.Iterate(e.Value)
		for fields.Next() {
			if rest, below := bytes.CutPrefix(path, fields.Element.Key); below && (len(rest) == 0 || rest[0] == '.') {
				return true, nil
			}
		}
		if fields.Err != nil {
			return false, fields.Err
		}
	}
	return false, it.Err
}
