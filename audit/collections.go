package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

// target is a collection to audit.
type target struct {
	db, name string
	schema   *schema.Schema
	result   *Collection
}

// targets lists the collections, with their schemas.
func targets(ctx context.Context, client *mongo.Client, opts Options) ([]target, error) {
	wanted := map[string]map[string]bool{} // collections by database; none is all
	for _, ns := range opts.Namespaces {
		db, coll, one := strings.Cut(ns, ".")
		if db == "" || one && coll == "" {
			return nil, errors.New("expected the name of a database, or DB.COLL")
		}
		all, known := wanted[db]
		switch {
		case !one:
			wanted[db] = nil
		case !known:
			wanted[db] = map[string]bool{coll: true}
		case all != nil:
			all[coll] = true
		}
	}
	if len(wanted) == 0 {
		names, err := client.ListDatabaseNames(ctx, bson.D{})
		if err != nil {
			return nil, fmt.Errorf("listing databases: %w", err)
		}
		for _, name := range names {
			if name != "admin" && name != "config" && name != "local" {
				wanted[name] = nil
			}
		}
		for ns := range opts.Schemas { // also those that do not exist
			db, _, _ := strings.Cut(ns, ".")
			wanted[db] = nil
		}
	}
	var all []target
	for db, collections := range wanted {
		found, err := inDatabase(ctx, client.Database(db), collections, opts)
		if err != nil {
			return nil, fmt.Errorf("listing the collections of %s: %w", db, err)
		}
		all = append(all, found...)
	}
	for _, ns := range opts.Namespaces { // "no problem found" where nothing was looked at would be taken for an answer
		if !slices.ContainsFunc(all, func(t target) bool { return !t.result.Missing && (t.db == ns || t.result.Namespace == ns) }) {
			return nil, fmt.Errorf("%s: there is nothing to audit: it does not exist, or is a view, the key vault or the server's own", ns)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("there is nothing to audit: no collection that the user may list")
	}
	slices.SortFunc(all, func(a, b target) int { return cmp.Compare(a.result.Namespace, b.result.Namespace) })
	return all, nil
}

// inDatabase lists the collections of one database; nil wants all. Those of the schema map that do not exist are there as missing.
func inDatabase(ctx context.Context, db *mongo.Database, wanted map[string]bool, opts Options) ([]target, error) {
	cursor, err := db.ListCollections(ctx, bson.D{})
	if err != nil {
		return nil, err
	}
	var infos []bson.Raw
	if err := cursor.All(ctx, &infos); err != nil {
		return nil, err
	}
	var found []target
	seen := map[string]bool{}
	for _, info := range infos {
		name, _ := info.Lookup("name").StringValueOK()
		kind, _ := info.Lookup("type").StringValueOK()
		ns := db.Name() + "." + name
		seen[ns] = true
		if name == "" || kind == "view" || strings.HasPrefix(name, "system.") || ns == opts.KeyVaultNamespace || wanted != nil && !wanted[name] {
			continue
		}
		found = append(found, newTarget(db.Name(), name, info, opts))
	}
	missing := map[string]bool{}
	for ns := range opts.Schemas {
		if in, name, _ := strings.Cut(ns, "."); in == db.Name() && (wanted == nil || wanted[name]) {
			missing[ns] = true
		}
	}
	for ns := range missing {
		if !seen[ns] {
			found = append(found, target{result: &Collection{Namespace: ns, Source: FromNowhere, Missing: true, Complete: true}})
		}
	}
	return found, nil
}

// errBuried is about a schema that a server enforces and clients do not find.
var errBuried = errors.New("it is below another operator, such as $and, where clients do not look for it")

// newTarget finds the schema of a collection: in the map, else in what listCollections says of it.
func newTarget(db, name string, info bson.Raw, opts Options) target {
	t := target{db: db, name: name, result: &Collection{Namespace: db + "." + name, Source: FromNowhere}}
	options, _ := info.Lookup("options").DocumentOK()
	_, err := options.LookupErr("encryptedFields")
	t.result.Queryable = err == nil
	if found, ok := opts.Schemas[t.result.Namespace]; ok {
		t.schema, t.result.Source = found, FromMap
		return t
	}
	validator, ok := options.Lookup("validator").DocumentOK()
	if !ok {
		return t
	}
	if buried, err := schema.Buried(validator); buried || err != nil {
		t.result.Schema = cmp.Or(err, errBuried)
		return t
	}
	raw, ok := validator.Lookup("$jsonSchema").DocumentOK()
	if !ok {
		return t
	}
	found, err := schema.Parse(raw, schema.Remote)
	if err != nil {
		t.result.Schema = err
		return t
	}
	if found.Encrypts() {
		t.schema, t.result.Source = found, FromValidator
	}
	return t
}
