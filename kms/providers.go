package kms

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Providers is a set of opened providers by id. It does not change; nil is the empty set.
type Providers struct {
	byID map[ID]Provider
}

// Open opens each entry of config, which has the shape of the official drivers' kmsProviders option: an id ("local", "aws:prod") to the fields of its
// provider. Each entry is opened by the one of types that it names.
//
// An empty entry asks the provider for credentials from its environment; named providers cannot have it.
func Open(config map[string]map[string]any, types ...Type) (*Providers, error) {
	if len(config) == 0 {
		return nil, errors.New("no kms provider set")
	}
	byName := make(map[string]Type, len(types))
	for _, t := range types {
		if _, twice := byName[t.Name()]; twice {
			return nil, fmt.Errorf("KMS type `%s` given twice", t.Name())
		}
		byName[t.Name()] = t
	}
	p := &Providers{byID: make(map[ID]Provider, len(config))}
	for _, key := range slices.Sorted(maps.Keys(config)) {
		id, err := ParseID(key)
		if err != nil {
			return nil, err
		}
		if p.byID[id], err = open(id, config[key], byName[id.Type]); err != nil {
			return nil, fmt.Errorf("KMS provider `%s`: %w", id, err)
		}
	}
	return p, nil
}

func open(id ID, fields map[string]any, t Type) (Provider, error) {
	if t == nil {
		return nil, fmt.Errorf("no implementation given: import github.com/fieldcrypt/fieldcrypt/kms/%s and pass its Type", id.Type)
	}
	if len(fields) == 0 && id.Name != "" {
		return nil, errors.New("empty configuration: a named provider cannot take credentials from the environment; give its fields")
	}
	config, err := marshal(fields)
	if err != nil {
		return nil, err
	}
	defer clear(config)
	return t.Open(id, config)
}

// marshal writes the fields in the order of their names. Its errors name the field: the BSON encoder's own could quote a secret.
func marshal(fields map[string]any) (bson.Raw, error) {
	doc := make(bson.D, 0, len(fields))
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		t, value, err := bson.MarshalValue(fields[name])
		if err != nil {
			return nil, fmt.Errorf("field %s: a %T cannot be written as BSON", quote(name), fields[name])
		}
		defer clear(value)
		doc = append(doc, bson.E{Key: name, Value: bson.RawValue{Type: t, Value: value}})
	}
	config, err := bson.Marshal(doc)
	if err != nil {
		return nil, errors.New("the fields cannot be written as a BSON document")
	}
	return config, nil
}

// Provider returns the provider that has this id; the error wraps ErrNotConfigured when there is none.
func (p *Providers) Provider(id string) (Provider, error) {
	parsed, err := ParseID(id)
	if err != nil {
		return nil, &notConfigured{quote(id)}
	}
	if p != nil {
		if provider, ok := p.byID[parsed]; ok {
			return provider, nil
		}
	}
	return nil, &notConfigured{"`" + id + "`"}
}

type notConfigured struct{ id string }

func (e *notConfigured) Error() string { return "KMS provider " + e.id + " is not configured" }
func (e *notConfigured) Unwrap() error { return ErrNotConfigured }
