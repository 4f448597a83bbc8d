package analyze

import (
	"cmp"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// validator checks a validator or partial filter: the server keeps it in clear and runs it on ciphertext, so it may not
// compare an encrypted field with anything.
func (a *analysis) validator(v bson.RawValue) error {
	if v.Type != bson.TypeEmbeddedDocument {
		return a.refuse(ruleMalformed, "validator")
	}
	a.forbid = ruleValidator
	defer func() { a.forbid = nil }()
	it := bsonraw.Iterate(v.Value)
	for it.Next() {
		var err error
		if string(it.Element.Key) == "$jsonSchema" {
			err = a.validatorSchema(it.Element.RawValue())
		} else {
			_, err = a.condition(nil, it.Element, a.root)
		}
		if err != nil {
			return err
		}
	}
	return it.Err
}

// validatorSchema checks that a validator's own schema encrypts the same fields as the schema in force, and describes no value
// of theirs.
func (a *analysis) validatorSchema(v bson.RawValue) error {
	if v.Type != bson.TypeEmbeddedDocument {
		return a.refuse(ruleMalformed, "$jsonSchema")
	}
	own, err := schema.Parse(v.Value, schema.Remote)
	if err != nil {
		return err
	}
	want, got := byPath(a.schema), byPath(own.During(a.schema.Migration()))
	same := func(x, y *schema.Encrypted) bool { return x.Path == y.Path && x.SameMetadata(y) }
	if !slices.EqualFunc(want, got, same) {
		return a.refuse(ruleValidatorSchema, "$jsonSchema")
	}
	return a.describesNoValue(v.Value, a.root)
}

func byPath(s *schema.Schema) []*schema.Encrypted {
	fields := s.Fields()
	slices.SortStableFunc(fields, func(x, y *schema.Encrypted) int { return cmp.Compare(x.Path, y.Path) })
	return fields
}

// describesNoValue refuses a subschema of the place node that gives values of encrypted fields away. Next to encrypt no other
// keyword can stand, but rules that overlap with it, or stand further out, could.
func (a *analysis) describesNoValue(doc []byte, node *schema.Node) error {
	it := bsonraw.Iterate(doc)
	for it.Next() {
		e := it.Element
		var err error
		switch string(e.Key) {
		case "properties":
			err = a.describeNoValues(e.Value, node)
		case "enum":
			if holds, malformed := mayHoldEncrypted(node, e.RawValue()); holds || malformed != nil {
				err = orError(malformed, a.refuse(ruleValidatorSchema, "enum"))
			}
		case "patternProperties", "additionalProperties", "items", "additionalItems", "allOf", "anyOf", "oneOf", "not", "dependencies":
			err = a.holdsNoConstant(e)
		}
		if err != nil {
			return err
		}
	}
	return it.Err
}

// describeNoValues is describesNoValue for each of the properties of node.
func (a *analysis) describeNoValues(properties []byte, node *schema.Node) error {
	it := bsonraw.Iterate(properties)
	for it.Next() {
		child, err := node.Child(string(it.Element.Key))
		if err != nil {
			return err
		}
		n := a.enter(it.Element.Key)
		if field := child.Encrypted(); field != nil {
			if _, encrypts, _ := find(it.Element.Value, "encrypt"); !encrypts {
				return a.refuse(ruleValidatorSchema, "$jsonSchema")
			}
		} else if child.Encrypts() {
			if err := a.describesNoValue(it.Element.Value, child); err != nil {
				return err
			}
		}
		a.leave(n)
	}
	return it.Err
}

// holdsNoConstant refuses a part of a schema that holds a keyword with a constant, whatever field it may be about.
func (a *analysis) holdsNoConstant(e bsonraw.Element) error {
	switch key := string(e.Key); key {
	case "enum", "pattern", "minimum", "maximum", "multipleOf":
		return a.refuse(ruleValidatorSchema, key)
	}
	if !e.IsContainer() {
		return nil
	}
	it := bsonraw.Iterate(e.Value)
	for it.Next() {
		if err := a.holdsNoConstant(it.Element); err != nil {
			return err
		}
	}
	return it.Err
}
