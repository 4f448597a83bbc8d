package analyze

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

var ruleReplaceRoot = &rule{"replace-root-with-encrypted", "the new root is an encrypted field, of which the server sees no fields",
	"decrypt the documents, and take the field out there", 0}

// reshape writes $project, $addFields or $set.
func (p *pipeline) reshape(dst []byte, e bsonraw.Element) (out []byte, err error) {
	dst, p.root, err = p.projection(dst, e, string(e.Key))
	return dst, err
}

// unset checks $unset: a path or a list of paths.
func (p *pipeline) unset(e bsonraw.Element) error {
	paths, err := p.unsetPaths(e)
	if err != nil {
		return err
	}
	for _, path := range paths {
		if !namesField(path) {
			return p.refuse(ruleMalformed, "$unset")
		}
		n := p.enter([]byte(path))
		if err := p.reach(path, "$unset"); err != nil {
			return err
		}
		p.leave(n)
	}
	p.root, err = p.derived(p.root.Without(paths...))
	return err
}

func (p *pipeline) unsetPaths(e bsonraw.Element) (paths []string, err error) {
	if path, isString := e.RawValue().StringValueOK(); isString {
		return []string{path}, nil
	}
	if e.Type != bson.TypeArray {
		return nil, p.refuse(ruleMalformed, "$unset")
	}
	it := bsonraw.Iterate(e.Value)
	for it.Next() {
		path, isString := it.Element.RawValue().StringValueOK()
		if !isString {
			return nil, p.refuse(ruleMalformed, "$unset")
		}
		paths = append(paths, path)
	}
	return paths, it.Err
}

// replaceRoot writes {newRoot: expression}.
func (p *pipeline) replaceRoot(dst []byte, e bsonraw.Element) ([]byte, error) {
	given := false
	dst, err := p.fields(dst, e, func(dst []byte, f bsonraw.Element) ([]byte, error) {
		if string(f.Key) != "newRoot" {
			return nil, p.refuse(ruleStageField, string(f.Key))
		}
		given = true
		return p.replaceWith(dst, f, e.Key)
	})
	if err == nil && !given {
		err = p.refuse(ruleMalformed, "$replaceRoot")
	}
	return dst, err
}

// replaceWith writes the expression e, whose value becomes the document; stage is $replaceRoot or $replaceWith.
func (p *pipeline) replaceWith(dst []byte, e bsonraw.Element, stage []byte) (out []byte, err error) {
	dst, p.root, err = p.stageValue(dst, e.Key, e.RawValue(), string(stage))
	return dst, err
}
