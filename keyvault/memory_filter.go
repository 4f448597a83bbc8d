package keyvault

import (
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// parseMemoryFilter compiles a filter of MemoryStore.Find. Errors name fields and operators, never values.
func parseMemoryFilter(filter any) (func(*DataKey) bool, error) {
	if filter == nil {
		return nil, errNilFilter
	}
	doc, err := bson.Marshal(filter)
	if err != nil {
		return nil, fmt.Errorf("key vault: a filter of type %T is not a document", filter)
	}
	var conditions []func(*DataKey) bool
	it := bsonraw.Iterate(doc)
	for it.Next() {
		condition, err := parseCondition(string(it.Element.Key), it.Element.RawValue())
		if err != nil {
			return nil, err
		}
		conditions = append(conditions, condition)
	}
	return func(k *DataKey) bool {
		return !slices.ContainsFunc(conditions, func(c func(*DataKey) bool) bool { return !c(k) })
	}, it.Err
}

func parseCondition(field string, v bson.RawValue) (func(*DataKey) bool, error) {
	wanted, err := parseWanted(field, v)
	if err != nil {
		return nil, err
	}
	switch field {
	case "_id":
		return func(k *DataKey) bool {
			return slices.ContainsFunc(wanted, func(v bson.RawValue) bool { id, ok := keyID(v); return ok && id == k.ID })
		}, nil
	case "keyAltNames":
		return func(k *DataKey) bool {
			return slices.ContainsFunc(k.KeyAltNames, func(name string) bool { return containsString(wanted, name) })
		}, nil
	case "masterKey.provider":
		return func(k *DataKey) bool { return containsString(wanted, k.Provider()) }, nil
	}
	return nil, fmt.Errorf("key vault in memory: cannot filter by %q, only by _id, keyAltNames and masterKey.provider", printable(field))
}

// parseWanted returns the values that match: the value itself, or those of {$in: [...]}. Values that would mean more than equality
// (null, regular expressions, arrays, documents) are refused.
func parseWanted(field string, v bson.RawValue) ([]bson.RawValue, error) {
	wanted := []bson.RawValue{v}
	if v.Type == bson.TypeEmbeddedDocument {
		operators, err := v.Document().Elements()
		if err != nil || len(operators) != 1 || operators[0].Key() != "$in" || operators[0].Value().Type != bson.TypeArray {
			return nil, fmt.Errorf("key vault in memory: filter on %q: only equality and {$in: [values]} are supported", printable(field))
		}
		if wanted, err = operators[0].Value().Array().Values(); err != nil {
			return nil, fmt.Errorf("key vault in memory: filter on %q: malformed $in", printable(field))
		}
	}
	for _, w := range wanted {
		if w.Type != bson.TypeBinary && w.Type != bson.TypeString {
			return nil, fmt.Errorf("key vault in memory: filter on %q: cannot compare with a value of type %s", printable(field), w.Type)
		}
	}
	return wanted, nil
}

func containsString(wanted []bson.RawValue, s string) bool {
	return slices.ContainsFunc(wanted, func(v bson.RawValue) bool { w, ok := v.StringValueOK(); return ok && w == s })
}
