package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
	"github.com/fieldcrypt/fieldcrypt/schema/enforce"
)

// schema compares the schema map with the key vault and the collections.
func (p *patient) schema(ctx context.Context) []diagnosis {
	if p.schemas == nil {
		return one(skipped, "name it with --schema-map", "no schema map is named")
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	drift, err := enforce.Drift(ctx, p.client, p.schemas.docs)
	if err != nil {
		return unable("comparing the schemas", err, "may the user list the collections?")
	}
	found := map[string][]enforce.Finding{}
	for _, f := range drift.Findings {
		found[f.Namespace] = append(found[f.Namespace], f)
	}
	var all []diagnosis
	for _, ns := range slices.Sorted(maps.Keys(p.schemas.by)) {
		d := p.missingKeys(ctx, p.schemas.by[ns])
		if d == nil {
			d = drifted(p.schemas.by[ns], found[ns])
		}
		all = append(all, about(ns, d)...)
		delete(found, ns)
	}
	for _, ns := range slices.Sorted(maps.Keys(found)) {
		all = append(all, about(ns, one(noted, "add it to the schema map, so that nobody has to believe the server",
			"%s", found[ns][0].Message))...)
	}
	return all
}

// missingKeys finds data keys that the schema names and the vault does not have; nil when there are none.
func (p *patient) missingKeys(ctx context.Context, s *schema.Schema) []diagnosis {
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
		return unable("looking for its data keys", err, "may the user read the key vault?")
	}
	for _, key := range keys {
		delete(wanted, key.ID)
	}
	for _, f := range s.Fields() {
		if _, missing := wanted[f.KeyID]; missing && f.KeyPointer == "" {
			return one(failed, "create the key and put its id into the schema, or restore it", "data key %s of field %s is not in the key vault", f.KeyID, printable(f.Path))
		}
	}
	return nil
}

// drifted says what is the matter between a schema and its collection: the worst of it.
func drifted(own *schema.Schema, found []enforce.Finding) []diagnosis {
	const show = `"fieldcrypt schema diff" shows each difference; `
	here := plural(len(own.Fields()), "encrypted field")
	var less, other []string
	for _, f := range found {
		switch f.Kind {
		case enforce.NoCollection:
			return one(noted, "it is made by the first insert, without a validator; fieldcrypt schema apply --create makes it with one", "the collection does not exist yet")
		case enforce.Unreadable:
			return one(failed, "mend the validator: clients without a schema map refuse the collection, or write plaintext", "%s", f.Message)
		case enforce.NoValidator:
			return one(passed, "", "%s; the collection has no $jsonSchema of its own to differ", here)
		case enforce.Lax: // said by enforcement
		case schema.Missing, schema.Weaker:
			less = append(less, printable(f.Path))
		default:
			other = append(other, printable(f.Path)+" ("+string(f.Kind)+")")
		}
	}
	switch {
	case len(other) > 0:
		return one(failed, show+"clients with the schema map and clients without it write differently: make both the same",
			"schema map and validator do not agree on %s", shortList(other))
	case len(less) > 0:
		return one(noted, show+`"fieldcrypt schema apply" sets the validator to the schema`, "the validator encrypts less than the schema: %s", shortList(less))
	}
	return one(passed, "", "%s, as in the collection's validator", here)
}

// shortList names a few of many.
func shortList(names []string) string {
	const most = 5
	if more := len(names) - most; more > 0 {
		return strings.Join(names[:most], ", ") + ", and " + plural(more, "other")
	}
	return strings.Join(names, ", ")
}
