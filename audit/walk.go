package audit

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/audit/sensitive"
	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// document looks at all fields of a document at place p.
func (s *scanner) document(ctx context.Context, p *place, doc []byte, depth int) error {
	if depth == bsonraw.MaxDepth {
		return bsonraw.ErrTooDeep
	}
	it := bsonraw.Iterate(doc)
	for it.Next() {
		c := s.child(p, it.Element.Key)
		if c.seen != s.result.Documents {
			c.seen = s.result.Documents
			if c.field != nil && c.field.lastDocument != c.seen {
				c.field.lastDocument = c.seen
				c.field.Documents++
			}
		}
		if err := s.value(ctx, c, it.Element, depth+1); err != nil {
			return err
		}
	}
	return it.Err
}

// array looks at the elements of an array as if each stood in its place: what the schema says of a field is meant for those inside an
// array too, although automatic encryption refuses to write there.
func (s *scanner) array(ctx context.Context, p *place, array []byte, depth int) error {
	if depth == bsonraw.MaxDepth {
		return bsonraw.ErrTooDeep
	}
	it := bsonraw.Iterate(array)
	for it.Next() {
		if err := s.value(ctx, p, it.Element, depth+1); err != nil {
			return err
		}
	}
	return it.Err
}

func (s *scanner) value(ctx context.Context, p *place, e bsonraw.Element, depth int) error {
	content, encrypted := bsonraw.EncryptedPayload(e.Type, e.Value)
	switch {
	case p.broken:
		p.field.Values++
		return s.problem(p.field, Contradiction, s.id)
	case encrypted:
		return s.ciphertext(ctx, p, content)
	case p.node.Encrypted() != nil && e.Type != bson.TypeArray:
		return s.plaintext(p.field, e)
	case p.node.Encrypted() != nil && !holdsCiphertext(e.Value, 0):
		return s.plaintext(p.field, e)
	case e.Type == bson.TypeEmbeddedDocument:
		return s.document(ctx, p, e.Value, depth)
	case e.Type == bson.TypeArray:
		return s.array(ctx, p, e.Value, depth)
	}
	if p == s.untold {
		s.result.Untold++
	}
	s.plain(p, e)
	return nil
}

// holdsCiphertext says whether an array has ciphertexts as elements: then it was encrypted element by element, else it is one plaintext value.
func holdsCiphertext(array []byte, depth int) bool {
	if depth == bsonraw.MaxDepth {
		return false
	}
	for it := bsonraw.Iterate(array); it.Next(); {
		if _, ok := bsonraw.EncryptedPayload(it.Element.Type, it.Element.Value); ok || it.Element.Type == bson.TypeArray && holdsCiphertext(it.Element.Value, depth+1) {
			return true
		}
	}
	return false
}

// plain looks at a value that no schema asks to encrypt.
func (s *scanner) plain(p *place, e bsonraw.Element) {
	v := e.RawValue()
	text := ""
	switch e.Type {
	case bson.TypeString:
		if text, _ = v.StringValueOK(); text == "" {
			return
		}
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble:
		text, _ = numberText(v)
	case bson.TypeDateTime, bson.TypeDecimal128, bson.TypeBinary:
	default:
		return // nothing that a person would enter
	}
	if p.kind == "" {
		p.values++
	}
	found, ok := sensitive.Find(s.opts.Detectors, text)
	if ok {
		if p.hits == nil {
			p.hits = make([]int64, len(s.opts.Detectors))
		}
		p.hits[found]++
	}
	if (ok || p.named) && len(p.ids) < s.opts.MaxIDs && p.last != s.result.Documents {
		p.last = s.result.Documents
		p.ids = append(p.ids, s.showID(s.id))
	}
}

// plaintext counts a value that should be encrypted and is not.
func (s *scanner) plaintext(f *Field, e bsonraw.Element) error {
	f.Values++
	switch e.Type {
	case bson.TypeNull, bson.TypeUndefined, bson.TypeMinKey, bson.TypeMaxKey:
		f.Empty++
		return nil
	}
	count(&f.PlainTypes, e.Type)
	return s.problem(f, Plaintext, s.id)
}

// problem counts a value with a problem.
func (s *scanner) problem(f *Field, p Problem, id bson.RawValue) error {
	o := f.occurrences(p)
	o.Values++
	if len(o.Documents) >= s.opts.MaxIDs {
		return nil
	}
	if shown := s.showID(id); len(o.Documents) == 0 || !o.Documents[len(o.Documents)-1].Value.Equal(shown.Value) || shown.Withheld != "" {
		o.Documents = append(o.Documents, shown)
	}
	return nil
}

func count[K comparable](counts *map[K]int64, key K) {
	if *counts == nil {
		*counts = map[K]int64{}
	}
	(*counts)[key]++
}
