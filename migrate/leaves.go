package migrate

import (
	"bytes"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// leaf is a value that stands at an encrypted place of the schema, or a place where such values cannot be reached.
type leaf struct {
	path    string            // dotted, as an update addresses it
	field   *schema.Encrypted // nil for InArray and Ambiguous
	value   bson.RawValue
	trouble State // "" when it can be judged
}

// walker collects the leaves of one document after the other.
type walker struct {
	path   []byte
	leaves []leaf
}

// leavesOf finds all that the schema encrypts in doc. An error means malformed BSON. The leaves hold until the next document.
func (w *walker) leavesOf(doc bson.Raw, root *schema.Node) ([]leaf, error) {
	w.path, w.leaves = w.path[:0], w.leaves[:0]
	err := w.document(doc, root, "")
	return w.leaves, err
}

func (w *walker) document(doc []byte, node *schema.Node, trouble State) error {
	var names [][]byte // at this level, of what is or holds encrypted fields
	it := bsonraw.Iterate(doc)
	for it.Next() {
		e := it.Element
		child, err := node.ChildBytes(e.Key)
		n := w.enter(e.Key)
		switch {
		case err != nil:
			w.add(nil, e, Ambiguous)
		case child.Encrypts():
			at := trouble
			if bytes.IndexByte(e.Key, '.') >= 0 || len(e.Key) == 0 || e.Key[0] == '$' {
				at = NoPath
			}
			before := len(w.leaves)
			if err := w.element(e, child, at); err != nil {
				return err
			}
			if contains(names, e.Key) {
				w.spoil(before)
			}
			names = append(names, e.Key)
		case bytes.IndexByte(e.Key, '.') >= 0:
			if m, err := node.LookupBytes(e.Key); err != nil || m.Class != schema.Plain {
				w.add(m.Field, e, NoPath) // {"a.b": …} where the schema encrypts b in a
			}
		}
		w.path = w.path[:n]
	}
	return it.Err
}

func (w *walker) element(e bsonraw.Element, child *schema.Node, trouble State) error {
	switch {
	case child.Encrypted() != nil:
		w.add(child.Encrypted(), e, trouble)
	case e.Type == bson.TypeEmbeddedDocument:
		return w.document(e.Value, child, trouble)
	case e.Type == bson.TypeArray:
		it := bsonraw.Iterate(e.Value)
		for it.Next() {
			if it.Element.IsContainer() {
				w.add(nil, e, InArray)
				break
			}
		}
		return it.Err
	}
	return nil // a scalar where a document should be has no fields
}

func (w *walker) add(field *schema.Encrypted, e bsonraw.Element, trouble State) {
	var path string
	if field != nil && field.Path == string(w.path) { // as it is but for patterns: no new string is needed
		path = field.Path
	} else {
		path = string(w.path)
	}
	w.leaves = append(w.leaves, leaf{path: path, field: field, value: e.RawValue(), trouble: trouble})
}

// spoil marks what has the same path as the leaf at first, or lies next to it in the document that is there twice: an update would reach only one
// of the two.
func (w *walker) spoil(first int) {
	for i := range w.leaves {
		l := &w.leaves[i]
		if i >= first || l.path == string(w.path) || len(l.path) > len(w.path) && l.path[:len(w.path)] == string(w.path) && l.path[len(w.path)] == '.' {
			l.trouble = Duplicate
		}
	}
}

// enter goes to a field of the place at hand and returns the length of the path to come back to.
func (w *walker) enter(key []byte) int {
	n := len(w.path)
	if n > 0 {
		w.path = append(w.path, '.')
	}
	w.path = append(w.path, key...)
	return n
}

func contains(names [][]byte, name []byte) bool {
	for _, n := range names {
		if bytes.Equal(n, name) {
			return true
		}
	}
	return false
}
