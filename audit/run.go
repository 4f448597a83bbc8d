package audit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

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

	mu    sync.Mutex
	done  int64 // documents read
	total int64
}

func (a *audit) run(ctx context.Context) error {
	a.describe(ctx)
	for _, t := range a.targets {
		a.report.Collections = append(a.report.Collections, t.result)
	}
	if err := a.measure(ctx); err != nil {
		return err
	}
	first := a.read(ctx)
	for _, t := range a.targets {
		if err := t.result.unproven; err != nil {
			a.report.Keys.Unproven = err
			break
		}
	}
	if err := a.keys.report(ctx, a.report, a.schemaKeys(), a.opts.MaxKeys); first == nil && err != nil {
		first = fmt.Errorf("reading the key vault: %w", err)
	}
	return first
}

// read reads all collections, some at a time. Each has a result of its own, so that the report does not depend on who was first.
func (a *audit) read(ctx context.Context) error {
	reading, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	queue := make(chan target)
	var working sync.WaitGroup
	for range min(a.opts.Workers, len(a.targets)) {
		working.Go(func() {
			for t := range queue {
				err := a.collection(reading, t)
				if ctx.Err() != nil || mongo.IsNetworkError(err) || mongo.IsTimeout(err) {
					giveUp(err) // the next one would fare no better
				}
			}
		})
	}
	for _, t := range a.targets {
		if t.result.Missing {
			continue
		}
		select {
		case queue <- t:
		case <-reading.Done():
		}
	}
	close(queue)
	working.Wait()
	for _, t := range a.targets {
		if err := t.result.Err; err != nil {
			return fmt.Errorf("reading %s: %w", t.result.Namespace, err)
		}
	}
	return ctx.Err()
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
	err := a.scan(ctx, t, s)
	last := ctx
	if ctx.Err() != nil { // interrupted: what was read is still judged, if that does not take long
		err = context.Cause(ctx)
		var cancel context.CancelFunc
		last, cancel = context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
	}
	if finished := s.finish(last); err == nil {
		err = finished
	}
	t.result.Complete, t.result.Err = err == nil && t.result.Unreadable == 0, err
	return err
}

// scan gives the documents to the scanner.
func (a *audit) scan(ctx context.Context, t target, s *scanner) error {
	cursor, chance, err := a.open(ctx, t)
	if err != nil {
		return err
	}
	defer cursor.Close(context.WithoutCancel(ctx))
	told := int64(0)
	defer func() { a.progress(t.result.Documents - told) }()
	for left := a.opts.Sample; cursor.Next(ctx); {
		if chance < 1 && rand.Float64() >= chance {
			continue
		}
		if err := s.add(ctx, cursor.Current); err != nil {
			return err
		}
		if t.result.Documents-told >= seldom {
			told += seldom
			a.progress(seldom)
		}
		if left--; left == 0 {
			return nil
		}
	}
	return cursor.Err()
}

// seldom is after how many documents a collection tells of progress.
const seldom = 100

func (a *audit) progress(documents int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done += documents
	a.opts.Progress(a.done, a.total)
}

// batch is how many documents a server sends at once. Without a number mongo-java-server sends all that there are, more than a message may hold.
const batch = 1000

// open begins to read. Where the server cannot draw a sample, all documents come, of which each is to be looked at with a chance.
func (a *audit) open(ctx context.Context, t target) (cursor *mongo.Cursor, chance float64, err error) {
	chance = 1
	if a.opts.Sample > 0 && t.result.Total > a.opts.Sample {
		draw := bson.A{bson.D{{Key: "$sample", Value: bson.D{{Key: "size", Value: a.opts.Sample}}}}}
		cursor, err = a.of(t).Aggregate(ctx, draw, options.Aggregate().SetBatchSize(batch))
		if refused := (mongo.CommandError{}); err == nil || !errors.As(err, &refused) || ctx.Err() != nil {
			return cursor, 1, err
		}
		t.result.Drawn = true
		// a little more than needed, so that the sample is seldom short; reading ends when it is full
		chance = min(1, 1.1*float64(a.opts.Sample)/float64(t.result.Total))
	}
	cursor, err = a.of(t).Find(ctx, bson.D{}, options.Find().SetBatchSize(batch))
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
