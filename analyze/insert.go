package analyze

import (
	"bytes"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// document is what the walk of a stored document knows about it.
type document struct {
	whole    bson.Raw // for keys that are named in the document; nil where that is not allowed (updates)
	inserted bool     // the server will complete it: zero timestamps are filled in at the top level
}

// documents writes the documents array of insert.
func (a *analysis) documents(dst []byte, e bsonraw.Element) ([]byte, error) {
	if e.Type != bson.TypeArray {
		return nil, a.refuse(ruleMalformed, string(e.Key))
	}
	dst, start := bsonraw.BeginArray(dst, e.Key)
	it := bsonraw.Iterate(e.Value)
	for it.Next() {
		var err error
		if dst, err = a.document(dst, it.Element); err != nil {
			return nil, err
		}
	}
	return bsonraw.End(dst, start), it.Err
}

// document writes one document to insert.
func (a *analysis) document(dst []byte, e bsonraw.Element) ([]byte, error) {
	if e.Type != bson.TypeEmbeddedDocument {
		return nil, a.refuse(ruleMalformed, "document")
	}
	if err := a.needsID(e.Value); err != nil {
		return nil, err
	}
	a.op = ""
	return a.fields(bsonraw.AppendKey(dst, e.Type, e.Key), e.Value, a.root, document{whole: e.Value, inserted: true})
}

// needsID refuses a document without _id when the schema encrypts _id: the server would generate one in clear.
func (a *analysis) needsID(doc []byte) error {
	id, err := a.root.Child("_id")
	if err != nil || id.Encrypted() == nil {
		return err
	}
	_, found, err := find(doc, "_id")
	if err == nil && !found {
		err = refused(ruleMissingID, "_id", "")
	}
	return err
}

// fields writes a stored document whose place in the schema is node, its encrypted fields sealed.
func (a *analysis) fields(dst, doc []byte, node *schema.Node, in document) ([]byte, error) {
	if err := a.nest(); err != nil {
		return nil, err
	}
	defer func() { a.depth-- }()
	dst, start := bsonraw.Begin(dst)
	it := bsonraw.Iterate(doc)
	for it.Next() {
		var err error
		if dst, err = a.field(dst, it.Element, node, in); err != nil {
			return nil, err
		}
	}
	return bsonraw.End(dst, start), it.Err
}

// field writes one element of a stored document. Its name is literal: a dot in it does not lead to an inner field.
func (a *analysis) field(dst []byte, e bsonraw.Element, node *schema.Node, in document) ([]byte, error) {
	child, err := node.ChildBytes(e.Key)
	if err != nil {
		return nil, err
	}
	n := a.enter(e.Key)
	if child.Encrypted() == nil && bytes.IndexByte(e.Key, '.') >= 0 {
		m, err := node.LookupBytes(e.Key)
		if err != nil {
			return nil, err
		}
		if m.Class != schema.Plain {
			return nil, a.refuse(ruleDottedName, "")
		}
	}
	dst, err = a.stored(dst, e, child, in)
	a.leave(n)
	return dst, err
}

// stored writes an element that will be stored at the place child.
func (a *analysis) stored(dst []byte, e bsonraw.Element, child *schema.Node, in document) ([]byte, error) {
	v := e.RawValue()
	if field := child.Encrypted(); field != nil {
		field, err := a.withKey(field, in)
		if err != nil {
			return nil, err
		}
		if in.inserted && v.Type == bson.TypeTimestamp && v.Equal(zeroTimestamp) {
			return nil, a.refuse(ruleTimestamp, "")
		}
		if field.Migration == schema.ReadBothWritePlain { // asked for by name; it must fit as if it were encrypted already
			return append(dst, e.Raw...), a.sealable(field, v)
		}
		return a.seal(bsonraw.AppendKey(dst, bson.TypeBinary, e.Key), field, v)
	}
	if !child.Encrypts() {
		return append(dst, e.Raw...), nil
	}
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		in.inserted = false // only top-level timestamps are filled in
		return a.fields(bsonraw.AppendKey(dst, e.Type, e.Key), v.Value, child, in)
	case bson.TypeArray:
		if holds, err := mayHoldEncrypted(child, v); holds || err != nil {
			return nil, orError(err, a.refuse(ruleArrayAtPrefix, ""))
		}
	}
	return append(dst, e.Raw...), nil
}

var zeroTimestamp = bson.RawValue{Type: bson.TypeTimestamp, Value: make([]byte, 8)}

// withKey gives the field with its key alt name when the document names it (a JSON pointer as keyId).
func (a *analysis) withKey(field *schema.Encrypted, in document) (*schema.Encrypted, error) {
	if field.KeyPointer == "" {
		return field, nil
	}
	if in.whole == nil {
		return nil, a.refuse(rulePointerUpdate, "")
	}
	name, err := a.keyName(field.KeyPointer, in.whole)
	if err != nil {
		return nil, err
	}
	named := *field
	named.KeyAltName = name
	return &named, nil
}

// keyNames are the key alt names that pointers lead to in one document: a document may have many fields with one pointer.
type keyNames struct {
	document  *byte // its first
	byPointer map[string]string
}

// keyName is the string that a JSON pointer leads to in a document.
func (a *analysis) keyName(pointer string, whole bson.Raw) (string, error) {
	if a.keys.document != &whole[0] {
		a.keys = keyNames{&whole[0], map[string]string{}}
	}
	if name, known := a.keys.byPointer[pointer]; known {
		return name, nil
	}
	hidden, err := a.pointsToEncrypted(pointer)
	if err != nil {
		return "", err
	}
	v, err := schema.ResolvePointer(whole, pointer)
	if hidden || err != nil || v.Type != bson.TypeString || v.StringValue() == "" {
		return "", a.refuse(rulePointerTarget, pointer)
	}
	a.keys.byPointer[pointer] = v.StringValue()
	return v.StringValue(), nil
}

// pointsToEncrypted says whether a JSON pointer leads to, or through, an encrypted field of the collection.
func (a *analysis) pointsToEncrypted(pointer string) (bool, error) {
	node := a.root
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		child, err := node.Child(unescape.Replace(token))
		if err != nil || child.Encrypted() != nil {
			return true, err
		}
		node = child
	}
	return false, nil
}
