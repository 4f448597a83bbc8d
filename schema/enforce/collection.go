package enforce

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

// Collection is what a server says about how it validates a collection.
type Collection struct {
	Namespace string // "db.collection"
	Exists    bool
	Type      string   // "collection", "view", "timeseries"
	Validator bson.Raw // nil without one
	Level     string   // validationLevel: "strict", "moderate" or "off"; servers that do not say mean "strict"
	Action    string   // validationAction: "error", "warn" or "errorAndLog"; servers that do not say mean "error"
}

// Schema is the $jsonSchema of the validator; nil without one.
func (c *Collection) Schema() bson.Raw {
	if c.Validator == nil {
		return nil
	}
	doc, _ := c.Validator.Lookup("$jsonSchema").DocumentOK()
	return doc
}

// buried says whether the validator has an encryption schema where clients do not look for it.
func (c *Collection) buried() bool {
	if c.Validator == nil {
		return false
	}
	found, err := schema.Buried(c.Validator)
	return found || err != nil
}

// Strict says whether every document that does not fit the validator is refused.
func (c *Collection) Strict() bool {
	return c.Level == "strict" && (c.Action == "error" || c.Action == "errorAndLog")
}

// Read asks the server about one collection. It is no error when there is none.
func Read(ctx context.Context, client *mongo.Client, namespace string) (*Collection, error) {
	db, name, err := split(namespace)
	if err != nil {
		return nil, err
	}
	found, err := list(ctx, client, db, bson.D{{Key: "name", Value: name}})
	if err != nil {
		return nil, err
	}
	for _, c := range found {
		if c.Namespace == namespace {
			return c, nil
		}
	}
	return &Collection{Namespace: namespace, Level: "strict", Action: "error"}, nil
}

// list asks for the collections of a database.
func list(ctx context.Context, client *mongo.Client, db string, filter bson.D) (all []*Collection, err error) {
	cursor, err := client.Database(db).ListCollections(ctx, filter)
	if err != nil {
		return nil, fmt.Errorf("listing the collections of %s: %w", db, err)
	}
	defer func() { _ = cursor.Close(context.WithoutCancel(ctx)) }()
	for cursor.Next(ctx) {
		c, err := readCollection(db, cursor.Current)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	if err := cursor.Err(); err != nil {
		return nil, fmt.Errorf("listing the collections of %s: %w", db, err)
	}
	return all, nil
}

func readCollection(db string, info bson.Raw) (*Collection, error) {
	name, ok := info.Lookup("name").StringValueOK()
	if !ok {
		return nil, errors.New("listCollections answered with a collection without a name")
	}
	c := &Collection{Namespace: db + "." + name, Exists: true, Type: "collection", Level: "strict", Action: "error"}
	if kind, ok := info.Lookup("type").StringValueOK(); ok {
		c.Type = kind
	}
	options, ok := info.Lookup("options").DocumentOK()
	if !ok {
		return c, nil
	}
	if validator, ok := options.Lookup("validator").DocumentOK(); ok {
		c.Validator = append(bson.Raw{}, validator...) // the cursor's memory is used again
	}
	if level, ok := options.Lookup("validationLevel").StringValueOK(); ok {
		c.Level = level
	}
	if action, ok := options.Lookup("validationAction").StringValueOK(); ok {
		c.Action = action
	}
	return c, nil
}

func split(namespace string) (db, name string, err error) {
	db, name, ok := strings.Cut(namespace, ".")
	if !ok || db == "" || name == "" {
		return "", "", fmt.Errorf("namespace %q is not of the form database.collection", namespace)
	}
	return db, name, nil
}
