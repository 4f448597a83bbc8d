package schema

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

const (
	maxSize  = 16 << 20 // bytes of a schema; no server stores a larger document
	maxDepth = 200      // BSON levels of a schema, and tokens of a JSON pointer
)

// Origin says where a schema came from; it decides which keywords are allowed.
type Origin int

const (
	// Local is a schema the application gives (schemaMap). It may hold only what leads to encrypted fields, and title and
	// description: a validation keyword there would look as if it were enforced.
	Local Origin = iota
	// Remote is the $jsonSchema of a collection's validator. It may hold every $jsonSchema keyword.
	Remote
)

// Schema is a compiled encryption schema; immutable, safe for concurrent use. A nil Schema encrypts nothing.
type Schema struct {
	root      *Node
	fields    []*Encrypted
	weight    int       // bytes of the document, and what its patterns take
	migration Migration // of all its fields
}

// Parse compiles the $jsonSchema document doc (not the validator around it). The empty document is a schema that encrypts
// nothing. It keeps no reference to doc. The error is always an [*Error].
//
// A schema is at most 16 MiB long and 200 BSON levels deep; a path to an encrypted field at most 1024 bytes long.
func Parse(doc bson.Raw, origin Origin) (*Schema, error) {
	root := &place{}
	if len(doc) > maxSize {
		return nil, root.refuse("", "keep the schema below 16 MiB",
			"the schema has %d bytes, at most %d are read", len(doc), maxSize)
	}
	if err := bsonraw.Validate(doc); err != nil {
		return nil, root.refuse("", "give one whole BSON document", "the schema cannot be read: %v", err)
	}
	p := &parser{origin: origin}
	node, err := p.subschema(doc, root)
	if err != nil {
		return nil, err
	}
	if err := p.checkPointers(node); err != nil {
		return nil, err
	}
	return &Schema{root: node, fields: p.fields, weight: len(doc) + p.patternSteps*stepSize}, nil
}

// Encrypts says whether the schema encrypts any field.
func (s *Schema) Encrypts() bool { return s.Root() != nil }

// Root is the place of the whole document; nil when the schema encrypts nothing.
func (s *Schema) Root() *Node {
	if s == nil {
		return nil
	}
	return s.root
}

// Fields lists every encrypted field in the order of the schema document. The slice is the caller's, its elements are shared: do not
// change them.
func (s *Schema) Fields() []*Encrypted {
	if s == nil {
		return nil
	}
	return slices.Clone(s.fields)
}

// Lookup resolves a dotted path from the document's root; see [Node.Lookup].
func (s *Schema) Lookup(path string) (Match, error) { return s.Root().Lookup(path) }
