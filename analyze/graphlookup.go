package analyze

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

var ruleDepthField = &rule{"graph-lookup-depth-on-encrypted", "depthField would overwrite an encrypted field", "give it a name of its own", 0}

// graphLookup writes $graphLookup.
func (p *pipeline) graphLookup(dst []byte, e bsonraw.Element) ([]byte, error) {
	from, err := p.foreign(e, "from")
	if err != nil {
		return nil, err
	}
	to, err := p.connected(e, from)
	if err != nil {
		return nil, err
	}
	var as bson.RawValue
	started := false
	dst, err = p.fields(dst, e, func(dst []byte, f bsonraw.Element) (out []byte, err error) {
		switch string(f.Key) {
		case "from", "connectFromField", "connectToField":
		case "as":
			as = f.RawValue()
		case "startWith":
			started = true
			return p.startWith(dst, f, join{from: from, foreign: to})
		case "restrictSearchWithMatch":
			err = p.in(from, func() error {
				out, err = p.query(bsonraw.AppendKey(dst, f.Type, f.Key), f.RawValue())
				return err
			})
			return out, err
		case "maxDepth":
			return p.keep(dst, f, isNumber(f.RawValue()))
		case "depthField":
			_, err = p.stagePath(from.schema.Root(), f.RawValue(), "$graphLookup.depthField")
		default:
			err = p.refuse(ruleStageField, string(f.Key))
		}
		return append(dst, f.Raw...), err
	})
	if err != nil {
		return nil, err
	}
	if !started {
		return nil, p.refuse(ruleMalformed, "$graphLookup")
	}
	return dst, p.setField(as, schema.ArrayOf(from.schema.Root()), "$graphLookup")
}

// connected checks the fields that connect the documents of the other collection, and gives connectToField.
func (p *pipeline) connected(e bsonraw.Element, from collection) (to schema.Match, err error) {
	var ends [2]schema.Match
	for i, name := range []string{"connectFromField", "connectToField"} {
		v, _, err := find(e.Value, name)
		if err != nil {
			return to, err
		}
		if ends[i], err = p.stagePath(from.schema.Root(), v, "$graphLookup."+name); err != nil {
			return to, err
		}
	}
	return ends[1], p.joined(join{from, ends[0], ends[1]}, "$graphLookup")
}

// startWith writes the expression that gives the values to look for in connectToField. A constant is sealed for it.
func (p *pipeline) startWith(dst []byte, e bsonraw.Element, j join) ([]byte, error) {
	p.op = "$graphLookup"
	if j.foreign.Class == schema.Deterministic {
		start, err := p.sideOf(e)
		if err != nil {
			return nil, err
		}
		if start.kind == aConstant {
			return p.sealConstant(dst, &start, value{node: j.foreign.Node, path: j.foreign.Field.Path}, ruleEqualityNull)
		}
	}
	dst, got, err := p.stageValue(dst, e.Key, e.RawValue(), "$graphLookup.startWith")
	if err != nil {
		return nil, err
	}
	j.local.Class, j.local.Field = value{node: got}.class(), got.Encrypted()
	return dst, p.joined(j, "$graphLookup")
}
