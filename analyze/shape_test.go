package analyze_test

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// shape is what the stages of a pipeline so far have made of a place in the documents: a model, like place, that knows nothing of
// package analyze. A nil shape is plain.
type shape struct {
	place  *place            // what the schema says of it, but for the fields in set
	set    map[string]*shape // fields that stages have set
	closed bool              // it has no fields but those in set
	elem   *shape            // it is an array, with such elements
	unsure bool              // the model does not know
}

var (
	unsure = &shape{unsure: true}
	absent = &shape{closed: true} // of a value that is null or missing in every document
)

// shapeOf is the shape of a collection's documents; its schema may be none.
func shapeOf(root *place) *shape {
	if root == nil {
		return nil
	}
	return &shape{place: root}
}

func (s *shape) enc() *encryption {
	if s == nil || s.place == nil || s.unsure || s.elem != nil {
		return nil
	}
	return s.place.enc
}

func (s *shape) deterministic() bool {
	return s.enc() != nil && s.enc().algorithm == payload.Deterministic
}

func (s *shape) isPlain() bool { return !s.encrypts() }
func (s *shape) isArray() bool { return s != nil && s.elem != nil }

// isDocument says whether there is an encrypted field below s.
func (s *shape) isDocument() bool {
	return s.encrypts() && s.enc() == nil && s.elem == nil && !s.unsure
}

// encrypts says whether something encrypted is, or may be, at s or below.
func (s *shape) encrypts() bool {
	switch {
	case s == nil:
		return false
	case s.unsure || s.elem.encrypts() || s.enc() != nil:
		return true
	}
	for _, child := range s.set {
		if child.encrypts() {
			return true
		}
	}
	if s.closed || s.place == nil {
		return false
	}
	return slices.ContainsFunc(s.place.known(), func(name string) bool { return s.field(name).encrypts() })
}

// known are names that have a meaning at p.
func (p *place) known() []string {
	names := slices.Clone(p.names)
	for _, pattern := range p.patterns {
		names = append(names, strings.TrimPrefix(pattern, "^")+"z")
	}
	if p.rest != nil {
		names = append(names, "y")
	}
	return names
}

// field goes down one name. Where it leads through an array, or several rules hit the name, the model does not know.
func (s *shape) field(name string) *shape {
	if s == nil || s.unsure {
		return s
	}
	if child, isSet := s.set[name]; isSet {
		return child
	}
	switch {
	case s.isArray() || s.enc() != nil:
		return unsure
	case s.closed || s.place == nil:
		return nil
	}
	hit := s.place.under(name)
	if len(hit) > 1 {
		return unsure
	}
	return shapeOf(hit[0])
}

func (s *shape) path(dotted string) *shape {
	for name := range strings.SplitSeq(dotted, ".") {
		s = s.field(name)
	}
	return s
}

// with is s with the field at a path set, made a document if need be.
func (s *shape) with(dotted string, value *shape) *shape {
	name, rest, deeper := strings.Cut(dotted, ".")
	if s != nil && (s.unsure || s.elem != nil || s.enc() != nil) {
		return unsure
	}
	if deeper {
		value = s.field(name).with(rest, value)
	}
	if value == absent {
		value = nil
	}
	out := shape{closed: s == nil, set: map[string]*shape{}}
	if s != nil {
		out.place, out.closed = s.place, s.closed
		maps.Copy(out.set, s.set)
	}
	out.set[name] = value
	return &out
}

// only is s with nothing but the fields at some paths.
func (s *shape) only(paths ...string) *shape {
	out := &shape{closed: true}
	for _, path := range paths {
		out = out.with(path, s.path(path))
	}
	return out
}

// made are the fields in which stages have put something encrypted.
func (s *shape) made() (names []string) {
	if s == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(s.set)) {
		if s.set[name].encrypts() {
			names = append(names, name)
		}
	}
	return names
}

// array is an array of s.
func (s *shape) array() *shape {
	if !s.encrypts() {
		return nil
	}
	return &shape{elem: s}
}

// or is what is like s in some documents and like o in others.
func (s *shape) or(o *shape) *shape {
	switch {
	case s == absent || s == o:
		return o
	case o == absent || s.isPlain() && o.isPlain() || s.alike(o):
		return s
	case (s.isPlain() || s.isDocument()) && (o.isPlain() || o.isDocument()):
		return s.merged(o)
	}
	return unsure
}

// merged is or for documents, field by field.
func (s *shape) merged(o *shape) *shape {
	both := &shape{closed: true, set: map[string]*shape{}}
	for _, f := range append(s.paths(), o.paths()...) {
		if name, _, inner := strings.Cut(f.path, "."); !inner {
			both.set[name] = s.field(name).or(o.field(name))
		}
	}
	return both
}

// alike says whether s and o are fields encrypted in the same way.
func (s *shape) alike(o *shape) bool {
	x, y := s.enc(), o.enc()
	return x != nil && y != nil && x.algorithm == y.algorithm && x.key == y.key && slices.Equal(x.types, y.types)
}

// found is a path with what is there.
type found struct {
	path string
	*shape
}

// paths lists the paths in s that have a meaning, and some that have none.
func (s *shape) paths() []found {
	all := []found{{"plain", s.field("plain")}, {"other", s.field("other")}}
	s.each("", 0, func(f found) { all = append(all, f) })
	slices.SortStableFunc(all, func(x, y found) int { return cmp.Compare(x.path, y.path) })
	return slices.CompactFunc(all, func(x, y found) bool { return x.path == y.path })
}

func (s *shape) each(prefix string, depth int, yield func(found)) {
	if s == nil || depth > 3 {
		return
	}
	if s.elem != nil {
		s.elem.each(prefix, depth+1, func(f found) { yield(found{f.path, unsure}) })
		return
	}
	names := slices.Collect(maps.Keys(s.set))
	if s.place != nil && s.enc() == nil && !s.closed {
		names = append(names, s.place.known()...)
	}
	for _, name := range names {
		child := s.field(name)
		yield(found{prefix + name, child})
		child.each(prefix+name+".", depth+1, yield)
	}
}
