package audit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// Run audits the collections that opts names. client must not encrypt or decrypt automatically; nothing is written.
//
// An error says why not everything could be read: ctx ended, or the server, the key vault or a KMS failed. The report, if it is not nil, then
// has what was found until then, and is not Complete. What is found is not an error: ask Report.OK.
func Run(ctx context.Context, client *mongo.Client, opts Options) (*Report, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	a := &audit{opts: opts, client: client, keys: newKeyring(opts.KeyVault), report: &Report{
		Server: opts.Server, Version: opts.Version, Started: time.Now().UTC(), Sample: max(opts.Sample, 0), Proven: opts.Decrypter != nil,
		Keys: Keys{Vault: opts.KeyVaultNamespace},
	}}
	a.targets, err = targets(ctx, client, opts)
	if err != nil {
		return nil, err
	}
	err = a.run(ctx)
	a.report.Complete = err == nil && !slices.ContainsFunc(a.targets, func(t target) bool { return !t.result.Complete })
	a.report.Ended = time.Now().UTC()
	return a.report, err
}

// patience is how long an interrupted audit may take to look up the last data keys.
const patience = 5 * time.Second

type audit struct {
	opts    Options
	client  *mongo.Client
	targets []target
	keys    *keyring
	report  *Report
	done    int64 // documents, of collections before the one at hand
	total   int64
}

func (a *audit) run(ctx context.Context) error {
	a.describe(ctx)
	for _, t := range a.targets {
		a.report.Collections = append(a.report.Collections, t.result)
	}
	if err := a.measure(ctx); err != nil {
		return err
	}
	var first error
	for _, t := range a.targets {
		if t.result.Missing {
			continue
		}
		err := a.collection(ctx, t)
		t.result.Complete = err == nil && t.result.Unreadable == 0
		if t.result.Err = err; err == nil {
			continue
		}
		if first == nil {
			first = fmt.Errorf("reading %s: %w", t.result.Namespace, err)
		}
		if ctx.Err() != nil || mongo.IsNetworkError(err) || mongo.IsTimeout(err) {
			break // the next one would fare no better
		}
	}
	err := a.keys.report(ctx, a.report, a.schemaKeys(), a.opts.MaxKeys)
	a.report.Keys.Unproven = a.keys.unproven
	if first == nil && err != nil {
		first = fmt.Errorf("reading the key vault: %w", err)
	}
	return first
}

// describe asks the server what it is; it need not say.
func (a *audit) describe(ctx context.Context) {
	var info struct{ Version string }
	if a.client.Database("admin").RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&info) == nil {
		a.report.ServerVersion = info.Version
	}
}

// measure asks how many documents there are.
func (a *audit) measure(ctx context.Context) error {
	for _, t := range a.targets {
		if t.result.Missing {
			continue
		}
		n, err := a.of(t).EstimatedDocumentCount(ctx)
		if err != nil {
			return fmt.Errorf("counting the documents of %s: %w", t.result.Namespace, err)
		}
		t.result.Total = n
		if a.opts.Sample > 0 {
			n = min(n, a.opts.Sample)
		}
		a.total += n
	}
	a.opts.Progress(0, a.total)
	return nil
}

func (a *audit) of(t target) *mongo.Collection { return a.client.Database(t.db).Collection(t.name) }

// collection reads one collection.
func (a *audit) collection(ctx context.Context, t target) error {
	s := newScanner(a.opts, a.keys, t.schema, t.result)
	err := a.read(ctx, t, s)
	last := ctx
	if ctx.Err() != nil { // interrupted: what was read is still judged, if that does not take long
		var cancel context.CancelFunc
		last, cancel = context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
	}
	if finished := s.finish(last); err == nil {
		err = finished
	}
	a.done += t.result.Documents
	return err
}

// read gives the documents to the scanner.
func (a *audit) read(ctx context.Context, t target, s *scanner) error {
	cursor, chance, err := a.open(ctx, t)
	if err != nil {
		return err
	}
	defer cursor.Close(context.WithoutCancel(ctx))
	for left := a.opts.Sample; cursor.Next(ctx); {
		if chance < 1 && rand.Float64() >= chance {
			continue
		}
		if err := s.add(ctx, cursor.Current); err != nil {
			return err
		}
		a.opts.Progress(a.done+t.result.Documents, a.total)
		if left--; left == 0 {
			return nil
		}
	}
	return cursor.Err()
}

// open begins to read. Where the server cannot draw a sample, all documents come, of which each is to be looked at with a chance.
func (a *audit) open(ctx context.Context, t target) (cursor *mongo.Cursor, chance float64, err error) {
	chance = 1
	if a.opts.Sample > 0 && t.result.Total > a.opts.Sample {
		draw := bson.A{bson.D{{Key: "$sample", Value: bson.D{{Key: "size", Value: a.opts.Sample}}}}}
		cursor, err = a.of(t).Aggregate(ctx, draw)
		if refused := (mongo.CommandError{}); err == nil || !errors.As(err, &refused) || ctx.Err() != nil {
			return cursor, 1, err
		}
		t.result.Drawn = true
		// a little more than needed, so that the sample is seldom short; reading ends when it is full
		chance = min(1, 1.1*float64(a.opts.Sample)/float64(t.result.Total))
	}
	cursor, err = a.of(t).Find(ctx, bson.D{})
	return cursor, chance, err
}

// schemaKeys are the data keys that the schemas name.
func (a *audit) schemaKeys() (named []SchemaKey) {
	for _, t := range a.targets {
		for _, f := range t.schema.Fields() {
			if f.KeyPointer == "" && f.KeyID != (payload.KeyID{}) {
				named = append(named, SchemaKey{ID: f.KeyID, Namespace: t.result.Namespace, Path: f.Path})
			}
		}
	}
	return named
}
