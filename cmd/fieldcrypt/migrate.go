package main

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/migrate"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

const migrateExitCodes = `Exit codes:
  0    done, and nothing is left
  1    the server, a KMS or a file failed; not confirmed
  2    bad usage, a bad schema, providers file or connection string
  3    something is left, or stands in the way: the report says what
  130  interrupted; it can be run again and goes on where it was
  141  the reader of the output went away
`

// migrateHelp is the part of the help that all commands of migrate share.
const migrateHelp = `The collection --collection DB.COLL and the key vault --key-vault DB.COLL are on
the server of --uri or, better, of the environment variable FIELDCRYPT_URI. The
schema is the file of --schema, or the collection's entry in --schema-map.

The report is a table on a terminal, and Extended JSON otherwise or with --json:
{"report": {"job": S, "ok": BOOL, "complete": BOOL, "settled": BOOL, "dryRun":
BOOL, "partition": S, "passes": N, "documents": N, "total": N, "bytes": N,
"changed": N, "growth": N, "conflicts": N, "found": N, "seconds": N, "counts":
[{"field": S, "state": S, "values": N}, …], "findings": [{"_id": ID, "path": S,
"state": S, "type": S, "code": N}, …]}}; that of a plan has "runSeconds": N, which
a run takes at least. With --json it comes after lines that tell of the progress,
at most one a second: {"progress": {"job": S, "pass": N, "documents": N, "total":
N, "bytes": N, "changed": N, "conflicts": N, "findings": N, "seconds": N}}.
--quiet prints the _ids of findings only, one a line. No output holds a value.
`

// migrateSpeedHelp is about flags that jobs which read everything have.
const migrateSpeedHelp = `It reads in --workers ranges at the same time. --docs-per-second and
--bytes-per-second bound how fast. With --checkpoints DB.COLL, through which they
agree on ranges of _id, and --partition I/N (I from 0 to N-1) each of N processes
does those of its own.
`

// migrateRunHelp is the part of the help of commands that change documents.
const migrateRunHelp = `Applications go on meanwhile. Each document is changed only if the fields
concerned still have the exact values that were read, and nothing but these fields
is written; otherwise it is read again. A pass that changed something is followed
by another, up to --passes, since writers of the old kind may have been behind its
back. Values that cannot be changed are reported and left as they are.

It can be interrupted or killed at any time and run again. With --checkpoints it
goes on where it was, and without --partition any number of processes share the
work, each taking ranges that nobody has (--lease). --restart forgets the
checkpoints, which stops processes that are at work with them; it cannot be with
several partitions. --max-latency makes batches smaller while the server needs
longer than that for one. --dry-run does everything but write.
`

// migrateFlags are the flags of the commands of migrate.
type migrateFlags struct {
	keysFlags
	collection, schema, schemaMap, checkpoints, partition string
	remote                                                bool
	opts                                                  migrate.Options
}

// migrateJob is a command of migrate.
type migrateJob struct {
	name, short, long string
	example           string
	writes            bool
	run               func(*migrate.Migration, context.Context) (*migrate.Report, error)
}

var migrateJobs = []migrateJob{
	{
		name: "plan", short: "Tell what run would do, and what stands in its way", run: (*migrate.Migration).Plan,
		long: `plan reads the whole collection and changes nothing. It counts, for each
encrypted field, what is there: plaintext that run would encrypt, ciphertext, and
values that it would not touch: of another type than the schema takes, null among
them, in an array, with a key that is missing. It tells by how many bytes documents
would grow, and how long a run takes at least.
`,
		example: "  fieldcrypt migrate plan --collection hr.employees --schema schema.json \\\n    --key-vault encryption.__keyVault --kms-providers kms.yaml",
	},
	{
		name: "run", short: "Encrypt the plaintext of a collection", run: (*migrate.Migration).Run, writes: true,
		long: `run encrypts every value that the schema encrypts and that is still plaintext.
Ciphertext stays as it is, whatever its key: see rekey.
`,
		example: "  fieldcrypt migrate run --collection hr.employees --schema schema.json \\\n    --key-vault encryption.__keyVault --kms-providers kms.yaml --checkpoints hr.migration",
	},
	{
		name: "rekey", short: "Move ciphertext to the schema's data keys and algorithms", run: (*migrate.Migration).Rekey, writes: true,
		long: `rekey encrypts anew what is encrypted with another data key or algorithm than the
schema's. Plaintext stays as it is. To replace a data key, first let all writers
use a schema with the new one, then rekey, then verify, and only then delete the old
key.
`,
		example: "  fieldcrypt migrate rekey --collection hr.employees --schema new-keys.json \\\n    --key-vault encryption.__keyVault --kms-providers kms.yaml",
	},
	{
		name: "decrypt", short: "Make plaintext of ciphertext again", run: (*migrate.Migration).Decrypt, writes: true,
		long: `decrypt is the way back: it makes plaintext of the ciphertext in the fields that
the schema encrypts, whatever data key they have.
`,
		example: "  fieldcrypt migrate decrypt --collection hr.employees --schema schema.json \\\n    --key-vault encryption.__keyVault --kms-providers kms.yaml",
	},
	{
		name: "verify", short: "Prove that everything is encrypted as the schema says", run: (*migrate.Migration).Verify,
		long: `verify reads the whole collection and changes nothing. It opens every ciphertext,
and reports plaintext that is left, other keys and algorithms than the schema's,
missing keys, and what was altered.
`,
		example: "  fieldcrypt migrate verify --collection hr.employees --schema schema.json \\\n    --key-vault encryption.__keyVault --kms-providers kms.yaml",
	},
}

func newMigrate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Encrypt data that is in a collection already, and the way back",
		Long: `migrate encrypts the data of a collection while applications use it, moves it to
other data keys, and decrypts it again. docs/migration.md is the whole story:
first let the applications read both, then write ciphertext, then run, then verify.

` + migrateExitCodes,
		Example: `  export FIELDCRYPT_URI='mongodb://admin:…@db.example.org/?tls=true'
  fieldcrypt migrate plan --collection hr.employees --schema schema.json \
    --key-vault encryption.__keyVault --kms-providers kms.yaml`,
		SuggestionsMinimumDistance: 2,
		RunE:                       runSubcommand,
	}
	for _, job := range migrateJobs {
		cmd.AddCommand(newMigrateJob(job))
	}
	return cmd
}

func newMigrateJob(job migrateJob) *cobra.Command {
	var f migrateFlags
	cmd := &cobra.Command{
		Use:     job.name + " --collection DB.COLL --schema FILE --key-vault DB.COLL --kms-providers FILE [flags]",
		Short:   job.short,
		Example: job.example,
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return f.migrate(cmd, job) },
	}
	about := migrateSpeedHelp
	if job.writes {
		about += "\n" + migrateRunHelp
	}
	cmd.Long = job.long + "\n" + about + "\n" + migrateHelp + providersHelp + "\n" + migrateExitCodes
	f.register(cmd, job)
	return cmd
}

func (f *migrateFlags) register(cmd *cobra.Command, job migrateJob) {
	flags := cmd.Flags()
	f.keysFlags.register(cmd)
	flags.Lookup("quiet").Usage = "print the _ids of findings only, no notes and no progress"
	flags.Lookup("json").Usage = "print Extended JSON, also on a terminal, and lines of progress"
	f.registerKMS(cmd)
	flags.StringVar(&f.collection, "collection", "", "the collection, `DB.COLL`")
	flags.StringVar(&f.schema, "schema", "", "`FILE` with the collection's schema")
	flags.StringVar(&f.schemaMap, "schema-map", "", "`FILE` with schemas by collection")
	flags.BoolVar(&f.remote, "remote", false, "read the schema as a collection's validator")
	flags.IntVar(&f.opts.Workers, "workers", 4, "how many ranges `N` are worked on at the same time")
	flags.IntVar(&f.opts.BatchSize, "batch", 500, "how many documents `N` are read and written at a time")
	flags.IntVar(&f.opts.MaxFindings, "max-findings", 1000, "how many findings `N` are listed; all are counted")
	flags.Float64Var(&f.opts.DocumentsPerSecond, "docs-per-second", 0, "at most `N` documents a second (default: no bound)")
	flags.Float64Var(&f.opts.BytesPerSecond, "bytes-per-second", 0, "at most `N` bytes a second (default: no bound)")
	_ = cmd.MarkFlagFilename("schema", "json") // fails for unknown flags only
	_ = cmd.MarkFlagFilename("schema-map", "json")
	flags.StringVar(&f.checkpoints, "checkpoints", "", "the collection for checkpoints, `DB.COLL` (default: none)")
	flags.StringVar(&f.partition, "partition", "0/1", "`I/N`: do only the ranges of process I of N, from 0")
	flags.IntVar(&f.opts.Ranges, "ranges", 0, "into how many ranges `N` the collection is divided (default: 4 for each worker and process)")
	noCompletion(cmd, "collection", "workers", "batch", "max-findings", "docs-per-second", "bytes-per-second", "checkpoints", "partition", "ranges")
	if !job.writes {
		return
	}
	f.registerYes(cmd)
	flags.BoolVar(&f.opts.Restart, "restart", false, "forget the checkpoints of this collection and command")
	flags.StringVar(&f.opts.Owner, "owner", "", "`NAME` of this process in leases (default: one of its own)")
	flags.DurationVar(&f.opts.Lease, "lease", 30*time.Second, "how long a range stays that of a process that is gone")
	flags.IntVar(&f.opts.Passes, "passes", 5, "how often `N` at most the collection is gone through")
	flags.DurationVar(&f.opts.MaxLatency, "max-latency", 0, "how long the server may need for a batch (default: no bound)")
	flags.BoolVar(&f.opts.DryRun, "dry-run", false, "do everything but write")
	noCompletion(cmd, "owner", "lease", "passes", "max-latency")
}

func (f *migrateFlags) migrate(cmd *cobra.Command, job migrateJob) error {
	if err := f.read(cmd); err != nil {
		return err
	}
	return f.run(cmd, "migrating "+f.collection, func(ctx context.Context, s *keysSession) error {
		f.opts.Encryption, f.opts.Collection = s.ClientEncryption, collectionOf(s.client, f.collection)
		if f.checkpoints != "" {
			f.opts.Checkpoints = collectionOf(s.client, f.checkpoints)
		}
		if job.writes && !f.opts.DryRun {
			if err := s.confirm(ctx, cmd.InOrStdin(), "Change documents of "+f.collection+"?"); err != nil {
				return err
			}
		}
		return s.migrate(ctx, job, f.opts)
	})
}

func collectionOf(client *mongo.Client, ns string) *mongo.Collection {
	db, coll, _ := strings.Cut(ns, ".")
	return client.Database(db).Collection(coll)
}

// read checks the flags and reads the schema.
func (f *migrateFlags) read(cmd *cobra.Command) error {
	o := &f.opts
	switch {
	case !isNamespace(f.collection):
		return badUsage("such as --collection hr.employees", "--collection: expected DB.COLL")
	case f.checkpoints != "" && !isNamespace(f.checkpoints):
		return badUsage("such as --checkpoints hr.migration", "--checkpoints: expected DB.COLL")
	case f.checkpoints == f.collection || f.keyVault == f.collection || f.checkpoints != "" && f.checkpoints == f.keyVault:
		return badUsage("", "--collection, --key-vault and --checkpoints must be different collections")
	case o.Workers < 1 || o.BatchSize < 1 || o.MaxFindings < 1 || cmd.Flags().Changed("passes") && o.Passes < 1:
		return badUsage("", "--workers, --batch, --max-findings and --passes: expected a number that is at least 1")
	case o.DocumentsPerSecond < 0 || o.BytesPerSecond < 0 || o.Ranges < 0 || o.Lease < 0 || o.MaxLatency < 0:
		return badUsage("", "a bound is negative")
	}
	if f.partition != "" {
		i, n, ok := strings.Cut(f.partition, "/")
		var errs [2]error
		o.Partition, errs[0] = strconv.Atoi(i)
		o.Partitions, errs[1] = strconv.Atoi(n)
		if !ok || errs[0] != nil || errs[1] != nil || o.Partition < 0 || o.Partition >= o.Partitions {
			return badUsage("the first of three processes is 0/3, the last 2/3", "--partition: expected I/N, with I from 0 to N-1")
		}
		if o.Partitions > 1 && o.Restart {
			return badUsage("take another collection for --checkpoints instead", "--restart: a partition that restarts takes the ranges from the others")
		}
		if o.Partitions > 1 && (f.checkpoints == "" || o.DryRun) {
			return badUsage("through checkpoints processes agree on their ranges", "--partition: it needs --checkpoints, and no --dry-run")
		}
	}
	return f.readSchema(cmd)
}

func (f *migrateFlags) readSchema(cmd *cobra.Command) (err error) {
	origin := schema.Local
	if f.remote {
		origin = schema.Remote
	}
	given := cmd.Flags().Changed
	var found *schemas
	switch {
	case given("schema") == given("schema-map"):
		return badUsage("", "expected exactly one of --schema-map and --schema")
	case given("schema"):
		found, err = readSchema(f.schema, origin)
	default:
		found, err = readSchemaMap(f.schemaMap, origin)
	}
	if err != nil {
		return err
	}
	if f.opts.Schema, _ = found.of(f.collection); !f.opts.Schema.Encrypts() {
		return badInput("reading schema "+found.file, "", "it encrypts nothing in %s", printable(f.collection))
	}
	return nil
}
