package analyze

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// command writes a whole command.
func (a *analysis) command(dst, cmd []byte) ([]byte, error) {
	it := bsonraw.Iterate(cmd)
	if !it.Next() {
		return nil, it.Err
	}
	if err := a.collate(cmd); err != nil {
		return nil, err
	}
	name := it.Element
	fields := analysedCommands[string(name.Key)]
	dst, start := bsonraw.Begin(dst)
	before := a.sealed
	if string(name.Key) == "explain" {
		var err error
		if dst, err = a.part(dst, name, partCommand, cmd); err != nil {
			return nil, err
		}
	} else {
		dst = append(dst, name.Raw...)
	}
	for it.Next() {
		kind, known := fields[string(it.Element.Key)]
		if !known {
			kind, known = genericParts[string(it.Element.Key)]
		}
		if !known {
			return nil, a.refuse(ruleCommandField, string(it.Element.Key))
		}
		var err error
		if dst, err = a.part(dst, it.Element, kind, cmd); err != nil {
			return nil, err
		}
	}
	if it.Err != nil {
		return nil, it.Err
	}
	if a.rewrite == Exact && a.sealed > before && string(name.Key) == "explain" {
		if _, found, _ := find(cmd, "verbosity"); !found {
			dst = bsonraw.AppendValue(dst, "verbosity", stringValue("allPlansExecution"))
		}
	}
	return bsonraw.End(dst, start), nil
}

func stringValue(s string) bson.RawValue {
	t, b, _ := bson.MarshalValue(s)
	return bson.RawValue{Type: t, Value: b}
}

// part writes one field of a command or statement. in is the whole of it, for fields that depend on others.
func (a *analysis) part(dst []byte, e bsonraw.Element, kind part, in []byte) ([]byte, error) {
	v := e.RawValue()
	switch kind {
	case partFilter:
		return a.query(bsonraw.AppendKey(dst, v.Type, e.Key), v)
	case partDocuments:
		return a.documents(dst, e)
	case partDocument:
		return a.document(dst, e)
	case partOperations:
		return a.bulkOperations(dst, e)
	case partUpdates:
		return a.statements(dst, e, updateStatement)
	case partDeletes:
		return a.statements(dst, e, deleteStatement)
	case partUpdate:
		if err := a.upsertNeedsID(in, v); err != nil {
			return nil, err
		}
		if a.migrating {
			if err := a.upsertSets(in, v); err != nil {
				return nil, err
			}
		}
		return a.update(dst, e)
	case partPipeline:
		return a.apart(func(a *analysis) ([]byte, error) { return a.pipeline(dst, e) })
	case partProjection:
		return a.apart(func(a *analysis) ([]byte, error) {
			dst, _, err := a.project(dst, e, false)
			return dst, err
		})
	case partLet:
		return a.apart(func(a *analysis) ([]byte, error) { return append(dst, e.Raw...), a.commandLet(v) })
	case partCommand:
		if v.Type != bson.TypeEmbeddedDocument {
			return nil, a.refuse(ruleMalformed, "explain")
		}
		return a.command(bsonraw.AppendKey(dst, v.Type, e.Key), v.Value)
	}
	if err := a.check(e, kind, in); err != nil {
		return nil, err
	}
	return append(dst, e.Raw...), nil
}

// check decides a field that holds nothing to seal: it stays as it is, or is refused.
func (a *analysis) check(e bsonraw.Element, kind part, in []byte) error {
	v := e.RawValue()
	switch kind {
	case partPass:
		return nil
	case partArrayFilters:
		return a.arrayFiltersOf(in, v)
	case partSort:
		return a.sort(v)
	case partBounds:
		return a.bounds(string(e.Key), v)
	case partDistinctKey:
		return a.distinctKey(v)
	case partValidator:
		return a.validator(v)
	case partConstants:
		return a.refuse(ruleUpdatePipeline, string(e.Key))
	case partHint:
		return a.indexKeys(v, "hint")
	case partView:
		return a.refuse(ruleView, string(e.Key))
	case partExpiry:
		return a.expiry(v)
	case partIndexes:
		return a.indexes(v)
	case partIndexChange:
		return a.indexChange(v)
	case partNamespaces:
		return a.bulkEntries(v)
	default:
		return a.refuse(ruleCommandField, string(e.Key))
	}
}

// statements writes updates or deletes.
func (a *analysis) statements(dst []byte, list bsonraw.Element, fields parts) ([]byte, error) {
	if list.Type != bson.TypeArray {
		return nil, a.refuse(ruleMalformed, string(list.Key))
	}
	dst, start := bsonraw.BeginArray(dst, list.Key)
	it := bsonraw.Iterate(list.Value)
	for it.Next() {
		if it.Element.Type != bson.TypeEmbeddedDocument {
			return nil, a.refuse(ruleMalformed, string(list.Key))
		}
		var err error
		dst = bsonraw.AppendKey(dst, it.Element.Type, it.Element.Key)
		if dst, err = a.statement(dst, it.Element.Value, fields); err != nil {
			return nil, err
		}
	}
	return bsonraw.End(dst, start), it.Err
}

func (a *analysis) statement(dst, statement []byte, fields parts) ([]byte, error) {
	if err := a.collate(statement); err != nil {
		return nil, err
	}
	before := a.sealed
	dst, start := bsonraw.Begin(dst)
	it := bsonraw.Iterate(statement)
	for it.Next() {
		kind, known := fields[string(it.Element.Key)]
		switch {
		case !known:
			return nil, a.refuse(ruleCommandField, string(it.Element.Key))
		case repeats(statement, it.Element):
			return nil, a.refuse(ruleFieldTwice, string(it.Element.Key))
		}
		var err error
		if dst, err = a.part(dst, it.Element, kind, statement); err != nil {
			return nil, err
		}
	}
	if it.Err != nil {
		return nil, it.Err
	}
	if _, isUpdate := fields["u"]; isUpdate && a.rewrite == Exact && a.sealed > before {
		for _, flag := range [...]string{"multi", "upsert"} {
			if _, found, _ := find(statement, flag); !found {
				dst = bsonraw.AppendBool(dst, flag, false)
			}
		}
	}
	return bsonraw.End(dst, start), nil
}

// arrayFiltersOf checks arrayFilters against the update beside them.
func (a *analysis) arrayFiltersOf(statement []byte, filters bson.RawValue) error {
	for _, name := range [...]string{"u", "update", "updateMods"} {
		update, found, err := find(statement, name)
		if err != nil {
			return err
		}
		if found && update.Type == bson.TypeEmbeddedDocument {
			return a.arrayFilters(filters, update.Value)
		}
	}
	return a.refuse(ruleMalformed, "arrayFilters")
}

// eachFilter calls do with the filter of a statement or command that updates, by whatever name it has there.
func eachFilter(statement []byte, do func(filter []byte) error) error {
	for _, name := range [...]string{"q", "query", "filter"} {
		filter, found, err := find(statement, name)
		if err != nil {
			return err
		}
		if found && filter.Type == bson.TypeEmbeddedDocument {
			if err := do(filter.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

// upsertNeedsID refuses an upsert that could make the server generate an _id that the schema wants encrypted.
func (a *analysis) upsertNeedsID(statement []byte, update bson.RawValue) error {
	upsert, found, err := find(statement, "upsert")
	if err != nil || !found || isFalse(upsert) {
		return err
	}
	id, err := a.root.Child("_id")
	if err != nil || id.Encrypted() == nil {
		return err
	}
	given := false
	if err := eachFilter(statement, func(filter []byte) error {
		here, err := equalityGivesID(filter)
		given = given || here
		return err
	}); given || err != nil {
		return err
	}
	if given, err := updateGivesID(update); given || err != nil {
		return err
	}
	return refused(ruleMissingID, "_id", "upsert")
}

// equalityGivesID says whether a filter holds an equality on _id, which an upsert copies into the new document.
func equalityGivesID(filter []byte) (bool, error) {
	id, found, err := find(filter, "_id")
	if err != nil || !found || id.Type != bson.TypeEmbeddedDocument {
		return found && id.Type != bson.TypeRegex, err
	}
	operators, err := isOperatorDocument(id.Value)
	if err != nil || !operators {
		return true, err
	}
	_, found, err = find(id.Value, "$eq")
	return found, err
}

// updateGivesID says whether a replacement, $set or $setOnInsert holds _id.
func updateGivesID(update bson.RawValue) (bool, error) {
	if update.Type != bson.TypeEmbeddedDocument {
		return false, nil
	}
	it := bsonraw.Iterate(update.Value)
	for it.Next() {
		switch string(it.Element.Key) {
		case "_id":
			return true, nil
		case "$set", "$setOnInsert":
			if it.Element.Type == bson.TypeEmbeddedDocument {
				if _, found, err := find(it.Element.Value, "_id"); found || err != nil {
					return found, err
				}
			}
		}
	}
	return false, it.Err
}
