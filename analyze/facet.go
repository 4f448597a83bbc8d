package analyze

import (
	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// facet writes $facet: {name: pipeline, …}, each over the same documents.
func (p *pipeline) facet(dst []byte, e bsonraw.Element) ([]byte, error) {
	var branches []schema.Field
	dst, err := p.fields(dst, e, func(dst []byte, f bsonraw.Element) ([]byte, error) {
		if !isFieldName(f.Key) {
			return nil, p.refuse(ruleMalformed, "$facet")
		}
		dst, result, err := p.stages(dst, f, p.root)
		branches = append(branches, schema.Field{Path: string(f.Key), Node: schema.ArrayOf(result)})
		return dst, err
	})
	if err != nil {
		return nil, err
	}
	p.root, err = p.built(branches)
	return dst, err
}
