package analyze

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

var ruleForeignMissing = &rule{"stage-without-collection", "{operator} names no collection, so that the documents in it are not known",
	"name the other collection: from, or coll", 0}

// collection is one whose documents a pipeline reads.
type collection struct {
	namespace string
	schema    *schema.Schema
}

// foreign is the collection that a stage names in the field name of its argument.
func (p *pipeline) foreign(e bsonraw.Element, name string) (collection, error) {
	if e.Type != bson.TypeEmbeddedDocument {
		return collection{}, p.refuse(ruleMalformed, string(e.Key))
	}
	v, given, err := find(e.Value, name)
	switch {
	case err != nil:
		return collection{}, err
	case !given:
		return collection{}, p.refuse(ruleForeignMissing, string(e.Key))
	}
	return p.named(v, string(e.Key))
}

// named is the collection of that name, in the database of the command.
func (p *pipeline) named(v bson.RawValue, stage string) (collection, error) {
	switch {
	case v.Type == bson.TypeEmbeddedDocument: // {db: …, coll: …}: what a server takes it for depends on what kind of server it is
		return collection{}, p.refuse(ruleOtherCollection, stage)
	case v.Type != bson.TypeString:
		return collection{}, p.refuse(ruleMalformed, stage)
	}
	db, _, _ := strings.Cut(p.collection.namespace, ".")
	ns := db + "." + v.StringValue()
	s, given := p.schemas[ns]
	if !given {
		return collection{}, refused(ruleMissingSchema, "", ns)
	}
	return collection{ns, s}, nil
}

// in makes c the collection at hand while do runs.
func (p *pipeline) in(c collection, do func() error) error {
	collection, schema, root := p.collection, p.schema, p.root
	p.collection, p.schema, p.root = c, c.schema, c.schema.Root()
	defer func() { p.collection, p.schema, p.root = collection, schema, root }()
	return do()
}

// over writes the pipeline e over the documents of c, and gives the documents that come out.
func (p *pipeline) over(dst []byte, e bsonraw.Element, c collection) (out []byte, result *schema.Node, err error) {
	err = p.in(c, func() error {
		out, result, err = p.stages(dst, e, p.root)
		return err
	})
	return out, result, err
}
