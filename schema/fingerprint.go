package schema

import (
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"slices"
)

// Fingerprint tells schemas apart: two that have the same encrypt the same fields, under the same conditions, with the same algorithms, keys and types, and
// except the same names from their patterns and additional properties. Neither the order of properties nor what says nothing of encryption counts. Programs of
// different versions may have different fingerprints of one schema.
func (s *Schema) Fingerprint() [sha256.Size]byte {
	h := sha256.New()
	s.Root().print(h)
	return [sha256.Size]byte(h.Sum(nil))
}

// print writes a place of a parsed schema, so that what was written tells where it ends.
func (n *Node) print(w io.Writer) {
	switch {
	case n == nil:
		fmt.Fprintln(w, "plain")
		return
	case n.enc != nil:
		fmt.Fprintf(w, "encrypt %s %s %q %q %d %d\n", n.enc.Algorithm, n.enc.KeyID, n.enc.KeyPointer, n.enc.KeyAltName, n.enc.Types, n.enc.Migration)
		return
	}
	fmt.Fprintln(w, "document")
	for _, name := range slices.Sorted(maps.Keys(n.named)) {
		if n.named[name] == nil && n.plainBeyondNames() {
			continue
		}
		fmt.Fprintf(w, "name %q\n", name)
		n.named[name].print(w)
	}
	for _, p := range n.patterns {
		fmt.Fprintf(w, "pattern %q\n", p.source)
		p.node.print(w)
	}
	fmt.Fprintln(w, "rest")
	n.rest.print(w)
}
