package mockmongo

import (
	"regexp"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// takes says whether the collection's validator lets a document pass.
func (c *collection) takes(doc bson.Raw) bool {
	options, err := bson.Marshal(c.options)
	if err != nil {
		return false
	}
	o := bson.Raw(options)
	level, _ := o.Lookup("validationLevel").StringValueOK()
	action, _ := o.Lookup("validationAction").StringValueOK()
	schema, has := o.Lookup("validator", "$jsonSchema").DocumentOK()
	if !has || level == "off" || action == "warn" {
		return true
	}
	return fits(schema, bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc})
}

// fits evaluates the keywords bsonType, type, encrypt, required, properties, patternProperties and additionalProperties.
func fits(schema bson.Raw, v bson.RawValue) bool {
	if encrypt, has := schema.Lookup("encrypt").DocumentOK(); has {
		return encrypted(encrypt, v)
	}
	for _, name := range []string{"bsonType", "type"} {
		if want, err := schema.LookupErr(name); err == nil && !isOf(want, v.Type) {
			return false
		}
	}
	doc, isDocument := v.DocumentOK()
	if !isDocument {
		return true
	}
	if required, has := schema.Lookup("required").ArrayOK(); has {
		names, _ := required.Values()
		for _, name := range names {
			if _, err := doc.LookupErr(name.StringValue()); err != nil {
				return false
			}
		}
	}
	elements, _ := doc.Elements()
	for _, e := range elements {
		if !fieldFits(schema, e) {
			return false
		}
	}
	return true
}

func fieldFits(schema bson.Raw, e bson.RawElement) bool {
	hit := false
	if sub, has := schema.Lookup("properties", e.Key()).DocumentOK(); has {
		if hit = true; !fits(sub, e.Value()) {
			return false
		}
	}
	patterns, _ := schema.Lookup("patternProperties").DocumentOK()
	rules, _ := patterns.Elements()
	for _, rule := range rules {
		if matched, _ := regexp.MatchString(rule.Key(), e.Key()); matched {
			if hit = true; !fits(rule.Value().Document(), e.Value()) {
				return false
			}
		}
	}
	if hit {
		return true
	}
	rest := schema.Lookup("additionalProperties")
	if sub, isSchema := rest.DocumentOK(); isSchema {
		return fits(sub, e.Value())
	}
	allowed, isBool := rest.BooleanOK()
	return !isBool || allowed
}

// encrypted is how a server sees encrypt: binary data of subtype 6 that is no marking, of one of the types.
func encrypted(encrypt bson.Raw, v bson.RawValue) bool {
	subtype, data, isBinary := v.BinaryOK()
	if !isBinary || subtype != payload.Subtype || len(data) < 18 || data[0] == byte(payload.KindMarking) {
		return false
	}
	want, err := encrypt.LookupErr("bsonType")
	return err != nil || isOf(want, bson.Type(data[17]))
}

// isOf says whether a type is named by an alias or an array of them.
func isOf(want bson.RawValue, t bson.Type) bool {
	if alias, one := want.StringValueOK(); one {
		return alias == payload.TypeAlias(t)
	}
	list, _ := want.ArrayOK()
	values, _ := list.Values()
	for _, v := range values {
		if alias, _ := v.StringValueOK(); alias == payload.TypeAlias(t) {
			return true
		}
	}
	return false
}
