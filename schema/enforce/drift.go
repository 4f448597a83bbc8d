package enforce

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

// Kinds of a [Finding] about a whole collection; those about a field are the ones of [schema.DifferenceKind].
const (
	NoCollection schema.DifferenceKind = "no-collection" // the schema map names a collection that does not exist
	NoValidator  schema.DifferenceKind = "no-schema"     // the collection has no $jsonSchema at all
	Lax          schema.DifferenceKind = "lax"           // validationLevel or validationAction lets plaintext pass
	Unlisted     schema.DifferenceKind = "unlisted"      // the collection has an encryption schema, but is not in the schema map
	Unreadable   schema.DifferenceKind = "unreadable"    // the collection's own schema is none, or it is a view
)

// buried is what is said of a schema that clients do not find.
const buried = "its validator has an encryption schema below another operator, where drivers do not look: move $jsonSchema to the top"

// Finding is one thing in which a collection and the schema map do not agree.
type Finding struct {
	Namespace string
	schema.Difference
	Message string // for findings about a whole collection: what is the matter
}

// Report is what [Drift] found.
type Report struct {
	Collections int // looked at: those of the schema map, and the others of their databases
	Findings    []Finding
}

// Drift compares a schema map, schemas by "db.collection", with what the server has for every collection of the databases in it. It changes nothing.
func Drift(ctx context.Context, client *mongo.Client, local map[string]bson.Raw) (*Report, error) {
	byDatabase := map[string][]string{}
	for _, ns := range slices.Sorted(maps.Keys(local)) {
		db, _, err := split(ns)
		if err != nil {
			return nil, err
		}
		byDatabase[db] = append(byDatabase[db], ns)
	}
	r := &Report{}
	for _, db := range slices.Sorted(maps.Keys(byDatabase)) {
		found, err := list(ctx, client, db, bson.D{})
		if err != nil {
			return nil, err
		}
		remote := map[string]*Collection{}
		for _, c := range found {
			remote[c.Namespace] = c
		}
		for _, ns := range byDatabase[db] {
			if err := r.compare(ns, local[ns], remote[ns]); err != nil {
				return nil, err
			}
		}
		for _, ns := range slices.Sorted(maps.Keys(remote)) {
			if _, listed := local[ns]; !listed {
				r.unlisted(remote[ns])
			}
		}
	}
	return r, nil
}

func (r *Report) add(ns string, kind schema.DifferenceKind, format string, args ...any) {
	r.Findings = append(r.Findings, Finding{Namespace: ns, Difference: schema.Difference{Kind: kind}, Message: fmt.Sprintf(format, args...)})
}

// compare looks at a collection of the schema map; c is nil when the server has none.
func (r *Report) compare(ns string, local bson.Raw, c *Collection) error {
	mine, err := schema.Parse(local, schema.Remote)
	if err != nil {
		return fmt.Errorf("schema of %s: %w", ns, err)
	}
	r.Collections++
	switch {
	case c == nil:
		r.add(ns, NoCollection, "the collection does not exist")
		return nil
	case c.Type != "collection" && mine.Encrypts():
		r.add(ns, Unreadable, "it is a %s, which cannot have an encryption schema", c.Type)
		return nil
	case c.buried():
		r.add(ns, Unreadable, "%s", buried)
		return nil
	case c.Schema() == nil && !mine.Encrypts():
		return nil
	case c.Schema() == nil:
		r.add(ns, NoValidator, "the collection has no $jsonSchema: the server takes plaintext")
		return nil
	}
	if _, err := schema.Parse(c.Schema(), schema.Remote); err != nil {
		r.add(ns, Unreadable, "the collection's own schema: %v", err)
		return nil
	}
	differences, err := schema.Compare(local, c.Schema())
	if err != nil {
		return fmt.Errorf("schema of %s: %w", ns, err)
	}
	for _, d := range differences {
		r.Findings = append(r.Findings, Finding{Namespace: ns, Difference: d})
	}
	if mine.Encrypts() && !c.Strict() {
		r.add(ns, Lax, "validationLevel %q, validationAction %q: plaintext can pass", c.Level, c.Action)
	}
	return nil
}

func (r *Report) unlisted(c *Collection) {
	r.Collections++
	switch {
	case c.buried():
		r.add(c.Namespace, Unreadable, "%s", buried)
		return
	case c.Schema() == nil:
		return
	}
	s, err := schema.Parse(c.Schema(), schema.Remote)
	switch {
	case err != nil:
		r.add(c.Namespace, Unreadable, "the collection's own schema: %v", err)
	case s.Encrypts():
		r.add(c.Namespace, Unlisted, "it has an encryption schema, but is not in the schema map: clients believe what the server says")
	}
}
