package schema

import (
	"maps"
	"slices"
	"strings"
)

// kind is what stands at a place.
type kind int

const (
	document  kind = iota // or an encrypted field
	arrayOf               // elements alike; only in derived places
	undecided             // encrypted or not: only the server will know; only in derived places
)

// unknown is any place whose encryption is not known before a pipeline runs.
var unknown = &Node{kind: undecided}

// Places is about how many fields n knows by name, at all levels: what deriving from it costs. Shared places count each time they
// appear, so that it can be far more than the memory they take; it stops at a billion.
func (n *Node) Places() int {
	if n == nil {
		return 0
	}
	return n.places
}

// counted sets the number of places of a node that is complete.
func (n *Node) counted() *Node {
	const enough = 1e9
	n.places = 1 + n.rest.Places() + n.elem.Places()
	for _, p := range n.patterns {
		n.places += 1 + p.node.Places()
	}
	for _, child := range n.set {
		n.places = min(enough, n.places+1+child.Places())
	}
	for name, child := range n.named {
		if _, hidden := n.set[name]; !hidden {
			n.places = min(enough, n.places+1+child.Places())
		}
	}
	n.places = min(enough, n.places)
	return n
}

// Field is a place below another one, for [Node.With].
type Field struct {
	Path string // dotted
	Node *Node  // nil: plain
}

// Undecided is a place that may be encrypted or not, depending on the document: what comes out of a condition with an encrypted and a
// plain branch, for example. Everything at and below it has the class [Unknown].
func Undecided() *Node { return unknown }

// ArrayOf is an array with elements like elem; nil when elem is nil. An encrypted field inside an array cannot be addressed, so all
// paths to and through it have the class [Unknown], until Elements takes it apart.
func ArrayOf(elem *Node) *Node {
	if elem == nil {
		return nil
	}
	return (&Node{kind: arrayOf, elem: elem}).counted()
}

// Array gives the elements of an array made by ArrayOf.
func (n *Node) Array() (elem *Node, ok bool) {
	if n == nil || n.kind != arrayOf {
		return nil, false
	}
	return n.elem, true
}

// Elements is what one element of the value is: of an array its element, of everything else the value itself, as servers unwind it.
func (n *Node) Elements() *Node {
	if elem, ok := n.Array(); ok {
		return elem
	}
	return n
}

// With is n with fields set, as an aggregation stage sets them; later ones win. It is an [*Error] when a path runs below an encrypted
// field. It takes time in proportion to n's own fields and to fields.
func (n *Node) With(fields ...Field) (*Node, error) {
	var c change
	for _, f := range fields {
		at := c.at(f.Path)
		*at = change{set: true, node: f.Node}
	}
	return n.with(&c)
}

// Without is n without the fields at paths, and what is below them.
func (n *Node) Without(paths ...string) (*Node, error) {
	fields := make([]Field, len(paths))
	for i, path := range paths {
		fields[i].Path = path
	}
	return n.With(fields...)
}

// Only is n with nothing but the fields at paths, and what is below them.
func (n *Node) Only(paths ...string) (*Node, error) {
	var c change
	for _, path := range paths {
		c.at(path).set = true
	}
	return n.only(&c)
}

// change is a tree of changes to a tree of places.
type change struct {
	set   bool
	node  *Node // when set
	inner map[string]*change
}

// at is the change at a path, made if need be.
func (c *change) at(path string) *change {
	for name := range strings.SplitSeq(path, ".") {
		next := c.inner[name]
		if next == nil {
			if c.inner == nil {
				c.inner = map[string]*change{}
			}
			next = &change{}
			c.inner[name] = next
		}
		c = next
	}
	return c
}

func (n *Node) with(c *change) (*Node, error) {
	if c.set {
		n = c.node
	}
	switch {
	case len(c.inner) == 0 || n != nil && n.kind == undecided:
		return n, nil
	case n != nil && n.kind == arrayOf:
		elem, err := n.elem.with(c)
		return ArrayOf(elem), err
	}
	derived := &Node{at: &place{}}
	if n != nil {
		*derived = *n
		derived.set = maps.Clone(n.set)
	}
	if derived.set == nil {
		derived.set = make(map[string]*Node, len(c.inner))
	}
	for name, inner := range c.inner {
		child, err := n.Child(name)
		if err != nil {
			return nil, err
		}
		if derived.set[name], err = child.with(inner); err != nil {
			return nil, err
		}
	}
	return derived.trimmed(), nil
}

func (n *Node) only(c *change) (*Node, error) {
	switch {
	case n == nil || c.set || n.kind == undecided:
		return n, nil
	case n.kind == arrayOf:
		elem, err := n.elem.only(c)
		return ArrayOf(elem), err
	}
	derived := &Node{at: n.at, set: make(map[string]*Node, len(c.inner))}
	for name, inner := range c.inner {
		child, err := n.Child(name)
		if err != nil {
			return nil, err
		}
		if derived.set[name], err = child.only(inner); err != nil {
			return nil, err
		}
	}
	return derived.trimmed(), nil
}

// trimmed is nil when nothing below n is encrypted any more.
func (n *Node) trimmed() *Node {
	if n.rest != nil {
		return n.counted()
	}
	for _, p := range n.patterns {
		if p.node != nil {
			return n.counted()
		}
	}
	for _, child := range n.set {
		if child != nil {
			return n.counted()
		}
	}
	for name, child := range n.named {
		if _, hidden := n.set[name]; child != nil && !hidden {
			return n.counted()
		}
	}
	return nil
}

// Either is a place that is like a in some documents and like b in others: where they differ it is undecided.
func Either(a, b *Node) *Node {
	p := pairs{}
	return p.either(a, b)
}

type pair struct{ a, b *Node }

// pairs remembers what two places have given: derived places are shared, so that a tree of them may have far more paths than places.
type pairs struct {
	same   map[pair]bool
	joined map[pair]*Node
}

func (p *pairs) either(a, b *Node) *Node {
	if n, ok := p.joined[pair{a, b}]; ok {
		return n
	}
	n := p.unite(a, b)
	if p.joined == nil {
		p.joined = map[pair]*Node{}
	}
	p.joined[pair{a, b}] = n
	return n
}

func (p *pairs) unite(a, b *Node) *Node {
	switch {
	case p.alike(a, b):
		return a
	case !a.isDocument() || !b.isDocument():
		return unknown
	case !a.plainBeyondNames() || !b.plainBeyondNames():
		return unknown
	}
	both := &Node{at: &place{}, set: map[string]*Node{}}
	for _, name := range allNames(a, b) {
		x, errX := a.Child(name)
		y, errY := b.Child(name)
		if errX != nil || errY != nil {
			return unknown
		}
		both.set[name] = p.either(x, y)
	}
	return both.trimmed()
}

func allNames(a, b *Node) []string {
	names := slices.Concat(a.names(), b.names())
	slices.Sort(names)
	return slices.Compact(names)
}

// isDocument says whether n is a document, or plain; not an encrypted field, an array or undecided.
func (n *Node) isDocument() bool { return n == nil || n.kind == document && n.enc == nil }

// plainBeyondNames says whether all encrypted fields directly in the document n have names of their own.
func (n *Node) plainBeyondNames() bool { return n == nil || n.rest == nil && len(n.patterns) == 0 }

// names are the fields of the document n that have rules of their own, sorted.
func (n *Node) names() []string {
	if n == nil {
		return nil
	}
	names := slices.AppendSeq(slices.Collect(maps.Keys(n.set)), maps.Keys(n.named))
	slices.Sort(names)
	return slices.Compact(names)
}

// Alike says whether a and b are encrypted alike in every place.
func Alike(a, b *Node) bool {
	p := pairs{}
	return p.alike(a, b)
}

func (p *pairs) alike(a, b *Node) bool {
	switch {
	case a == b:
		return true
	case a == nil || b == nil:
		return false
	}
	if same, ok := p.same[pair{a, b}]; ok {
		return same
	}
	same := p.compare(a, b)
	if p.same == nil {
		p.same = map[pair]bool{}
	}
	p.same[pair{a, b}] = same
	return same
}

func (p *pairs) compare(a, b *Node) bool {
	switch {
	case a.kind != b.kind || !a.enc.SameMetadata(b.enc):
		return false
	case a.kind == arrayOf:
		return p.alike(a.elem, b.elem)
	case !p.alike(a.rest, b.rest):
		return false
	case !slices.EqualFunc(a.patterns, b.patterns, func(x, y pattern) bool { return x.source == y.source && p.alike(x.node, y.node) }):
		return false
	}
	for _, name := range allNames(a, b) {
		x, errX := a.Child(name)
		y, errY := b.Child(name)
		if errX != nil || errY != nil || !p.alike(x, y) {
			return false
		}
	}
	return true
}

// Covers says whether n encrypts whatever o does, and alike. When it is not certain, it says no.
func (n *Node) Covers(o *Node) bool {
	switch {
	case o == nil:
		return true
	case n == nil || n.kind != document || o.kind != document:
		return false
	case n.enc != nil || o.enc != nil:
		return n.enc.SameMetadata(o.enc)
	case o.rest != nil && (len(n.patterns) != len(o.patterns) || !n.rest.Covers(o.rest)): // another pattern could take names from the rest
		return false
	}
	for _, p := range o.patterns {
		if !slices.ContainsFunc(n.patterns, func(q pattern) bool { return q.source == p.source && q.node.Covers(p.node) }) {
			return false
		}
	}
	for _, name := range allNames(n, o) {
		mine, err := n.Child(name)
		if err != nil {
			return false
		}
		others, err := o.Child(name)
		if err != nil || !mine.Covers(others) {
			return false
		}
	}
	return true
}
