package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// sampleSize is how many documents of a collection are looked at.
const sampleSize = 1000

// readMany reads a file of documents.
func readMany(what, file string) (all []bson.Raw, err error) {
	in, err := os.Open(file)
	if err != nil {
		return nil, ioFailure("reading "+file, err)
	}
	defer in.Close()
	for docs := newDocuments(what, in); ; {
		doc, err := docs.next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, doc)
	}
}

// readQueries notes which fields the commands in the file of --queries compare.
func (f *lintFlags) readQueries(all []namedSchema, sound map[int]*schema.Schema, usages []schema.Usage) error {
	schemas := map[string]*schema.Schema{}
	owner := map[*schema.Encrypted]int{}
	for i, s := range sound {
		schemas[all[i].namespace] = s
		usages[i].Queried = map[string]bool{}
		for _, field := range s.Fields() {
			owner[field] = i
		}
	}
	commands, err := readMany("command", f.queries)
	if err != nil {
		return err
	}
	a := &analysis{db: f.db, schemas: lintedSchemas(schemas)}
	for n, cmd := range commands {
		for _, question := range questions(cmd) {
			// A command that is refused compares nothing, or what it should not.
			_, bad := a.command(question, &asked{owner: owner, usages: usages})
			if bad != nil {
				return badInput(fmt.Sprintf("reading command %d of %s", n+1, f.queries), bad.hint, "%s", bad.wrong)
			}
		}
	}
	return nil
}

// lintedSchemas are the schemas of one file: of every collection when it has no name.
func lintedSchemas(by map[string]*schema.Schema) *schemas {
	if one, anonymous := by[""]; anonymous {
		return &schemas{one: one}
	}
	return &schemas{by: by}
}

// asked is a sealer that notes what is compared.
type asked struct {
	analyze.Markings
	owner  map[*schema.Encrypted]int
	usages []schema.Usage
}

var _ analyze.Sealer = (*asked)(nil)

func (a *asked) Seal(dst []byte, field *schema.Encrypted, value bson.RawValue) ([]byte, error) {
	if i, known := a.owner[field]; known {
		a.usages[i].Queried[field.Path] = true
	}
	return a.Markings.Seal(dst, field, value)
}

// questions are the parts of a command that compare: itself, or the filters of one that writes too.
func questions(cmd bson.Raw) (all []bson.Raw) {
	first, err := cmd.IndexErr(0)
	if err != nil {
		return []bson.Raw{cmd} // which is none: said by who analyses it
	}
	find := func(filter bson.RawValue) {
		question := bson.D{{Key: "find", Value: first.Value()}, {Key: "filter", Value: filter}}
		if db, err := cmd.LookupErr("$db"); err == nil {
			question = append(question, bson.E{Key: "$db", Value: db})
		}
		if raw, err := bson.Marshal(question); err == nil && filter.Type == bson.TypeEmbeddedDocument {
			all = append(all, raw)
		}
	}
	switch first.Key() {
	case "insert":
	case "update":
		list, _ := cmd.Lookup("updates").ArrayOK()
		updates, _ := list.Values()
		for _, u := range updates {
			if doc, ok := u.DocumentOK(); ok {
				find(doc.Lookup("q"))
			}
		}
	case "findAndModify", "findandmodify":
		find(cmd.Lookup("query"))
	default:
		return []bson.Raw{cmd}
	}
	return all
}

// look asks the server for the indexes of a collection and counts different ciphertexts in a sample of it.
func (s *schemaSession) look(ctx context.Context, namespace string, compiled *schema.Schema, u *schema.Usage) error {
	db, name, _ := strings.Cut(namespace, ".")
	coll := s.client.Database(db).Collection(name)
	cursor, err := coll.Indexes().List(ctx)
	if err != nil {
		return err
	}
	if err := cursor.All(ctx, &u.Indexes); err != nil {
		return err
	}
	if len(u.Indexes) == 0 { // the driver makes no error of it
		s.note("%s does not exist: no advice by its documents", namespace)
		return nil
	}
	u.Samples, err = sample(ctx, coll, compiled)
	return err
}

func sample(ctx context.Context, coll *mongo.Collection, compiled *schema.Schema) (map[string]schema.Distinct, error) {
	cursor, err := coll.Find(ctx, bson.D{}, options.Find().SetLimit(sampleSize))
	if err != nil {
		return nil, err
	}
	defer func() { _ = cursor.Close(context.WithoutCancel(ctx)) }()
	seen := map[string]map[string]bool{}
	counts := map[string]schema.Distinct{}
	for cursor.Next(ctx) {
		for _, f := range compiled.Fields() {
			names, known := compiled.Names(f)
			if !known || f.Algorithm != payload.Deterministic {
				continue
			}
			subtype, data, isBinary := cursor.Current.Lookup(names...).BinaryOK()
			if !isBinary || subtype != payload.Subtype {
				continue
			}
			if seen[f.Path] == nil {
				seen[f.Path] = map[string]bool{}
			}
			seen[f.Path][string(data)] = true
			counts[f.Path] = schema.Distinct{Values: len(seen[f.Path]), Of: counts[f.Path].Of + 1}
		}
	}
	return counts, cursor.Err()
}
