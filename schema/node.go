package schema

import (
	"regexp"
	"strings"
)

// maxPatternBytes bounds what the patterns of one schema may cost to compile: their bytes, and patternOverhead for each.
const (
	maxPatternBytes = 16 << 10
	patternOverhead = 64
)

// Node is a place in the compiled tree: an encrypted field, or a document with an encrypted field somewhere below. A nil *Node is a
// plain place with nothing encrypted below; every method takes it. With, Only and others derive from it the places of what the stages
// of an aggregation pipeline put out; a Node never changes.
type Node struct {
	at       *place
	enc      *Encrypted // when set, nothing below is
	kind     kind
	elem     *Node            // of an array
	set      map[string]*Node // fields set by an aggregation stage; they hide all rules below
	named    map[string]*Node // properties; a nil value is a plain field
	lengths  uint64           // of the names in named: a bit for each
	patterns []pattern        // patternProperties
	steps    int              // of all patterns once they are compiled, about
	rest     *Node            // additionalProperties
	places   int              // see Places
}

// pattern is one rule of patternProperties.
type pattern struct {
	source string
	re     *regexp.Regexp // an unanchored search
	node   *Node
}

// Encrypted is the field's options; nil unless this very place is encrypted.
func (n *Node) Encrypted() *Encrypted {
	if n == nil {
		return nil
	}
	return n.enc
}

// Encrypts says whether this place or any below it is encrypted, fields reached through patterns or additionalProperties included.
func (n *Node) Encrypts() bool { return n != nil }

// Child goes one field name down: the rules of properties and patternProperties that hit the name, else additionalProperties. The name is
// literal: dots in it do not split. Patterns are searched anywhere in the name, in RE2 syntax (package regexp); where
// servers read a pattern in another way, "$" before a final newline for example, RE2 decides here.
//
// It is an [*Error] when several rules hit the name and do not agree on its encryption; when n itself is encrypted: what lies below is inside the
// ciphertext, neither plain nor a field of its own; and when the name is so long that searching it for a pattern would take too long.
func (n *Node) Child(name string) (*Node, error) {
	if n == nil {
		return nil, nil
	}
	if n.kind != document {
		return unknown, nil
	}
	if child, decided := n.set[name]; decided {
		return child, nil
	}
	child, hit := n.named[name]
	return n.choose(child, hit, len(name), func(re *regexp.Regexp) bool { return re.MatchString(name) }, func() string { return name })
}

// ChildBytes is Child for a name that stands in raw BSON; it makes no string of it.
func (n *Node) ChildBytes(name []byte) (*Node, error) {
	if n == nil {
		return nil, nil
	}
	if n.kind != document {
		return unknown, nil
	}
	if child, decided := n.set[string(name)]; decided {
		return child, nil
	}
	var child *Node
	hit := false
	if n.lengths&lengthBit(len(name)) != 0 { // most fields have no rule, and no name as long as theirs has
		child, hit = n.named[string(name)]
	}
	if n.enc == nil && len(n.patterns) == 0 {
		if !hit {
			child = n.rest
		}
		return child, nil
	}
	return n.choose(child, hit, len(name), func(re *regexp.Regexp) bool { return re.Match(name) }, func() string { return string(name) })
}

// lengthBit stands for names of that length; all long ones share one.
func lengthBit(n int) uint64 { return 1 << min(n, 63) }

// choose is the child for a name: named, if properties hits it, united with the patterns that match, else additionalProperties.
func (n *Node) choose(named *Node, hit bool, length int, matches func(*regexp.Regexp) bool, name func() string) (*Node, error) {
	if n.enc != nil {
		return nil, n.at.refuse("encrypt", "take the encrypted field as a whole",
			"%s lies below the encrypted field '%s'", quote(name()), n.enc.Path)
	}
	child := named
	if int64(length)*int64(n.steps) > maxMatching {
		return nil, n.at.refuse("patternProperties", "shorten the name, or use fewer patterns and smaller repetitions in them, such as * for {0,1000}",
			"a field name of %d bytes is too long to be searched for the patterns", length)
	}
	for _, p := range n.patterns {
		if !matches(p.re) {
			continue
		}
		if !hit {
			child, hit = p.node, true
			continue
		}
		both, agree := unite(child, p.node)
		if !agree {
			return nil, n.contradiction(name(), p)
		}
		child = both
	}
	if !hit {
		child = n.rest
	}
	return child, nil
}

// unite is what two rules for one name mean together. A rule that encrypts fields below and one that says nothing of encryption
// do not contradict each other; a rule that encrypts the place itself and one that leaves it plain do.
func unite(a, b *Node) (both *Node, agree bool) {
	switch {
	case a == nil && b == nil:
		return nil, true
	case a == nil:
		return b, b.enc == nil
	case b == nil:
		return a, a.enc == nil
	}
	return a, a.enc != nil && a.enc.SameMetadata(b.enc)
}

func (n *Node) contradiction(name string, p pattern) *Error {
	return n.at.refuse("patternProperties",
		"make the patterns narrower, so that one rule hits the name, or give all of them the same encrypt options",
		"several rules of properties and patternProperties hit the field %s and do not agree on its encryption; the last is the pattern %s",
		quote(name), quote(p.source))
}

// attach hangs the compiled subschema child, which keyword holds, into n.
func (n *Node) attach(keyword string, sub subschema, child *Node) error {
	switch keyword {
	case "properties":
		// A dot is part of the name here, while queries read it as a step down: their constants would leave in clear.
		if child != nil && strings.Contains(sub.name, ".") {
			return n.at.refuse(keyword, `nest the schemas: {bsonType: "object", properties: {a: {bsonType: "object", properties: {b: …}}}}`,
				invalid+"The field name %s holds a dot; no query could address it", quote(sub.name)).below(sub.name)
		}
		if n.named == nil {
			n.named = map[string]*Node{}
		}
		n.named[sub.name] = child
		n.lengths |= lengthBit(len(sub.name))
	case "patternProperties":
		n.patterns = append(n.patterns, pattern{source: sub.name, node: child})
	case "additionalProperties":
		n.rest = child
	}
	return nil
}

// compile finishes a node whose children are all there: nil when none of them encrypts. Plain rules stay otherwise, since the
// names they hit are not additional, and because they can contradict others.
func (p *parser) compile(n *Node) (*Node, error) {
	encrypts := n.rest != nil
	for _, child := range n.named {
		encrypts = encrypts || child != nil
	}
	for _, pt := range n.patterns {
		encrypts = encrypts || pt.node != nil
	}
	if !encrypts {
		return nil, nil
	}
	for i := range n.patterns {
		pt := &n.patterns[i]
		if p.patternBytes += len(pt.source) + patternOverhead; p.patternBytes > maxPatternBytes {
			return nil, n.at.refuse("patternProperties", "use fewer and shorter patterns",
				"the patterns next to encrypted fields are too many or too long: at most %d bytes, and %d more for each",
				maxPatternBytes, patternOverhead)
		}
		re, size, err := p.pattern(pt.source)
		switch {
		case err == errPatternTooLarge:
			return nil, n.at.refuse("patternProperties", "use fewer and smaller repetitions, such as * for {0,1000}, and fewer classes of characters",
				"the pattern %s, or all patterns next to encrypted fields together, are too large once they are compiled", quote(pt.source)).below(pt.source)
		case err != nil:
			return nil, n.at.refuse("patternProperties", "write it in RE2 syntax: no look-around, no back-references",
				"the pattern %s cannot be run, so that the fields it hits are not known", quote(pt.source)).below(pt.source)
		}
		pt.re = re
		n.steps += size
	}
	return n.counted(), nil
}
