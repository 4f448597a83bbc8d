package aggmodel

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

type sortKey struct {
	path      []string
	direction int
}

func compileSort(spec any) (stage, error) {
	doc, ok := spec.(bson.D)
	if !ok || len(doc) == 0 {
		return nil, refuse("$sort", "must be an object with at least one field")
	}
	var keys []sortKey
	for _, f := range doc {
		path, err := parsePath("$sort", f.Key)
		if err != nil {
			return nil, err
		}
		if class(f.Value) == classDocument {
			return nil, unsupported("$sort by $meta")
		}
		direction, ok := integer(f.Value)
		if !ok || direction != 1 && direction != -1 {
			return nil, refuse("$sort", "the order must be 1 or -1")
		}
		keys = append(keys, sortKey{path, int(direction)})
	}
	return func(_ *scope, docs []bson.D) ([]bson.D, error) { return sortDocuments(docs, keys) }, nil
}

func sortDocuments(docs []bson.D, keys []sortKey) ([]bson.D, error) {
	type row struct {
		doc    bson.D
		values []any
	}
	var rows []row
	for _, doc := range docs {
		values, err := sortValues(doc, keys)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{doc, values})
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		for i, key := range keys {
			if c := compare(a.values[i], b.values[i]); c != 0 {
				return c * key.direction
			}
		}
		return 0
	})
	var sorted []bson.D
	for _, r := range rows {
		sorted = append(sorted, r.doc)
	}
	return sorted, nil
}

// sortValues are what a document is sorted by: of an array the least element when ascending, the greatest when descending.
func sortValues(doc bson.D, keys []sortKey) ([]any, error) {
	var values []any
	arrays := 0
	for _, key := range keys {
		candidates, array := sortCandidates(doc, key.path)
		if array {
			arrays++
		}
		best := candidates[0]
		for _, v := range candidates[1:] {
			if key.direction*compare(v, best) < 0 {
				best = v
			}
		}
		values = append(values, best)
	}
	if arrays > 1 {
		return nil, unsupported("$sort by two fields that are arrays, or in one") // refused when the arrays are different ones
	}
	return values, nil
}

// sortCandidates are the values at path, missing ones as null. An empty array comes before null.
func sortCandidates(v any, path []string) (found []any, array bool) {
	elements, array := v.(bson.A)
	switch {
	case array && len(elements) == 0 && len(path) == 0:
		return []any{bson.Undefined{}}, true
	case array && len(path) == 0:
		return elements, true
	case array && len(elements) == 0:
		return []any{nil}, true
	case array:
		for _, e := range elements {
			candidates := []any{nil}
			if doc, ok := e.(bson.D); ok {
				candidates, _ = sortCandidates(doc, path)
			}
			found = append(found, candidates...)
		}
		return found, true
	case len(path) == 0 && v == absent:
		return []any{nil}, false
	case len(path) == 0:
		return []any{v}, false
	}
	doc, _ := v.(bson.D)
	return sortCandidates(get(doc, path[0]), path[1:])
}
