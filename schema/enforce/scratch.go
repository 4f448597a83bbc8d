package enforce

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

// scratchPrefix begins the names of scratch collections.
const scratchPrefix = "fieldcrypt_probe_"

var errNotMade = errors.New("making the scratch collection")

// also joins what went wrong with what could not be removed.
func also(err, left error) error {
	switch {
	case err == nil:
		return left
	case left == nil:
		return err
	}
	return fmt.Errorf("%w; %w", err, left)
}

// inScratch probes in a collection of its own that has the same validator.
func (p *probe) inScratch(ctx context.Context) (err error) {
	p.report.Method = "scratch"
	validator, note := p.report.Collection.Validator, p.moderate()
	accepted, err := p.scratch(ctx, validator, func(send write) error { return p.each(ctx, send, note) })
	if accepted || err != nil {
		return err
	}
	validator, err = schema.EncryptionOnly(validator)
	if err != nil {
		return err
	}
	accepted, err = p.scratch(ctx, validator, func(send write) error {
		return p.each(ctx, send, strings.TrimPrefix(note+"; probed without the validator's other conditions", "; "))
	})
	if !accepted && err == nil {
		p.undecided("the server refuses a document of ciphertexts too")
	}
	return err
}

// scratch makes a collection with the validator and has do write to it, unless it does not take a document of ciphertexts. The collection is dropped.
func (p *probe) scratch(ctx context.Context, validator bson.Raw, do func(write) error) (accepted bool, err error) {
	db, _ := database(p.client, p.report.Collection.Namespace)
	name := scratchPrefix + strings.ToLower(rand.Text())
	p.report.Scratch = db.Name() + "." + name
	defer func() {
		if !errors.Is(err, errNotMade) {
			err = also(err, p.drop(ctx))
		}
	}()
	create := bson.D{{Key: "create", Value: name}, {Key: "validator", Value: validator},
		{Key: "validationLevel", Value: p.report.Collection.Level}, {Key: "validationAction", Value: p.report.Collection.Action}}
	if err := db.RunCommand(ctx, create).Err(); err != nil {
		if server := (mongo.ServerError)(nil); !errors.As(err, &server) { // no answer came: it may have been made
			err = also(err, p.drop(ctx))
		}
		return false, fmt.Errorf("%w %s: %w", errNotMade, p.report.Scratch, asUnknown(err))
	}
	send := func(ctx context.Context, doc bson.D) error {
		_, err := db.Collection(name).InsertOne(ctx, doc)
		return err
	}
	switch err := send(ctx, p.docs.document(nil)); {
	case refused(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("writing a document of ciphertexts to the scratch collection %s: %w", p.report.Scratch, err)
	}
	return true, do(send)
}

// drop removes the scratch collection and looks that it is gone.
func (p *probe) drop(ctx context.Context) error {
	ctx, cancel := cleanContext(ctx)
	defer cancel()
	db, name := database(p.client, p.report.Scratch)
	err := db.Collection(name).Drop(ctx)
	if err == nil {
		var c *Collection
		if c, err = Read(ctx, p.client, p.report.Scratch); err == nil && c.Exists {
			err = errors.New("the server still lists it")
		}
	}
	if err != nil {
		return &LeftError{What: "the collection " + p.report.Scratch, Err: err}
	}
	return nil
}
