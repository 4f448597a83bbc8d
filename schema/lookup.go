package schema

import (
	"bytes"
	"strings"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// Class is how a path relates to the encrypted fields of a schema.
type Class int

// The classes. Unknown is found in derived places only.
const (
	Plain         Class = iota // nothing encrypted at, above or below it
	Deterministic              // a field encrypted deterministically
	Random                     // a field encrypted randomly
	Prefix                     // a document above an encrypted field
	Below                      // inside an encrypted field
	Unknown                    // may be encrypted or not: only the server will know
)

var classNames = [...]string{"plain", "deterministic", "random", "prefix", "below", "unknown"}

// String is "plain", "deterministic", "random", "prefix", "below" or "unknown".
func (c Class) String() string {
	if c < 0 || int(c) >= len(classNames) {
		return "unknown"
	}
	return classNames[c]
}

// Match is what a path leads to.
type Match struct {
	Class Class
	Node  *Node      // where the path ended; nil for Plain and Below
	Field *Encrypted // the encrypted field the path is, or lies below; nil otherwise
}

// Lookup resolves a dotted path relative to n. Every component is a field name, numbers and empty ones included: no encrypted field
// lies inside an array. The error is that of [Node.Child].
func (n *Node) Lookup(path string) (Match, error) {
	for n != nil {
		if n.enc != nil {
			return Match{Class: Below, Field: n.enc}, nil
		}
		name, rest, more := strings.Cut(path, ".")
		child, err := n.Child(name)
		if err != nil {
			return Match{}, err
		}
		if n = child; !more {
			break
		}
		path = rest
	}
	return n.match(), nil
}

// LookupBytes is Lookup for a path that stands in raw BSON; it makes no string of it.
func (n *Node) LookupBytes(path []byte) (Match, error) {
	for n != nil {
		if n.enc != nil {
			return Match{Class: Below, Field: n.enc}, nil
		}
		name, rest, more := bytes.Cut(path, []byte{'.'})
		child, err := n.ChildBytes(name)
		if err != nil {
			return Match{}, err
		}
		if n = child; !more {
			break
		}
		path = rest
	}
	return n.match(), nil
}

// match is the class of a path that ends at n.
func (n *Node) match() Match {
	switch {
	case n == nil:
		return Match{}
	case n.kind != document:
		return Match{Class: Unknown, Node: n}
	case n.enc == nil:
		return Match{Class: Prefix, Node: n}
	case n.enc.Algorithm == payload.Deterministic:
		return Match{Class: Deterministic, Node: n, Field: n.enc}
	}
	return Match{Class: Random, Node: n, Field: n.enc}
}
