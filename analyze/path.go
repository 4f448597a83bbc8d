package analyze

import (
	"bytes"
	"slices"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

// enter goes to a field below the present one; leave(n) with the result comes back.
func (a *analysis) enter(name []byte) (n int) {
	n = len(a.path)
	if n > 0 {
		a.path = append(a.path, '.')
	}
	a.path = append(a.path, name...)
	return n
}

func (a *analysis) leave(n int) { a.path = a.path[:n] }

// lookup resolves a dotted path. An array index in a path that would lead to an encrypted field without it is refused:
// encrypted fields cannot lie in arrays, so the path is a mistake that would miss the field or write it in clear.
func (a *analysis) lookup(node *schema.Node, path string) (schema.Match, error) {
	return a.lookupBytes(node, []byte(path))
}

// lookupBytes is lookup for a path that stands in raw BSON. The path must not be a.path itself.
func (a *analysis) lookupBytes(node *schema.Node, path []byte) (schema.Match, error) {
	m, err := node.LookupBytes(path)
	if err != nil || m.Class != schema.Plain || !node.Encrypts() || !bytes.ContainsAny(path, digits) {
		return m, err
	}
	reaches, err := a.reachesThroughArrays(node, path)
	if reaches {
		err = a.refuse(ruleArrayIndex, "")
	}
	return m, err
}

// ruleReplaced keeps the values of an encrypted field from leaving in clear where they are asked for too late in a pipeline.
var ruleReplaced = &rule{"path-replaced", "the collection encrypts the field, but a stage before this one has dropped it or put something else in its place",
	"ask for the field in a stage before that one, or give what takes its place another name", 0}

// replaced refuses a plain path in a condition or expression when it is that of an encrypted field of the collection.
func (a *analysis) replaced(path []byte, operator string) error {
	if a.root == a.schema.Root() {
		return nil
	}
	if len(path) > maxPath {
		return a.refuse(ruleDepth, operator)
	}
	m, err := a.schema.Root().LookupBytes(path)
	if err != nil {
		return err
	}
	reaches := m.Class != schema.Plain
	if !reaches && bytes.ContainsAny(path, digits) {
		reaches, err = a.reachesThroughArrays(a.schema.Root(), path)
	}
	if reaches {
		err = a.refuse(ruleReplaced, operator)
	}
	return err
}

// reachesThroughArrays says whether a path leads to, above or below an encrypted field when each of its numbers may be the index of an
// array as well as a field's name. The document itself is no array. A path has no more places at once than the schema has documents.
func (a *analysis) reachesThroughArrays(node *schema.Node, path []byte) (bool, error) {
	places := []*schema.Node{node}
	for name := range bytes.SplitSeq(path, []byte{'.'}) {
		var next []*schema.Node
		for _, n := range places {
			if n.Encrypted() != nil {
				return true, nil
			}
			child, err := n.ChildBytes(name)
			if err != nil {
				return false, err
			}
			if child.Encrypts() && !slices.Contains(next, child) {
				next = append(next, child)
			}
			if isIndex(name) && n != a.root && n != a.schema.Root() && !slices.Contains(next, n) {
				next = append(next, n)
			}
		}
		if places = next; len(places) == 0 {
			return false, nil
		}
	}
	return len(places) > 0, nil
}

const digits = "0123456789"

func isIndex(name []byte) bool { return len(name) > 0 && len(bytes.Trim(name, digits)) == 0 }

// maxPlaces bounds what following the encrypted fields of one command may cost: a pipeline that doubles its documents in each stage, or a
// long one over thousands of fields, is not followed to its end.
const maxPlaces = 1_000_000

var ruleComplex = &rule{"too-many-places", "the command makes too many fields out of documents with encrypted fields: they cannot all be followed",
	"project only the fields that later stages need, and use fewer stages", 0}

// derived counts what a stage or an expression has made of the documents.
func (a *analysis) derived(n *schema.Node, err error) (*schema.Node, error) {
	if err == nil {
		if a.places += 1 + n.Places(); a.places > maxPlaces {
			err = a.refuse(ruleComplex, a.op)
		}
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}
