package analyze

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// commandLet checks the variables of a whole command: {name: expression}. They are evaluated before there is a document, so that nothing in them
// is encrypted; a comparison of one with an encrypted field is refused where it stands.
func (a *analysis) commandLet(v bson.RawValue) error {
	if v.Type != bson.TypeEmbeddedDocument {
		return a.refuse(ruleMalformed, "let")
	}
	root := a.root
	a.root, a.undocumented = nil, true
	defer func() { a.root, a.undocumented = root, false }()
	it := bsonraw.Iterate(v.Value)
	for it.Next() {
		a.op = "let"
		if err := a.bindable(string(it.Element.Key)); err != nil {
			return err
		}
		if _, _, err := a.expression(nil, it.Element.Key, it.Element.RawValue()); err != nil {
			return err
		}
	}
	return it.Err
}
