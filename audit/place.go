package audit

import (
	"strings"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

// place is a path that documents have, with what is known about it. Indexes of arrays are no part of a path.
type place struct {
	path     string
	node     *schema.Node // of the schema; nil where nothing is encrypted
	broken   bool         // the schema contradicts itself here
	named    bool         // the name looks sensitive
	kind     string       // what the name itself looks like to a detector; "" for nothing
	children map[string]*place
	field    *Field // of the schema, or with ciphertexts that no schema asks for
	seen     int64  // the last document that had the field

	values int64   // plaintext values with something in them
	hits   []int64 // by detector, once there is one
	ids    []ID    // of documents with a hit
	last   int64   // the last of those documents
}

// child goes one name down.
func (s *scanner) child(p *place, name []byte) *place {
	if p == s.untold {
		return p
	}
	if c, ok := p.children[string(name)]; ok {
		return c
	}
	// A name may itself be a value: {visits: {"jane@example.org": 1}}. It must not get into the report.
	kind, _ := s.opts.hides(string(name))
	c := s.newPlace(p, string(name), kind)
	plain := c.node == nil && !c.broken
	switch {
	case plain && kind != "":
		return s.likeA(p, c)
	case s.places < s.opts.MaxPaths:
		s.keep(p, string(name), c)
	case plain:
		return s.untold
	}
	return c
}

// likeA is the one place of all names that the same detector recognises.
func (s *scanner) likeA(p, c *place) *place {
	name := "(" + c.kind + ")"
	if known, ok := p.children[name]; ok && known.kind != "" {
		c = known
	} else {
		s.keep(p, name, c)
	}
	c.values++
	return c
}

func (s *scanner) keep(p *place, name string, c *place) {
	if p.children == nil {
		p.children = map[string]*place{}
	}
	p.children[name] = c
	s.places++
	s.all = append(s.all, c)
}

func (s *scanner) newPlace(p *place, name, kind string) *place {
	c := &place{path: join(p.path, name), kind: kind}
	if kind != "" {
		c.path = join(p.path, "("+kind+")")
	}
	node, err := childNamed(p.node, name)
	if c.node = node; err != nil {
		c.node, c.broken = nil, true
		c.field = s.field(schema.Encrypted{Path: c.path}, false)
		return c
	}
	if enc := node.Encrypted(); enc != nil {
		c.field = s.field(*enc, true)
	}
	c.named = s.opts.Names.Match(name) || s.opts.Names.Match(name[strings.LastIndexByte(name, '.')+1:])
	return c
}

// childNamed is what the schema says of a name. {"a.b": …} is taken for b in a, if there are no rules for the whole name: automatic encryption refuses to
// write such a field, so that whatever is in it was written by somebody else and is as readable.
func childNamed(node *schema.Node, name string) (*schema.Node, error) {
	child, err := node.Child(name)
	if child != nil || err != nil || !strings.Contains(name, ".") {
		return child, err
	}
	for part := range strings.SplitSeq(name, ".") {
		if node, err = node.Child(part); err != nil || node.Encrypted() != nil {
			break
		}
	}
	return node, err
}

// field is the report's entry for a field of the schema. Places reached by the same pattern share one.
func (s *scanner) field(enc schema.Encrypted, known bool) *Field {
	if f, ok := s.fields[enc]; ok {
		return f
	}
	f := &Field{Path: enc.Path}
	if known {
		f.Schema = &enc
	}
	s.fields[enc] = f
	s.result.Fields = append(s.result.Fields, f)
	return f
}

// other is the entry for ciphertexts that no schema asks for.
func (s *scanner) other(p *place) *Field {
	if p.field == nil {
		p.field = &Field{Path: p.path}
		s.result.Others = append(s.result.Others, p.field)
	}
	return p.field
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
