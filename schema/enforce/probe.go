package enforce

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

// Verdict is what a probe says about a field.
type Verdict string

// The verdicts.
const (
	Enforced    Verdict = "enforced"     // the server refused the plaintext, and a ciphertext in its place was welcome
	NotEnforced Verdict = "not-enforced" // the server took the plaintext
	Undecided   Verdict = "undecided"    // the server gave no usable answer: Reason says why
)

// ProbeOptions configures [Probe]. The zero value probes what the collection's own schema encrypts, in a scratch collection.
type ProbeOptions struct {
	// Schema is a schema whose encrypted fields are probed. Default nil: the $jsonSchema of the collection's validator.
	Schema bson.Raw
	// Transaction writes to the collection itself, in transactions that are aborted, rather than to a scratch collection with the same validator. It needs a replica
	// set or a sharded cluster.
	Transaction bool
	// Document holds what documents of the collection need besides encrypted fields, so that they meet the validator's other conditions. Default: nothing; a
	// scratch collection is then made without those conditions if a document of ciphertexts does not meet them.
	Document bson.Raw
}

// ProbeResult is what became of the canary of one field.
type ProbeResult struct {
	Path    string // as Encrypted.Path
	Verdict Verdict
	Reason  string // may be empty
}

// ProbeReport is the result of [Probe].
type ProbeReport struct {
	Collection Collection
	Method     string // "scratch", "transaction", or "" when there was nothing to write to: a collection without a validator
	Scratch    string // the namespace of the scratch collection, which is gone again
	Fields     []ProbeResult
}

// Enforced says whether every field is; a report without fields is not.
func (r *ProbeReport) Enforced() bool {
	for _, f := range r.Fields {
		if f.Verdict != Enforced {
			return false
		}
	}
	return len(r.Fields) > 0
}

// LeftError says that a probe could not remove what it wrote.
type LeftError struct {
	What string // "the collection hr.fieldcrypt_probe_…", "the document with _id … in hr.employees"
	Err  error
}

func (e *LeftError) Error() string {
	return fmt.Sprintf("%s was left behind: %v; it holds no data of yours, remove it", e.What, e.Err)
}

func (e *LeftError) Unwrap() error { return e.Err }

// cleaning is how long a probe tries to remove what it wrote, also when its context is done.
const cleaning = 15 * time.Second

// Probe finds out for every encrypted field whether the server refuses plaintext there: it sends a document that has a text, a number or the like of no meaning in
// that field and (random bytes in the shape of) ciphertexts in all others. A document of ciphertexts only has to be accepted first, so that a refusal is known to
// be about the plaintext. Nothing that is written stays: what could not be removed is a [*LeftError].
func Probe(ctx context.Context, client *mongo.Client, namespace string, opts ProbeOptions) (*ProbeReport, error) {
	c, err := Read(ctx, client, namespace)
	if err != nil {
		return nil, err
	}
	doc := opts.Schema
	if doc == nil {
		doc = c.Schema()
	}
	switch {
	case !c.Exists:
		return nil, fmt.Errorf("%s: %w", namespace, ErrNoCollection)
	case c.Type != "collection":
		return nil, fmt.Errorf("%s is a %s: only collections can have an encryption schema", namespace, c.Type)
	case doc == nil:
		return nil, fmt.Errorf("the collection %s has no $jsonSchema, and no schema was given: there is nothing to probe", namespace)
	}
	s, err := schema.Parse(doc, schema.Remote)
	if err != nil {
		return nil, fmt.Errorf("schema of %s: %w", namespace, err)
	}
	if !s.Encrypts() {
		return nil, fmt.Errorf("the schema of %s encrypts nothing: there is nothing to probe", namespace)
	}
	docs, err := newCanaries(s, opts.Document)
	if err != nil {
		return nil, err
	}
	p := &probe{client: client, docs: docs, report: &ProbeReport{Collection: *c}}
	if c.Validator == nil {
		for _, f := range docs.fields {
			p.say(f, NotEnforced, "the collection has no validator")
		}
		return p.report, nil
	}
	if opts.Transaction {
		err = p.inTransactions(ctx)
	} else {
		err = p.inScratch(ctx)
	}
	return p.report, err
}

// probe is one run of Probe.
type probe struct {
	client *mongo.Client
	docs   *canaries
	report *ProbeReport
}

func (p *probe) say(f *schema.Encrypted, v Verdict, reason string) {
	p.report.Fields = append(p.report.Fields, ProbeResult{Path: f.Path, Verdict: v, Reason: reason})
}

// write sends one document, which does not stay.
type write func(ctx context.Context, doc bson.D) error

// each sends the canary of every field; note is said of those that are refused.
func (p *probe) each(ctx context.Context, send write, note string) error {
	for _, f := range p.docs.fields {
		if p.docs.names[f] == nil {
			p.say(f, Undecided, "no field name was found that its pattern hits")
			continue
		}
		err := send(ctx, p.docs.document(f))
		why := p.whyNot()
		if refused(err) && p.docs.mayBeBinary(f) { // a validator that asks for binary data only takes plaintext of that type
			err = send(ctx, p.docs.binary(f))
			why = "the server takes binary data that is no ciphertext"
		}
		var left *LeftError
		switch {
		case errors.As(err, &left), ctx.Err() != nil:
			return err
		case refused(err):
			p.say(f, Enforced, note)
		case err != nil:
			p.say(f, Undecided, err.Error())
		default:
			p.say(f, NotEnforced, why)
		}
	}
	return nil
}

// whyNot is a reason for accepted plaintext, if one is known.
func (p *probe) whyNot() string {
	c := &p.report.Collection
	switch {
	case c.Level == "off":
		return "validationLevel is off"
	case c.Action == "warn":
		return "validationAction is warn: the server only logs it"
	}
	return "the server took plaintext although the collection has a validator"
}

// moderate is what a refusal means under that level.
func (p *probe) moderate() string {
	if p.report.Collection.Level == "moderate" {
		return "validationLevel is moderate: documents that hold plaintext already may still be changed"
	}
	return ""
}

// refused says whether the server refused a document by the validator.
func refused(err error) bool {
	const documentValidationFailure = 121
	var server mongo.ServerError
	return errors.As(err, &server) && server.HasErrorCode(documentValidationFailure)
}

func (p *probe) undecided(reason string) {
	for _, f := range p.docs.fields {
		p.say(f, Undecided, reason)
	}
}

// cleanContext is one for removing, whatever became of ctx.
func cleanContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleaning)
}

func database(client *mongo.Client, namespace string) (*mongo.Database, string) {
	db, name, _ := strings.Cut(namespace, ".")
	return client.Database(db), name
}
