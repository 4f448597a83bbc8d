package analyze

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// unionWith writes $unionWith: the name of a collection, or {coll: name, pipeline: […]}. Fields that are encrypted in one part of what
// comes out and not, or differently, in the other are undecided: they may be there, but no later stage may refer to them.
func (p *pipeline) unionWith(dst []byte, e bsonraw.Element) ([]byte, error) {
	if e.Type == bson.TypeString {
		other, err := p.named(e.RawValue(), "$unionWith")
		if err != nil {
			return nil, err
		}
		p.root, err = p.derived(schema.Either(p.root, other.schema.Root()), nil)
		return append(dst, e.Raw...), err
	}
	other, err := p.foreign(e, "coll")
	if err != nil {
		return nil, err
	}
	result := other.schema.Root()
	dst, err = p.fields(dst, e, func(dst []byte, f bsonraw.Element) (out []byte, err error) {
		switch string(f.Key) {
		case "coll":
			return append(dst, f.Raw...), nil
		case "pipeline":
			out, result, err = p.over(dst, f, other)
			return out, err
		default:
			return nil, p.refuse(ruleStageField, string(f.Key))
		}
	})
	if err != nil {
		return nil, err
	}
	p.root, err = p.derived(schema.Either(p.root, result), nil)
	return dst, err
}
