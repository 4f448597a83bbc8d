package enforce

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// Options configures [MakePlan]. The zero value has the keyword encrypt enforced and leaves level and action as they are.
type Options struct {
	// Approximate asks for binary data where a field is encrypted, on servers that do not know encrypt: see [schema.ValidatorOptions].
	Approximate bool
	// Level is the validationLevel to set. Default "": that of the collection, "strict" for a new one.
	Level string
	// Action is the validationAction to set. Default "": that of the collection, "error" for a new one.
	Action string
	// Create makes the collection if it does not exist. Default false: that is an error.
	Create bool
}

// Errors of MakePlan and Apply that a program may want to tell apart.
var (
	ErrNoCollection = errors.New("the collection does not exist")
	ErrChanged      = errors.New("the collection's validator was changed by somebody else in the meantime")
	ErrNotKept      = errors.New("the server says that it took the validator, but does not show it")
	ErrNoEncrypt    = errors.New("the server does not know the keyword encrypt in validators")
	ErrNoValidators = errors.New("the server has no validators")
)

// Plan is a change of a collection's validator.
type Plan struct {
	Before Collection
	After  Collection // After.Exists is true: Apply creates what does not exist
}

// Merge is [schema.Validator] that also refuses conditions which no ciphertext can meet: comparisons with encrypted fields and constants for them. The error is
// an [*analyze.RefusedError] then.
func Merge(namespace string, doc bson.Raw, opts schema.ValidatorOptions) (bson.Raw, error) {
	exact := opts
	exact.Approximate = false
	validator, err := schema.Validator(doc, exact)
	if err != nil {
		return nil, err
	}
	if err := fits(namespace, doc, validator); err != nil {
		return nil, fmt.Errorf("merging with the existing validator: %w", err)
	}
	if !opts.Approximate {
		return validator, nil
	}
	return schema.Validator(doc, opts)
}

// fits asks whether a client with this schema would let the validator pass.
func fits(namespace string, doc, validator bson.Raw) error {
	db, name, err := split(namespace)
	if err != nil {
		return err
	}
	cmd, err := bson.Marshal(bson.D{{Key: "collMod", Value: name}, {Key: "validator", Value: validator}, {Key: "$db", Value: db}})
	if err != nil {
		return err
	}
	target, err := analyze.Classify(db, cmd)
	if err != nil {
		return err
	}
	s, err := schema.Parse(doc, schema.Remote)
	if err != nil {
		return err
	}
	_, err = analyze.Command(nil, target, cmd, map[string]*schema.Schema{namespace: s}, analyze.Markings{}, analyze.Options{})
	return err
}

// MakePlan reads what a collection has and says what it should have, so that the server enforces the schema doc. It changes nothing.
func MakePlan(ctx context.Context, client *mongo.Client, namespace string, doc bson.Raw, opts Options) (*Plan, error) {
	before, err := Read(ctx, client, namespace)
	if err != nil {
		return nil, err
	}
	switch {
	case !before.Exists && !opts.Create:
		return nil, fmt.Errorf("%s: %w", namespace, ErrNoCollection)
	case before.Exists && before.Type != "collection":
		return nil, fmt.Errorf("%s is a %s: only collections can have an encryption schema", namespace, before.Type)
	}
	want, err := schema.Parse(doc, schema.Remote)
	switch {
	case err != nil:
		return nil, fmt.Errorf("schema of %s: %w", namespace, err)
	case !want.Encrypts() && before.Exists && before.Schema() == nil: // nothing to enforce, and nothing enforced
		return &Plan{Before: *before, After: *before}, nil
	}
	validator, err := Merge(namespace, doc, schema.ValidatorOptions{Existing: before.Validator, Approximate: opts.Approximate})
	if err != nil {
		return nil, fmt.Errorf("making a validator for %s: %w", namespace, err)
	}
	p := &Plan{Before: *before, After: *before}
	p.After.Exists, p.After.Type, p.After.Validator = true, "collection", validator
	if opts.Level != "" {
		p.After.Level = opts.Level
	}
	if opts.Action != "" {
		p.After.Action = opts.Action
	}
	return p, nil
}

// Changes says whether there is anything to do.
func (p *Plan) Changes() bool { return !same(&p.Before, &p.After) }

func same(a, b *Collection) bool {
	return a.Exists == b.Exists && bytes.Equal(a.Validator, b.Validator) && a.Level == b.Level && a.Action == b.Action
}

// Apply carries the plan out by create or collMod, unless the collection has changed since the plan was made, and reads afterwards that the server kept it.
// Documents that are stored already are not looked at.
//
// collMod sets a validator whatever is there: between the last look and collMod, a few milliseconds, somebody else's change is overwritten unnoticed. Where
// several people or programs set validators, let them take turns.
func (p *Plan) Apply(ctx context.Context, client *mongo.Client) error {
	if !p.Changes() {
		return nil
	}
	now, err := Read(ctx, client, p.Before.Namespace)
	if err != nil {
		return err
	}
	if !same(now, &p.Before) {
		return fmt.Errorf("%s: %w", p.Before.Namespace, ErrChanged)
	}
	db, name, err := split(p.Before.Namespace)
	if err != nil {
		return err
	}
	verb := "collMod"
	if !p.Before.Exists {
		verb = "create"
	}
	cmd := bson.D{{Key: verb, Value: name}, {Key: "validator", Value: p.After.Validator}, {Key: "validationLevel", Value: p.After.Level}, {Key: "validationAction", Value: p.After.Action}}
	if err := client.Database(db).RunCommand(ctx, cmd).Err(); err != nil {
		return fmt.Errorf("setting the validator of %s: %w", p.Before.Namespace, asUnknown(err))
	}
	now, err = Read(ctx, client, p.Before.Namespace)
	if err != nil {
		return fmt.Errorf("the validator of %s was set, but looking at it failed: %w", p.Before.Namespace, err)
	}
	if !kept(now, &p.After) {
		return fmt.Errorf("%s: %w", p.Before.Namespace, ErrNotKept)
	}
	return nil
}

// kept says whether a server shows what it was told; some write it in another order.
func kept(now, want *Collection) bool {
	if same(now, want) {
		return true
	}
	if now.Schema() == nil || now.Level != want.Level || now.Action != want.Action {
		return false
	}
	differences, err := schema.Compare(want.Schema(), now.Schema())
	return err == nil && len(differences) == 0
}

// asUnknown says what a server does not know that refuses a validator.
func asUnknown(err error) error {
	const failedToParse, badValue, notImplemented, commandNotFound = 9, 2, 238, 59
	var server mongo.ServerError
	if !errors.As(err, &server) {
		return err
	}
	missing := server.HasErrorCode(notImplemented) || server.HasErrorCode(commandNotFound)
	switch {
	case server.HasErrorMessage("encrypt") && (missing || server.HasErrorCode(failedToParse) || server.HasErrorCode(badValue)):
		return fmt.Errorf("%w: %w", ErrNoEncrypt, err)
	case missing:
		return fmt.Errorf("%w: %w", ErrNoValidators, err)
	}
	return err
}
