package schema

import (
	"fmt"
	"reflect"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// ValidatorOptions configures [Validator].
type ValidatorOptions struct {
	// Existing is the collection's present validator. What it says besides encryption is kept. Default: none.
	Existing bson.Raw
	// Approximate asks for binary data where a field is encrypted, for servers that do not know the keyword encrypt. Such a server refuses plaintext of
	// other types than binData; clients can no longer read from the validator what to encrypt, so that they need the schema in their schema map.
	Approximate bool
}

// Validator is the validator that has a server refuse plaintext in the encrypted fields of the schema doc: {$jsonSchema: …} for create and collMod.
//
// An existing validator is merged: afterwards it encrypts what doc does and nothing else, and its other conditions are as they were, except those that
// spoke about the plaintext of a field that is encrypted now. It is an error when both cannot hold: when the existing $jsonSchema forbids what doc
// describes, or says the opposite in a pattern.
func Validator(doc bson.Raw, opts ValidatorOptions) (bson.Raw, error) {
	want, err := Parse(doc, Remote)
	if err != nil {
		return nil, err
	}
	own, err := decoded(doc)
	if err != nil {
		return nil, err
	}
	validator := bson.D{}
	if len(opts.Existing) > 0 {
		if validator, err = decoded(opts.Existing); err != nil {
			return nil, fmt.Errorf("reading the existing validator: %w", err)
		}
	}
	present, _ := get(validator, "$jsonSchema").(bson.D)
	bare, _ := stripped(present)
	merged, err := merge(bare, own, nil)
	if err != nil {
		return nil, err
	}
	if err := verify(want, merged); err != nil {
		return nil, err
	}
	if opts.Approximate {
		merged = approximation(merged)
	}
	return bson.Marshal(set(validator, "$jsonSchema", merged))
}

// verify sees that a merged schema encrypts what was wanted.
func verify(want *Schema, merged bson.D) error {
	raw, err := bson.Marshal(merged)
	if err != nil {
		return err
	}
	got, mistakes := Lint(raw, Remote)
	if len(mistakes) > 0 {
		return fmt.Errorf("merging with the existing validator: %w", mistakes[0])
	}
	there := got.byPath()
	for _, f := range want.fields {
		if g := there[f.Path]; g == nil || !g.SameMetadata(f) {
			return fmt.Errorf("merging with the existing validator: the field %s would be encrypted otherwise", f.Path)
		}
	}
	if open := exceptions(want.Root(), got.Root(), ""); len(open) > 0 {
		return fmt.Errorf("merging with the existing validator: it has a rule of its own for %s, which the schema encrypts as an additional property; "+
			"take the rule out of the validator first, or name the field in the schema", open[0].Path)
	}
	return nil
}

// merge puts the encryption schema own into the subschema old, which encrypts nothing.
func merge(old, own bson.D, at []string) (bson.D, error) {
	if get(own, "encrypt") != nil {
		return own, nil // nothing that was said about the plaintext can hold
	}
	out := append(bson.D{}, old...)
	for _, e := range own {
		switch e.Key {
		case "bsonType":
			out = set(unset(out, "type"), e.Key, e.Value)
		case "type":
			out = set(unset(out, "bsonType"), e.Key, e.Value)
		case "properties", "patternProperties":
			both, err := mergeNamed(get(out, e.Key), e, at)
			if err != nil {
				return nil, err
			}
			out = set(out, e.Key, both)
		case "additionalProperties":
			both, err := mergeRest(get(out, e.Key), e.Value, at)
			if err != nil {
				return nil, err
			}
			out = set(out, e.Key, both)
		default:
			both, err := mergeCondition(get(out, e.Key), e, at)
			if err != nil {
				return nil, err
			}
			out = set(out, e.Key, both)
		}
	}
	return out, nil
}

// mergeCondition merges what does not lead to fields: own conditions must not take the place of others.
func mergeCondition(old any, own bson.E, at []string) (any, error) {
	a, isList := old.(bson.A)
	b, _ := own.Value.(bson.A)
	switch {
	case old == nil || keywords[own.Key].role == annotation || reflect.DeepEqual(old, own.Value):
		return own.Value, nil
	case own.Key == "required" && isList:
		for _, name := range b {
			if !slices.Contains(a, name) {
				a = append(slices.Clone(a), name)
			}
		}
		return a, nil
	}
	return nil, standing(at).refuse(own.Key, "take it out of the validator or of the schema first, or make them the same",
		"the existing validator says otherwise here than the schema")
}

// standing is the place at the end of these steps.
func standing(at []string) *place {
	pl := &place{}
	for i, step := range at {
		pl = &place{up: pl, step: step, depth: i}
	}
	return pl
}

func mergeNamed(old any, own bson.E, at []string) (bson.D, error) {
	out, _ := old.(bson.D)
	out = append(bson.D{}, out...)
	places := index(out)
	added, _ := own.Value.(bson.D)
	for _, e := range added {
		i, there := places[e.Key]
		if !there {
			i, places[e.Key] = len(out), len(out)
			out = append(out, bson.E{Key: e.Key})
		}
		sub, _ := e.Value.(bson.D)
		present, _ := out[i].Value.(bson.D)
		both, err := merge(present, sub, append(at, own.Key, e.Key))
		if err != nil {
			return nil, err
		}
		out[i].Value = both
	}
	return out, nil
}

func mergeRest(old, own any, at []string) (any, error) {
	sub, isSchema := own.(bson.D)
	if !isSchema {
		if old == nil || own == false {
			return own, nil
		}
		return old, nil
	}
	switch old := old.(type) {
	case bson.D:
		return merge(old, sub, append(at, "additionalProperties"))
	case bool:
		if !old {
			return nil, standing(at).refuse("additionalProperties", "take 'additionalProperties: false' out of the validator first, or name the encrypted fields",
				"the existing validator allows no additional properties, the schema has a rule for them")
		}
	}
	return sub, nil
}

// decoded is a document with its inner ones as bson.D.
func decoded(doc bson.Raw) (bson.D, error) {
	if err := bsonraw.Validate(doc); err != nil { // and not too deep to be decoded
		return nil, err
	}
	d := bson.D{}
	err := bson.Unmarshal(doc, &d)
	return d, err
}

// index is where in a document each name stands.
func index(d bson.D) map[string]int {
	places := make(map[string]int, len(d))
	for i, e := range d {
		if _, twice := places[e.Key]; !twice {
			places[e.Key] = i
		}
	}
	return places
}

func get(d bson.D, name string) any {
	for _, e := range d {
		if e.Key == name {
			return e.Value
		}
	}
	return nil
}

// set is d with a field in place of the one of that name, or at the end; d stays as it is.
func set(d bson.D, name string, value any) bson.D {
	out := slices.Clone(d)
	for i := range out {
		if out[i].Key == name {
			out[i].Value = value
			return out
		}
	}
	return append(out, bson.E{Key: name, Value: value})
}

func unset(d bson.D, name string) bson.D {
	return slices.DeleteFunc(slices.Clone(d), func(e bson.E) bool { return e.Key == name })
}
