package aggmodel

import (
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// missing is the type of absent, the value of a field that is not there. It never occurs inside a document or array.
type missing struct{}

var absent any = missing{}

// nullish: null, missing and the deprecated undefined, which most operators treat alike.
func nullish(v any) bool {
	switch v.(type) {
	case nil, missing, bson.Undefined:
		return true
	}
	return false
}

func get(doc bson.D, name string) any {
	for _, f := range doc {
		if f.Key == name {
			return f.Value
		}
	}
	return absent
}

// set returns a copy of doc in which the field has the value: in its place, else at the end. Absent removes the field.
func set(doc bson.D, name string, value any) bson.D {
	i := slices.IndexFunc(doc, func(f bson.E) bool { return f.Key == name })
	switch {
	case value == absent && i < 0:
		return doc
	case value == absent:
		return slices.Delete(slices.Clone(doc), i, i+1)
	case i < 0:
		return append(slices.Clip(doc), bson.E{Key: name, Value: value})
	}
	doc = slices.Clone(doc)
	doc[i].Value = value
	return doc
}

// setPath sets a field in documents within documents, which are made where they are missing.
func setPath(doc bson.D, path []string, value any) (bson.D, error) {
	if len(path) == 1 {
		return set(doc, path[0], value), nil
	}
	var inner bson.D
	switch v := get(doc, path[0]).(type) {
	case bson.D:
		inner = v
	case missing:
		inner = bson.D{}
	default:
		return nil, unsupported("setting a field below one that holds no document")
	}
	inner, err := setPath(inner, path[1:], value)
	return set(doc, path[0], inner), err
}

// walkDocuments follows path through documents only, never into arrays.
func walkDocuments(v any, path []string) any {
	for _, name := range path {
		doc, ok := v.(bson.D)
		if !ok {
			return absent
		}
		v = get(doc, name)
	}
	return v
}

// project is the value of a field path in an expression. On an array, it is the array of what the path gives on the
// documents in it; numbers in a path are names, never positions.
func project(v any, path []string) any {
	if len(path) == 0 {
		return v
	}
	switch v := v.(type) {
	case bson.D:
		return project(get(v, path[0]), path[1:])
	case bson.A:
		found := bson.A{}
		for _, e := range v {
			if doc, ok := e.(bson.D); ok {
				if x := project(doc, path); x != absent {
					found = append(found, x)
				}
			}
		}
		return found
	}
	return absent
}

// resolve is the values of a path in a query filter. Arrays on the way are entered: the documents in them, and the
// element that a number in the path names. Arrays at the end are left whole.
func resolve(v any, path []string) []any {
	if len(path) == 0 {
		return []any{v}
	}
	switch v := v.(type) {
	case bson.D:
		return resolve(get(v, path[0]), path[1:])
	case bson.A:
		i, isIndex := index(path[0])
		var found []any
		for _, e := range v {
			if doc, ok := e.(bson.D); ok && !(isIndex && get(doc, path[0]) == absent) {
				found = append(found, resolve(doc, path)...)
			}
		}
		if isIndex && i < len(v) {
			found = append(found, resolve(v[i], path[1:])...)
		}
		return found
	}
	return []any{absent}
}

// index reads a path component as a position in an array.
func index(name string) (int, bool) {
	i, err := strconv.ParseUint(name, 10, 31)
	return int(i), err == nil && (name == "0" || name[0] != '0')
}

// parsePath splits a dotted path and refuses what no server accepts as one.
func parsePath(operator, path string) ([]string, error) {
	names := strings.Split(path, ".")
	for _, name := range names {
		if name == "" {
			return nil, refuse(operator, "a field path with an empty name")
		}
		if name[0] == '$' {
			return nil, refuse(operator, "a field path with a name that begins with $")
		}
	}
	return names, nil
}
