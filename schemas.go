package fieldcrypt

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/internal/flight"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// schemaSet holds schemas by namespace, as analysis takes them; nil for a collection without one. It is never changed once made.
type schemaSet map[string]*schema.Schema

// schemaSource finds the schemas of a command in the order of MongoDB's drivers: the schema map, the command's own validator
// (create, collMod), the cache, the collection's validator on the server.
type schemaSource struct {
	local       map[string]schemaSet // one namespace each
	collections Collections
	lookupCtx   func(context.Context) context.Context
	cache       *schemaCache
	compiled    schema.Cache    // of remote schemas: most are the same when they are looked up again
	closing     context.Context // done when look-ups must end
	close       context.CancelFunc
	mu          sync.Mutex // guards fetches
	fetches     flight.Group[string, schemaSet]
}

func newSchemaSource(local map[string]schemaSet, collections Collections, lookupCtx func(context.Context) context.Context) *schemaSource {
	s := &schemaSource{local: local, collections: collections, lookupCtx: lookupCtx, cache: newSchemaCache(), fetches: flight.Group[string, schemaSet]{}}
	s.closing, s.close = context.WithCancel(context.Background())
	return s
}

// localSchemas parses a schema map.
func localSchemas(schemaMap map[string]any) (map[string]schemaSet, error) {
	sets := make(map[string]schemaSet, len(schemaMap))
	for ns, doc := range schemaMap {
		if _, _, err := splitNamespace(ns); err != nil {
			return nil, fmt.Errorf("schema map: %w", err)
		}
		raw, err := marshalDocument(doc)
		if err != nil {
			return nil, fmt.Errorf("schema map: schema of %s: %w", ns, err)
		}
		s, err := schema.Parse(raw, schema.Local)
		if err != nil {
			return nil, fmt.Errorf("schema map: schema of %s: %w", ns, err)
		}
		sets[ns] = schemaSet{ns: s}
	}
	return sets, nil
}

// lookup gives the schemas of all namespaces of an analysed command.
func (s *schemaSource) lookup(ctx context.Context, target analyze.Target, cmd bson.Raw) (schemaSet, error) {
	if target.Command != "create" && target.Command != "collMod" {
		return s.existing(ctx, target.Namespaces)
	}
	own, err := s.definition(ctx, target, cmd)
	if err != nil || len(target.Namespaces) == 1 {
		return own, err
	}
	all, err := s.existing(ctx, target.Namespaces[1:]) // what a view reads
	if err != nil {
		return nil, err
	}
	all = maps.Clone(all) // it may be one that others see
	maps.Copy(all, own)
	return all, nil
}

// existing gives the schemas of collections as they are.
func (s *schemaSource) existing(ctx context.Context, namespaces []string) (schemaSet, error) {
	if len(namespaces) == 1 {
		ns := namespaces[0]
		if set, ok := s.known(ns); ok {
			return set, nil
		}
		return s.remote(ctx, []string{ns})
	}
	all := make(schemaSet, len(namespaces))
	var unknown []string
	for _, ns := range namespaces {
		if _, again := all[ns]; again {
			continue
		}
		set, ok := s.known(ns)
		if !ok {
			unknown = append(unknown, ns)
		}
		all[ns] = set[ns]
	}
	fetched, err := s.remoteByDatabase(ctx, unknown)
	if err != nil {
		return nil, err
	}
	maps.Copy(all, fetched)
	return all, nil
}

// definition gives the schema of the collection that a command defines. What was known of it is forgotten: it is about to change.
func (s *schemaSource) definition(ctx context.Context, target analyze.Target, cmd bson.Raw) (schemaSet, error) {
	ns := target.Namespaces[0]
	defer s.changes(ns)
	if set, ok := s.local[ns]; ok {
		// Before the command's own: a validator that encrypts less must not let comparisons with encrypted fields pass.
		return set, nil
	}
	own, err := validatorSchema(ns, cmd, &s.compiled)
	if err != nil {
		return nil, err
	}
	if target.Command == "create" {
		return schemaSet{ns: own}, nil
	}
	present, err := s.existing(ctx, []string{ns})
	if err != nil || own == nil || !own.Root().Covers(present[ns].Root()) {
		return present, err // a new schema that encrypts less must not let comparisons with the fields encrypted so far pass
	}
	return schemaSet{ns: own}, nil
}

// changes makes look-ups that begin from now on ask the server again, and distrust "no schema" for a while.
func (s *schemaSource) changes(ns string) {
	s.cache.changes(ns)
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, f := range s.fetches {
		s.fetches.Detach(key, f)
	}
}

// noteBypassed takes account of bypassed commands that give a collection another schema.
func (s *schemaSource) noteBypassed(db, command string, cmd bson.Raw) {
	switch command {
	case "renameCollection":
		for _, field := range []string{"renameCollection", "to"} {
			if ns, ok := cmd.Lookup(field).StringValueOK(); ok {
				s.changes(ns)
			}
		}
	case "drop":
		if coll, ok := cmd.Lookup("drop").StringValueOK(); ok {
			s.changes(db + "." + coll)
		}
	}
}

func (s *schemaSource) known(ns string) (schemaSet, bool) {
	if set, ok := s.local[ns]; ok {
		return set, true
	}
	return s.cache.get(ns)
}

func (s *schemaSource) remoteByDatabase(ctx context.Context, namespaces []string) (schemaSet, error) {
	byDatabase := make(map[string][]string)
	for _, ns := range namespaces {
		db, _, _ := strings.Cut(ns, ".")
		byDatabase[db] = append(byDatabase[db], ns)
	}
	all := make(schemaSet, len(namespaces))
	for _, group := range byDatabase {
		set, err := s.remote(ctx, group)
		if err != nil {
			return nil, err
		}
		maps.Copy(all, set)
	}
	return all, nil
}

// remote asks the server once for the schemas of namespaces, all of one database, and remembers them.
func (s *schemaSource) remote(ctx context.Context, namespaces []string) (schemaSet, error) {
	what := strings.Join(namespaces, ", ")
	if s.closing.Err() != nil {
		return nil, mongo.ErrClientDisconnected
	}
	if s.collections == nil {
		return nil, fmt.Errorf("no encryption schema for %s: not in the schema map, and there is no server to ask", what)
	}
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	defer context.AfterFunc(s.closing, leave)()
	set, err := s.fetches.Do(ctx, &s.mu, strings.Join(namespaces, "\x00"), func(ctx context.Context) (schemaSet, error) {
		if set, ok := s.remembered(namespaces); ok {
			return set, nil // another call has landed since the caller looked
		}
		return s.fetch(s.lookupCtx(ctx), namespaces)
	})
	if s.closing.Err() != nil {
		return nil, mongo.ErrClientDisconnected
	}
	if err != nil {
		return nil, fmt.Errorf("looking up the encryption schema of %s: %w", what, err)
	}
	return set, nil
}

// remembered answers from the cache, if all of namespaces are there.
func (s *schemaSource) remembered(namespaces []string) (schemaSet, bool) {
	all := make(schemaSet, len(namespaces))
	for _, ns := range namespaces {
		set, ok := s.cache.get(ns)
		if !ok {
			return nil, false
		}
		all[ns] = set[ns]
	}
	return all, true
}

func (s *schemaSource) fetch(ctx context.Context, namespaces []string) (schemaSet, error) {
	set := make(schemaSet, len(namespaces))
	names := make(bson.A, len(namespaces))
	var db string
	for i, ns := range namespaces {
		var err error
		if db, names[i], err = splitNamespace(ns); err != nil {
			return nil, err
		}
		set[ns] = nil
	}
	filter, err := bson.Marshal(nameFilter(names))
	if err != nil {
		return nil, err
	}
	infos, err := s.collections.ListCollections(ctx, db, filter)
	if err != nil {
		return nil, err
	}
	if err := set.read(db, infos, &s.compiled); err != nil {
		return nil, err
	}
	for ns, found := range set {
		s.cache.put(ns, schemaSet{ns: found})
	}
	return set, nil
}

func nameFilter(names bson.A) bson.D {
	if len(names) == 1 {
		return bson.D{{Key: "name", Value: names[0]}}
	}
	return bson.D{{Key: "name", Value: bson.D{{Key: "$in", Value: names}}}}
}

// read fills the set from an answer to listCollections. Collections that nobody asked for are passed over.
func (set schemaSet) read(db string, infos []bson.Raw, compiled *schema.Cache) error {
	seen := make(map[string]bool)
	for _, info := range infos {
		name, ok := info.Lookup("name").StringValueOK()
		if !ok {
			return errors.New("listCollections answered with a collection without a name")
		}
		ns := db + "." + name
		if _, asked := set[ns]; !asked {
			continue
		}
		if seen[ns] {
			return fmt.Errorf("listCollections answered twice for %s", ns)
		}
		seen[ns] = true
		found, err := collectionSchema(ns, info, compiled)
		if err != nil {
			return err
		}
		set[ns] = found
	}
	return nil
}

// splitNamespace cuts "db.collection" at its first dot.
func splitNamespace(ns string) (db, collection string, err error) {
	db, collection, ok := strings.Cut(ns, ".")
	if !ok || db == "" || collection == "" {
		return "", "", fmt.Errorf("namespace %q is not of the form database.collection", ns)
	}
	return db, collection, nil
}
