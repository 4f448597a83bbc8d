package schema

import (
	"iter"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// TypeSet is a set of BSON types. minKey and maxKey are never in it: they cannot be encrypted.
type TypeSet uint32

// Has says whether bt is in the set. The empty set has none.
func (t TypeSet) Has(bt bson.Type) bool { return bt < 32 && t&(1<<bt) != 0 }

// String lists the types by alias in the order of their BSON numbers: "string, int".
func (t TypeSet) String() string {
	var aliases []string
	for bt := range t.all() {
		aliases = append(aliases, payload.TypeAlias(bt))
	}
	return strings.Join(aliases, ", ")
}

func (t TypeSet) all() iter.Seq[bson.Type] {
	return func(yield func(bson.Type) bool) {
		for bt := bson.TypeDouble; bt <= bson.TypeDecimal128; bt++ {
			if t.Has(bt) && !yield(bt) {
				return
			}
		}
	}
}

// typeByAlias finds the BSON type of a bsonType alias. "number", which stands for several types, is none.
func typeByAlias(alias string) (bson.Type, bool) {
	for bt := bson.TypeDouble; bt <= bson.TypeDecimal128; bt++ {
		if payload.TypeAlias(bt) == alias {
			return bt, true
		}
	}
	for _, bt := range []bson.Type{bson.TypeMinKey, bson.TypeMaxKey} {
		if payload.TypeAlias(bt) == alias {
			return bt, true
		}
	}
	return 0, false
}

// typeSet reads encrypt.bsonType: an alias or an array of aliases; isList tells which.
func (pl *place) typeSet(v bson.RawValue) (set TypeSet, isList bool, err error) {
	const hint = `write one alias, bsonType: "string", or an array of aliases, bsonType: ["int", "long"]`
	names, err := pl.typeNames("bsonType", v)
	if err != nil {
		return 0, false, err
	}
	for _, name := range names {
		bt, ok := typeByAlias(name)
		switch {
		case name == "number":
			return 0, false, pl.refuse("bsonType", `name the types: bsonType: ["int", "long", "double", "decimal"]`,
				"the alias 'number' stands for several types and cannot be encrypted")
		case !ok:
			return 0, false, pl.refuse("bsonType", hint, "unknown bsonType %s", quote(name))
		case bt >= 32:
			return 0, false, pl.refuse("bsonType", encryptableHint(bt), "Cannot encrypt element of type: %s", name)
		}
		set |= 1 << bt
	}
	return set, v.Type == bson.TypeArray, nil
}

// typeNames reads a string or a non-empty array of strings.
func (pl *place) typeNames(keyword string, v bson.RawValue) ([]string, error) {
	const hint = "types are named by strings: \"object\"; type numbers are not accepted"
	if s, ok := v.StringValueOK(); ok {
		return []string{s}, nil
	}
	if v.Type != bson.TypeArray {
		return nil, pl.refuse(keyword, hint, "'%s' must be a string or an array of strings, found %s",
			keyword, payload.TypeAlias(v.Type)).code(codeTypeMismatch)
	}
	var names []string
	for it := bsonraw.Iterate(v.Value); it.Next(); {
		s, ok := it.Element.RawValue().StringValueOK()
		if !ok {
			return nil, pl.refuse(keyword, hint, "an element of '%s' must be a string, found %s",
				keyword, payload.TypeAlias(it.Element.Type)).code(codeTypeMismatch)
		}
		names = append(names, s)
	}
	if len(names) == 0 {
		return nil, pl.refuse(keyword, hint, "'%s' is an empty array", keyword)
	}
	return names, nil
}

// pinned says whether a subschema admits documents only: bsonType or type is the string "object". An array of types does not
// count, even of "object" alone: nobody documents that it suffices.
func pinned(es entries, pl *place) (bool, error) {
	b, hasB := es.find("bsonType")
	t, hasT := es.find("type")
	if hasB && hasT {
		return false, pl.refuse("type", "keep bsonType only",
			"Cannot specify both $jsonSchema keywords 'type' and 'bsonType'").code(codeFailedToParse)
	}
	switch {
	case hasB:
		return pl.isObject(b, func(name string) bool { _, ok := typeByAlias(name); return ok || name == "number" })
	case hasT:
		return pl.isObject(t, isJSONType)
	}
	return false, nil
}

func (pl *place) isObject(e entry, known func(string) bool) (bool, error) {
	names, err := pl.typeNames(e.name, e.value)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		if !known(name) {
			return false, pl.refuse(e.name, "check the spelling: \"object\", \"string\", …", "unknown %s %s", e.name, quote(name))
		}
	}
	return e.value.Type == bson.TypeString && names[0] == "object", nil
}

// isJSONType knows what the keyword type may say. $jsonSchema leaves JSON Schema's "integer" out.
func isJSONType(name string) bool {
	switch name {
	case "object", "array", "number", "boolean", "string", "null":
		return true
	}
	return false
}
