package audit

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

// scanner looks at the documents of one collection.
type scanner struct {
	opts    Options
	schema  *schema.Schema
	keys    *keyring
	result  *Collection
	root    *place
	untold  *place   // stands for all places beyond MaxPaths
	all     []*place // but root and untold
	places  int
	fields  map[schema.Encrypted]*Field
	pending []pending // ciphertexts whose data keys must be looked up
	drawn   map[*Field]int64

	doc bson.Raw      // at hand
	id  bson.RawValue // its _id
}

// atOnce is how many data keys are looked up together.
const atOnce = 1000

func newScanner(opts Options, keys *keyring, found *schema.Schema, result *Collection) *scanner {
	s := &scanner{
		opts: opts, schema: found, keys: keys, result: result,
		root: &place{node: found.Root()}, untold: &place{path: "(further fields)"},
		fields: map[schema.Encrypted]*Field{}, drawn: map[*Field]int64{},
	}
	for _, enc := range found.Fields() {
		s.field(*enc, true)
	}
	return s
}

// add looks at one document. It keeps nothing of it.
func (s *scanner) add(ctx context.Context, doc bson.Raw) error {
	s.result.Documents++
	s.doc, s.id = doc, documentID(doc)
	if err := s.document(ctx, s.root, doc, 0); err != nil {
		if stop, ok := err.(*stopped); ok {
			return stop.err
		}
		s.result.Unreadable++
	}
	s.doc, s.id = nil, bson.RawValue{}
	if len(s.pending) >= atOnce {
		return s.settle(ctx)
	}
	return nil
}

// finish judges what waits for its key and fills the result.
func (s *scanner) finish(ctx context.Context) error {
	err := s.settle(ctx)
	for _, p := range append(s.all, s.untold) {
		if suspect, ok := s.suspect(p); ok {
			s.result.Suspects = append(s.result.Suspects, suspect)
		}
	}
	byPath := func(a, b *Field) int { return strings.Compare(a.Path, b.Path) }
	slices.SortFunc(s.result.Others, byPath)
	slices.SortFunc(s.result.Suspects, func(a, b *Suspect) int { return strings.Compare(a.Path, b.Path) })
	for _, f := range append(slices.Clone(s.result.Fields), s.result.Others...) {
		f.order()
	}
	return err
}

func (s *scanner) suspect(p *place) (*Suspect, bool) {
	if p.values == 0 || p.node != nil {
		return nil, false
	}
	suspect := &Suspect{Path: p.path, Values: p.values, ByName: p.named, Documents: p.ids}
	if p.kind != "" {
		suspect.InNames, suspect.Detector, suspect.Hits = true, p.kind, p.values
		suspect.Accepted = slices.Contains(s.opts.Accepted, s.result.Namespace+"."+p.path)
		return suspect, len(s.opts.Detectors) > 0 && p.values >= s.opts.MinHits
	}
	for i, hits := range p.hits {
		if hits > suspect.Hits && hits >= min(s.opts.MinHits, max(p.values, 2)) && float64(hits) >= s.opts.MinShare*float64(p.values) {
			suspect.Detector, suspect.Hits = s.opts.Detectors[i].Name, hits
		}
	}
	if suspect.Detector == "" && !p.named {
		return nil, false
	}
	suspect.Accepted = slices.Contains(s.opts.Accepted, s.result.Namespace+"."+p.path)
	return suspect, true
}
