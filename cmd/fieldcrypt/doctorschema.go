package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// schema compares the schema map with the key vault and the collections.
func (p *patient) schema(ctx context.Context) []diagnosis {
	if p.schemas == nil {
		return one(skipped, "name it with --schema-map", "no schema map is named")
	}
	var all []diagnosis
	for _, ns := range slices.Sorted(maps.Keys(p.schemas.by)) {
		found := p.missingKeys(ctx, p.schemas.by[ns])
		if found == nil {
			found = p.drift(ctx, ns)
		}
		found[0].about = ns
		all = append(all, found...)
	}
	return all
}

// missingKeys finds data keys that the schema names and the vault does not have; nil when there are none.
func (p *patient) missingKeys(ctx context.Context, s *schema.Schema) []diagnosis {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	wanted := map[payload.KeyID]string{}
	for _, f := range s.Fields() {
		if f.KeyPointer == "" {
			wanted[f.KeyID] = f.Path
		}
	}
	if p.vault == nil || len(wanted) == 0 {
		return nil
	}
	keys, err := p.vault.Fetch(ctx, slices.Collect(maps.Keys(wanted)), nil)
	if unreadable := (*keyvault.UnreadableError)(nil); err != nil && !errors.As(err, &unreadable) {
		return unable("looking for its data keys", err, "")
	}
	for _, key := range keys {
		delete(wanted, key.ID)
	}
	for id, path := range wanted {
		return one(failed, "create the key and put its id into the schema, or restore it", "data key %s of field %s is not in the key vault", id, printable(path))
	}
	return nil
}

// collectionOptions is what listCollections says; exists is false when there is no such collection.
func (p *patient) collectionOptions(ctx context.Context, ns string) (options bson.Raw, exists bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	db, coll, _ := strings.Cut(ns, ".")
	cursor, err := p.client.Database(db).ListCollections(ctx, bson.D{{Key: "name", Value: coll}})
	if err != nil {
		return nil, false, err
	}
	var infos []bson.Raw
	if err := cursor.All(ctx, &infos); err != nil || len(infos) == 0 {
		return nil, false, err
	}
	options, _ = infos[0].Lookup("options").DocumentOK()
	return options, true, nil
}

// drift compares a schema with the collection's validator.
func (p *patient) drift(ctx context.Context, ns string) []diagnosis {
	options, exists, err := p.collectionOptions(ctx, ns)
	if err != nil {
		return unable("reading the collection's options", err, "may the user list collections?")
	}
	if !exists {
		return one(noted, "", "the collection does not exist yet")
	}
	return compare(p.schemas.by[ns], options)
}

// compare compares a schema with the validator in a collection's options.
func compare(own *schema.Schema, options bson.Raw) []diagnosis {
	raw, ok := options.Lookup("validator", "$jsonSchema").DocumentOK()
	if !ok {
		return one(passed, "", "%s; the collection has no $jsonSchema validator of its own to differ", fieldCount(own))
	}
	remote, err := schema.Parse(raw, schema.Remote)
	if err != nil {
		return one(failed, "mend the validator: clients without a schema map refuse the collection", "the validator's schema is unusable: %v", err)
	}
	switch here, there := own.Root(), remote.Root(); {
	case schema.Alike(here, there):
		return one(passed, "", "%s, as in the collection's validator", fieldCount(own))
	case here.Covers(there):
		return one(noted, "set the validator to the schema", "the collection's validator encrypts less than the schema")
	}
	return one(failed, "make schema map and validator the same: clients with the one and the other write differently", "the collection's validator and the schema differ")
}

func fieldCount(s *schema.Schema) string { return plural(len(s.Fields()), "encrypted field") }

// enforcement says whether the server refuses plaintext, by what it says of the collections; nothing is written.
func (p *patient) enforcement(ctx context.Context) []diagnosis {
	if p.schemas == nil {
		return one(skipped, "name a schema map with --schema-map", "no schema map is named")
	}
	var all []diagnosis
	for _, ns := range slices.Sorted(maps.Keys(p.schemas.by)) {
		options, exists, err := p.collectionOptions(ctx, ns)
		var d []diagnosis
		switch {
		case err != nil:
			d = unable("reading the collection's options", err, "")
		case !exists:
			d = one(skipped, "", "the collection does not exist yet")
		default:
			d = enforced(options)
		}
		d[0].about = ns
		all = append(all, d...)
	}
	return all
}

func enforced(options bson.Raw) []diagnosis {
	const advice = "a client without encryption can store plaintext: give the collection a validator with the schema, with level strict and action error"
	raw, _ := options.Lookup("validator", "$jsonSchema").DocumentOK()
	remote, err := schema.Parse(raw, schema.Remote)
	if raw == nil || err != nil || !remote.Encrypts() {
		return one(noted, advice, "the server does not know which fields are encrypted")
	}
	for option, wanted := range map[string]string{"validationLevel": "strict", "validationAction": "error"} {
		if is, set := options.Lookup(option).StringValueOK(); set && is != wanted {
			return one(noted, advice, "%s", fmt.Sprintf("the validator has %s %s", option, printable(is)))
		}
	}
	return one(passed, "", "the validator refuses plaintext, if this server knows the keyword encrypt")
}
