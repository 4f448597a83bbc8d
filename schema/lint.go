package schema

import (
	"errors"
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// count is how many mistakes were noted.
func (p *parser) count() int {
	if p.mistakes == nil {
		return 0
	}
	return len(*p.mistakes)
}

// maxMistakes is how many mistakes Lint tells.
const maxMistakes = 1000

// Lint is [Parse] for people: it tells every mistake of the schema, in the order of the document, where Parse stops at the first. What only follows from
// another mistake is not told. Without mistakes the schema is what Parse makes of it; else it is nil. After 1000 mistakes it stops looking.
func Lint(doc bson.Raw, origin Origin) (*Schema, []*Error) {
	if len(doc) > maxSize || bsonraw.Validate(doc) != nil {
		s, err := Parse(doc, origin)
		return s, asMistakes(err)
	}
	var mistakes []*Error
	p := &parser{origin: origin, mistakes: &mistakes}
	node, err := p.subschema(doc, &place{})
	if err != nil {
		return nil, append(mistakes, asMistakes(err)...)
	}
	if err := p.checkPointers(node); err != nil {
		return nil, append(mistakes, asMistakes(err)...)
	}
	if len(mistakes) > 0 {
		return nil, mistakes
	}
	if err := p.contradictions(node); err != nil || len(mistakes) > 0 {
		return nil, append(mistakes, asMistakes(err)...)
	}
	return &Schema{root: node, fields: p.fields}, nil
}

// barred is place.barred, told once of a place above that lacks its bsonType, and not for all that is encrypted below it.
func (p *parser) barred(keyword string, pl *place) error {
	err := pl.barred(keyword)
	if err == nil || pl.under == nil && p.blamed[pl.unpinned] {
		return nil
	}
	if pl.under == nil {
		p.blame(pl.unpinned)
	}
	return p.fault(err)
}

func (p *parser) blame(pl *place) {
	if p.mistakes == nil {
		return
	}
	if p.blamed == nil {
		p.blamed = map[*place]bool{}
	}
	p.blamed[pl] = true
}

// contradictions finds names in properties that a pattern hits too and treats otherwise. Parse leaves them to whoever meets the name.
func (p *parser) contradictions(n *Node) error {
	if n == nil || n.enc != nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(n.named)) {
		child, err := n.Child(name)
		if err := p.fault(err); err != nil {
			return err
		}
		if err == nil {
			if err := p.contradictions(child); err != nil {
				return err
			}
		}
	}
	for _, pt := range n.patterns {
		if err := p.contradictions(pt.node); err != nil {
			return err
		}
	}
	return p.contradictions(n.rest)
}

func asMistakes(err error) []*Error {
	var bad *Error
	if errors.As(err, &bad) {
		return []*Error{bad}
	}
	return nil
}
