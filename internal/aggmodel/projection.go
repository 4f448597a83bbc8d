package aggmodel

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// fieldTree is the paths of $project, $addFields and $unset as a tree, in the order given.
type fieldTree struct {
	entries []*fieldEntry
}

// fieldEntry is one name: a leaf that is marked (included or excluded, as the stage says) or computed, or else a subtree.
type fieldEntry struct {
	name     string
	marked   bool
	computed expr
	below    *fieldTree
}

func (t *fieldTree) find(name string) *fieldEntry {
	for _, e := range t.entries {
		if e.name == name {
			return e
		}
	}
	return nil
}

// add puts a leaf at path, which must neither be there already nor lead through or end above another leaf.
func (t *fieldTree) add(operator string, path []string, leaf fieldEntry) error {
	e := t.find(path[0])
	if e == nil {
		e = &fieldEntry{name: path[0]}
		t.entries = append(t.entries, e)
		if len(path) == 1 {
			*e = leaf
			e.name = path[0]
			return nil
		}
		e.below = &fieldTree{}
	}
	if len(path) == 1 || e.below == nil {
		return refuse(operator, "path collision at %q", path[0])
	}
	return e.below.add(operator, path[1:], leaf)
}

func (t *fieldTree) computes() bool {
	return slices.ContainsFunc(t.entries, func(e *fieldEntry) bool {
		return e.computed != nil || e.below != nil && e.below.computes()
	})
}

// include keeps the marked fields, where they are, and of documents on the way only those. A field that holds no document on
// the way is dropped, unless something is computed below it: then compute will put a document in its place.
func (t *fieldTree) include(doc bson.D) bson.D {
	kept := bson.D{}
	for _, f := range doc {
		e := t.find(f.Key)
		if e == nil || e.computed != nil {
			continue
		}
		v := f.Value
		if e.below != nil {
			v = e.below.includeValue(v)
		}
		if v != absent {
			kept = append(kept, bson.E{Key: f.Key, Value: v})
		}
	}
	return kept
}

func (t *fieldTree) includeValue(v any) any {
	switch v := v.(type) {
	case bson.D:
		return t.include(v)
	case bson.A:
		return eachElement(v, t.includeValue)
	}
	if t.computes() {
		return v
	}
	return absent
}

// exclude drops the marked fields, in documents on the way too.
func (t *fieldTree) exclude(doc bson.D) bson.D {
	kept := bson.D{}
	for _, f := range doc {
		e := t.find(f.Key)
		if e != nil && e.marked {
			continue
		}
		if e != nil && e.below != nil {
			f.Value = e.below.excludeValue(f.Value)
		}
		kept = append(kept, f)
	}
	return kept
}

func (t *fieldTree) excludeValue(v any) any {
	switch v := v.(type) {
	case bson.D:
		return t.exclude(v)
	case bson.A:
		return eachElement(v, t.excludeValue)
	}
	return v
}

// compute sets the computed fields: in each document of an array, in place of what is no document, and where nothing was.
// The expressions see the document as it was before the stage, which is in the scope.
func (t *fieldTree) compute(s *scope, doc bson.D) (bson.D, error) {
	for _, e := range t.entries {
		var v any
		var err error
		switch {
		case e.computed != nil:
			v, err = e.computed(s)
		case e.below != nil && e.below.computes():
			v, err = e.below.computeValue(s, get(doc, e.name))
		default:
			continue
		}
		if err != nil {
			return nil, err
		}
		doc = set(doc, e.name, v)
	}
	return doc, nil
}

func (t *fieldTree) computeValue(s *scope, v any) (any, error) {
	switch v := v.(type) {
	case bson.D:
		return t.compute(s, v)
	case bson.A:
		var failed error
		array := eachElement(v, func(element any) any {
			computed, err := t.computeValue(s, element)
			if err != nil {
				failed = err
			}
			return computed
		})
		return array, failed
	}
	return t.compute(s, bson.D{})
}

// eachElement is the array of what f makes of the elements, without what it makes absent.
func eachElement(array bson.A, f func(any) any) bson.A {
	changed := bson.A{}
	for _, e := range array {
		if v := f(e); v != absent {
			changed = append(changed, v)
		}
	}
	return changed
}
