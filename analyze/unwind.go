package analyze

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

var ruleUnwind = &rule{"unwind-on-encrypted", "$unwind of a field that is encrypted whole: the server sees no elements in it",
	"decrypt the documents, and take the array apart there", 0}

// unwind checks $unwind: "$path" or {path: "$path", includeArrayIndex: "name", preserveNullAndEmptyArrays: flag}.
func (p *pipeline) unwind(e bsonraw.Element) error {
	if e.Type != bson.TypeEmbeddedDocument {
		return p.unwindPath(e.RawValue())
	}
	var path, index bson.RawValue
	_, err := p.fields(nil, e, func(dst []byte, f bsonraw.Element) ([]byte, error) {
		switch string(f.Key) {
		case "path":
			path = f.RawValue()
		case "includeArrayIndex":
			index = f.RawValue()
		case "preserveNullAndEmptyArrays":
			return p.keep(dst, f, f.Type == bson.TypeBoolean)
		default:
			return nil, p.refuse(ruleStageField, string(f.Key))
		}
		return dst, nil
	})
	if err == nil {
		err = p.unwindPath(path)
	}
	if err != nil || index.Type == 0 {
		return err
	}
	return p.setField(index, nil, "$unwind")
}

// unwindPath makes the elements of the array at a path what the path holds.
func (p *pipeline) unwindPath(v bson.RawValue) error {
	s, _ := v.StringValueOK()
	path, isPath := strings.CutPrefix(s, "$")
	if !isPath || !namesField(path) {
		return p.refuse(ruleMalformed, "$unwind")
	}
	n := p.enter([]byte(path))
	defer p.leave(n)
	m, err := p.lookup(p.root, path)
	if err != nil {
		return err
	}
	elem, isArray := m.Node.Array()
	if !isArray {
		if d := byName(stageOperands, "$unwind").on(m.Class); d.verb == refuse {
			return p.refuse(d.rule, "$unwind")
		}
		return nil
	}
	p.root, err = p.derived(p.root.With(schema.Field{Path: path, Node: elem}))
	return err
}
