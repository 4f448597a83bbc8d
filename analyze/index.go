package analyze

import (
	"bytes"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// indexPart is what an option of an index holds.
type indexPart int

const (
	indexScalar   indexPart = iota // a flag, number or name
	indexDocument                  // a document about the index itself
	indexKey                       // {path: direction or kind}
	indexWeights                   // {path: number} of a text index
	indexPaths                     // {path: 0 or 1}
	indexExpiry                    // seconds after which documents are deleted
	indexLanguage                  // the name of a field that text indexes read
	indexFilter                    // a partial filter
)

// indexOptions lists what an index may have. An option that is not listed is refused.
//
// Source: MongoDB manual, "createIndexes" (database command), with the options of earlier versions.
var indexOptions = map[string]indexPart{
	"key": indexKey, "name": indexScalar, "unique": indexScalar, "sparse": indexScalar, "hidden": indexScalar, "background": indexScalar,
	"v": indexScalar, "ns": indexScalar, "dropDups": indexScalar, "clustered": indexScalar, "prepareUnique": indexScalar,
	"storageEngine": indexDocument, "collation": indexDocument, "partialFilterExpression": indexFilter, "expireAfterSeconds": indexExpiry,
	"wildcardProjection": indexPaths, "weights": indexWeights, "default_language": indexScalar, "language_override": indexLanguage,
	"textIndexVersion": indexScalar, "2dsphereIndexVersion": indexScalar, "bits": indexScalar, "min": indexScalar, "max": indexScalar,
	"bucketSize": indexScalar,
}

// indexChanges lists the fields of the index option of collMod.
var indexChanges = map[string]indexPart{
	"keyPattern": indexKey, "name": indexScalar, "expireAfterSeconds": indexExpiry, "hidden": indexScalar, "unique": indexScalar,
	"prepareUnique": indexScalar,
}

// indexKinds are the kinds of index beside 1 and -1, and the rule for an encrypted field in one: nil where equality is all it serves.
var indexKinds = map[string]*rule{"hashed": nil, "text": ruleIndexKind, "2d": ruleIndexKind, "2dsphere": ruleIndexKind}

// indexes checks the indexes of createIndexes. An index over ciphertext is fine where it finds equal values.
func (a *analysis) indexes(list bson.RawValue) error {
	if list.Type != bson.TypeArray {
		return a.refuse(ruleMalformed, "indexes")
	}
	it := bsonraw.Iterate(list.Value)
	for it.Next() {
		if it.Element.Type != bson.TypeEmbeddedDocument {
			return a.refuse(ruleMalformed, "indexes")
		}
		if err := a.index(it.Element.Value, indexOptions); err != nil {
			return err
		}
	}
	return it.Err
}

// indexChange checks the index option of collMod.
func (a *analysis) indexChange(v bson.RawValue) error {
	if v.Type != bson.TypeEmbeddedDocument {
		return a.refuse(ruleMalformed, "index")
	}
	_, byKey, err := find(v.Value, "keyPattern")
	if err != nil {
		return err
	}
	// By name nobody here can know whether the index is over an encrypted field.
	if _, expires, err := find(v.Value, "expireAfterSeconds"); err != nil || expires && !byKey {
		return orError(err, a.refuse(ruleExpiryByName, "index"))
	}
	return a.index(v.Value, indexChanges)
}

// index checks the options of one index.
func (a *analysis) index(options []byte, known map[string]indexPart) error {
	_, expires, err := find(options, "expireAfterSeconds")
	if err != nil {
		return err
	}
	it := bsonraw.Iterate(options)
	for it.Next() {
		kind, isKnown := known[string(it.Element.Key)]
		if !isKnown {
			return a.refuse(ruleIndexOption, string(it.Element.Key))
		}
		if err := a.indexOption(kind, it.Element, expires); err != nil {
			return err
		}
	}
	if it.Err != nil {
		return it.Err
	}
	return a.textLanguage(options)
}

func (a *analysis) indexOption(kind indexPart, e bsonraw.Element, expires bool) error {
	v := e.RawValue()
	switch kind {
	case indexScalar, indexExpiry:
		if e.IsContainer() {
			return a.refuse(ruleMalformed, string(e.Key))
		}
	case indexKey:
		return a.indexedPaths(v, expires)
	case indexWeights:
		return a.eachPath(v, "weights", func(e bsonraw.Element, class schema.Class) error {
			if string(e.Key) == "$**" {
				return a.refuse(ruleIndexKind, "text")
			}
			if !isNumber(e.RawValue()) {
				return a.refuse(ruleIndexKey, "weights")
			}
			return a.kindOn(class, "text")
		})
	case indexPaths:
		return a.indexKeys(v, string(e.Key))
	case indexLanguage:
		if v.Type != bson.TypeString {
			return a.refuse(ruleMalformed, "language_override")
		}
	case indexFilter:
		return a.validator(v)
	}
	return nil
}

// indexedPaths checks the key of an index that is made or changed.
func (a *analysis) indexedPaths(v bson.RawValue, expires bool) error {
	if err := a.indexKeys(v, "key"); err != nil {
		return err
	}
	return a.eachPath(v, "key", func(e bsonraw.Element, class schema.Class) error {
		encrypted := class == schema.Deterministic || class == schema.Random
		kind, _ := e.RawValue().StringValueOK()
		switch {
		case class == schema.Below:
			return a.refuse(ruleBelowEncrypted, "key")
		case expires && encrypted:
			return a.refuse(ruleExpiry, "expireAfterSeconds")
		case kind == "text" && bytes.Equal(e.Key, []byte("$**")): // of every string field, the encrypted ones left out
			return a.refuse(ruleIndexKind, kind)
		}
		return a.kindOn(class, kind)
	})
}

// kindOn refuses a kind of index on a field of a class.
func (a *analysis) kindOn(class schema.Class, kind string) error {
	if r := indexKinds[kind]; r != nil && class != schema.Plain {
		return a.refuse(r, kind)
	}
	return nil
}

// indexKeys checks {path: 1, path: "hashed", …}, an index given by its keys: over an encrypted field anything but a direction or
// a kind of index could be a value of the field. It also passes an index's name.
func (a *analysis) indexKeys(v bson.RawValue, name string) error {
	if v.Type == bson.TypeString {
		return nil
	}
	return a.eachPath(v, name, func(e bsonraw.Element, class schema.Class) error {
		direction := e.RawValue()
		if isNumber(direction) || direction.Type == bson.TypeBoolean {
			return nil
		}
		kind, _ := direction.StringValueOK()
		if _, known := indexKinds[kind]; class != schema.Plain && !known || e.IsContainer() {
			return a.refuse(ruleIndexKey, name)
		}
		return nil
	})
}

// textLanguage checks the field that says in which language a document is: "language", or what language_override names, in the document
// and in each of those inside it that a text index looks at. Servers refuse documents in which it is no string.
func (a *analysis) textLanguage(options []byte) error {
	override := []byte("language")
	if v, given, err := find(options, "language_override"); err != nil {
		return err
	} else if name, isString := text(v); given && isString {
		override = name
	}
	for _, option := range []string{"key", "weights"} {
		paths, _, err := find(options, option)
		if err != nil {
			return err
		}
		if paths.Type != bson.TypeEmbeddedDocument {
			continue
		}
		it := bsonraw.Iterate(paths.Value)
		for it.Next() {
			if kind, _ := text(it.Element.RawValue()); option == "key" && string(kind) != "text" {
				continue
			}
			if err := a.languageBeside(it.Element.Key, override); err != nil {
				return err
			}
		}
		if it.Err != nil {
			return it.Err
		}
	}
	return nil
}

// languageBeside checks the language field in the document and in each one on the way to path.
func (a *analysis) languageBeside(path, override []byte) error {
	if len(path) > maxPath {
		return a.refuse(ruleDepth, "key")
	}
	for {
		dot := bytes.LastIndexByte(path, '.')
		field := override
		if dot >= 0 {
			path = path[:dot]
			field = bytes.Join([][]byte{path, override}, []byte{'.'})
		}
		n := a.enter(field)
		m, err := a.lookupBytes(a.root, field)
		if err == nil && m.Class != schema.Plain {
			err = a.refuse(ruleIndexLanguage, "language_override")
		}
		if err != nil || dot < 0 {
			a.leave(n)
			return err
		}
		a.leave(n)
	}
}

// expiry checks the lifetime of the documents of a clustered collection, which counts from their _id.
func (a *analysis) expiry(v bson.RawValue) error {
	id, err := a.root.Child("_id")
	if err != nil || id.Encrypted() == nil || v.Type == bson.TypeString { // "off"
		return err
	}
	n := a.enter([]byte("_id"))
	defer a.leave(n)
	return a.refuse(ruleExpiry, "expireAfterSeconds")
}
