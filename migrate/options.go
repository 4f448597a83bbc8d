package migrate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// Options configures a Migration.
type Options struct {
	// Collection is what is migrated, of a client without automatic encryption: another one ends a job with an error. Required. It is read with read concern majority from the primary and written
	// with write concern majority, whatever its own options say.
	Collection *mongo.Collection
	// Schema says what is encrypted, how, and with which data keys. Required.
	Schema *schema.Schema
	// Encryption has the data keys. Required. It is not closed.
	Encryption *fieldcrypt.ClientEncryption

	// Checkpoints is where progress is kept, so that a run that is stopped goes on where it was, and where processes share the work. Default nil: each run
	// starts at the beginning, which is just as correct.
	Checkpoints *mongo.Collection
	// Restart forgets the checkpoints of this collection and job; processes that are at work with them stop with an error. It is refused with several
	// Partitions, which would not agree on ranges any more. Default false: go on; checkpoints of another schema are an error.
	Restart bool
	// Owner is who leases ranges; whoever has the same name takes them over at once. Default: host name, process id and a random part.
	Owner string
	// Lease is how long a range stays its owner's after the last sign of life. Default 30 s.
	Lease time.Duration
	// Ranges is into how many parts the collection is divided, by the first process that comes. Default: 4 per worker and partition, at most one for
	// 1000 documents.
	Ranges int
	// Partition is which part of the ranges is done here, of Partitions: 0 is the first. Default 0 of 1: all. More than one need Checkpoints.
	Partition, Partitions int

	// Workers is how many ranges are worked on at the same time, each by one who writes a batch and one who reads and encrypts the next. Default 4.
	Workers int
	// BatchSize is how many documents are read and written at a time. Default 500; batches of large documents end at 8 MiB.
	BatchSize int
	// Passes is how often at most the whole collection is gone through until nothing is left to change; to end a pass that another run began is not
	// counted. Default 5.
	Passes int
	// DryRun judges and encrypts, but writes nothing, neither documents nor checkpoints. It is one pass.
	DryRun bool

	// DocumentsPerSecond and BytesPerSecond bound how fast documents are read, and so how fast they are changed. Default 0: no bound.
	DocumentsPerSecond, BytesPerSecond float64
	// MaxLatency is how long the server may take for one batch of updates: slower ones make batches smaller, down to one document and a pause. Default
	// 0: no bound.
	MaxLatency time.Duration

	// MaxFindings is how many findings a report lists; all are counted. Default 1000.
	MaxFindings int
	// Progress, if set, is called after each batch, by one goroutine at a time.
	Progress func(Progress)
	// Logger gets retries and lost leases, never values. Default nil: nothing is logged.
	Logger *slog.Logger
}

// Migration goes through one collection. Its methods may be called one after the other; each goes through the whole collection.
type Migration struct {
	opts       Options
	docs       documents
	log        *slog.Logger
	pause      func(ctx context.Context, tries int) error // between tries
	smallRange int64                                      // documents that are not worth to be divided
}

// New checks the options and makes a Migration. It asks nobody anything.
func New(opts Options) (*Migration, error) {
	if opts.Collection == nil {
		return nil, errors.New("migrating: the option Collection is required")
	}
	if c := opts.Checkpoints; c != nil && c.Database().Client() == opts.Collection.Database().Client() &&
		c.Database().Name() == opts.Collection.Database().Name() && c.Name() == opts.Collection.Name() {
		return nil, errors.New("migrating: Checkpoints is the collection that is migrated: its documents would be among the data")
	}
	m, err := newMigration(opts, nil)
	if err == nil {
		m.docs = newMongoDocuments(opts.Collection, m.log)
	}
	return m, err
}

func newMigration(opts Options, docs documents) (*Migration, error) {
	switch {
	case opts.Encryption == nil:
		return nil, errors.New("migrating: the option Encryption is required")
	case !opts.Schema.Encrypts():
		return nil, errors.New("migrating: the schema encrypts nothing")
	case opts.Partitions > 1 && (opts.Checkpoints == nil || opts.DryRun):
		return nil, errors.New("migrating: several partitions need Checkpoints, through which they agree on ranges, and no DryRun, which writes none")
	case opts.Partitions > 1 && opts.Restart:
		return nil, errors.New("migrating: a partition that restarts takes the ranges from the others, who have done some of them: use another collection for Checkpoints instead")
	case opts.Partition < 0 || opts.Partition >= max(opts.Partitions, 1):
		return nil, fmt.Errorf("migrating: partition %d of %d does not exist; the first is 0", opts.Partition, max(opts.Partitions, 1))
	}
	if id, err := opts.Schema.Root().Child("_id"); err != nil || id.Encrypts() {
		return nil, errors.New("migrating: the schema encrypts _id, or something in it, which no update can change: " +
			"copy the documents to another collection instead")
	}
	for value, otherwise := range map[*int]int{
		&opts.Partitions: 1, &opts.Workers: 4, &opts.BatchSize: 500, &opts.Passes: 5, &opts.MaxFindings: 1000,
	} {
		if *value <= 0 {
			*value = otherwise
		}
	}
	small := int64(1)
	if opts.Ranges <= 0 {
		opts.Ranges, small = 4*opts.Workers*opts.Partitions, 1000
	}
	if opts.Lease <= 0 {
		opts.Lease = 30 * time.Second
	}
	if opts.Owner == "" {
		opts.Owner = newOwner()
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Migration{opts: opts, docs: docs, log: opts.Logger, pause: pause, smallRange: small}, nil
}

// checkKeys finds out whether the data keys that the schema names are there, before anything is done.
func (m *Migration) checkKeys(ctx context.Context) error {
	for _, field := range m.opts.Schema.Fields() {
		if field.KeyPointer != "" {
			continue
		}
		id := field.KeyID.Binary()
		if _, err := m.opts.Encryption.EncryptionKeyID(ctx, fieldcrypt.EncryptOptions{KeyID: &id, Algorithm: field.Algorithm.String()}); err != nil {
			return fmt.Errorf("the data key of field %s: %w", field.Path, err)
		}
	}
	return nil
}

// Plan reads the collection and tells what Run would do, and by how much documents would grow. It writes nothing.
func (m *Migration) Plan(ctx context.Context) (*Report, error) { return m.execute(ctx, planning) }

// Run encrypts the plaintext that the schema encrypts. Ciphertext under other keys stays: see Rekey.
//
// The report comes with the error, too, and tells how far the run came. An error means that it stopped early: a server, key vault or KMS that cannot
// be used, or ctx. Values that cannot be changed are no error but findings.
func (m *Migration) Run(ctx context.Context) (*Report, error) { return m.execute(ctx, encrypting) }

// Rekey moves ciphertext under other data keys or algorithms than the schema's to the schema's. Plaintext stays.
func (m *Migration) Rekey(ctx context.Context) (*Report, error) { return m.execute(ctx, rekeying) }

// Decrypt makes plaintext of ciphertext under any key that is there.
func (m *Migration) Decrypt(ctx context.Context) (*Report, error) { return m.execute(ctx, decrypting) }

// Verify reads the collection, opens every ciphertext, and reports what is not encrypted as the schema says.
func (m *Migration) Verify(ctx context.Context) (*Report, error) { return m.execute(ctx, verifying) }
