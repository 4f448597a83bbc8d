package main

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/fieldcrypt/fieldcrypt/schema/enforce"
)

const (
	setValidator = `clients without encryption can store plaintext: "fieldcrypt schema apply" gives the collection a validator`
	mayNot       = "may the user list collections, and create, insert into and drop scratch collections?"
)

// enforcement says whether the server refuses plaintext: by what it says of the collections or, with --probe, by what it does.
func (p *patient) enforcement(ctx context.Context) []diagnosis {
	if p.schemas == nil {
		return one(skipped, "name a schema map with --schema-map", "no schema map is named")
	}
	var all []diagnosis
	for _, ns := range slices.Sorted(maps.Keys(p.schemas.by)) {
		all = append(all, about(ns, p.enforced(ctx, ns))...)
	}
	return all
}

func (p *patient) enforced(ctx context.Context, ns string) []diagnosis {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if !p.schemas.by[ns].Encrypts() {
		return one(skipped, "", "its schema encrypts nothing")
	}
	c, err := enforce.Read(ctx, p.client, ns)
	switch {
	case err != nil:
		return unable("reading the collection's options", err, "may the user list collections?")
	case !c.Exists:
		return one(skipped, "", "the collection does not exist yet")
	case c.Type != "collection":
		return one(failed, "put the collection below it into the schema map", "it is a %s, which cannot have an encryption schema", printable(c.Type))
	case c.Schema() == nil:
		return one(noted, setValidator, "the server does not know which fields are encrypted")
	case !c.Strict():
		return one(noted, setValidator+", with --level strict --action error", "the validator has validationLevel %s and validationAction %s", printable(c.Level), printable(c.Action))
	case !p.flags.probe:
		return one(noted, "--probe tries it, with a scratch collection beside the collection", "not tried: the collection has a validator, which some servers keep without looking at it")
	}
	return p.probe(ctx, ns)
}

// probe tries it, as "schema probe" does.
func (p *patient) probe(ctx context.Context, ns string) []diagnosis {
	report, err := enforce.Probe(ctx, p.client, ns, enforce.ProbeOptions{Schema: p.schemas.docs[ns]})
	var left *enforce.LeftError
	switch {
	case errors.As(err, &left):
		return one(failed, "drop or delete it with another client, by a user who may", "%v", err)
	case err != nil:
		return unable("probing", err, mayNot)
	}
	var taken, undecided []string
	reason := ""
	for _, f := range report.Fields {
		switch f.Verdict {
		case enforce.NotEnforced:
			taken = append(taken, printable(f.Path))
		case enforce.Undecided:
			undecided, reason = append(undecided, printable(f.Path)), f.Reason
		}
	}
	switch {
	case len(taken) > 0:
		return one(failed, setValidator+"; if it has one with these fields, this server does not enforce it, and only what clients are configured with protects them",
			"tried: the server took plaintext in %s", shortList(taken))
	case len(undecided) > 0:
		return one(noted, `"fieldcrypt schema probe" takes a document that meets the validator's other conditions`, "tried, and undecided for %s: %s", shortList(undecided), reason)
	}
	return one(passed, "", "tried: the server refuses plaintext in %s", plural(len(report.Fields), "encrypted field"))
}
