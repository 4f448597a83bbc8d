package schema

import (
	"regexp/syntax"
	"strings"
)

// Names are names of fields that lead from a document's root to f, one of the fields of s; where f's rule is a pattern or for additional properties, a
// name that it hits. ok is false when no such name was found.
func (s *Schema) Names(f *Encrypted) (names []string, ok bool) {
	if names, ok = s.Root().leads(f); !ok {
		return nil, false
	}
	at := s.Root()
	for _, name := range names {
		var err error
		if at, err = at.Child(name); err != nil {
			return nil, false
		}
	}
	return names, at.Encrypted() == f
}

func (n *Node) leads(f *Encrypted) ([]string, bool) {
	if n == nil || n.enc != nil {
		return nil, n != nil && n.enc == f
	}
	for name, child := range n.named {
		if below, ok := child.leads(f); ok {
			return append([]string{name}, below...), true
		}
	}
	for _, p := range n.patterns {
		if below, ok := p.node.leads(f); ok {
			name, found := example(p.source)
			return append([]string{name}, below...), found
		}
	}
	below, ok := n.rest.leads(f)
	return append([]string{"additional"}, below...), ok
}

// example is a name that a pattern hits.
func example(pattern string) (string, bool) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return "", false
	}
	var b strings.Builder
	writeExample(&b, re.Simplify())
	return b.String(), !strings.Contains(b.String(), "\x00") && b.Len() > 0
}

func writeExample(b *strings.Builder, re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		if len(re.Rune) > 0 {
			b.WriteRune(re.Rune[0])
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte('x')
	case syntax.OpCapture, syntax.OpPlus:
		writeExample(b, re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			writeExample(b, sub)
		}
	case syntax.OpAlternate:
		writeExample(b, re.Sub[0])
	case syntax.OpRepeat:
		for range re.Min {
			writeExample(b, re.Sub[0])
		}
	}
}
