package main

import (
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// analysisFlags are the flags of analyze and explain.
type analysisFlags struct {
	schemaMap, schema, db, rewrite, migrating string
	allow                                     []string
	remote                                    bool
}

// flagsHelp is the part of the help that analyze and explain share.
const flagsHelp = `Schemas: exactly one of
  --schema-map FILE  {"db.coll": SCHEMA, …}; a collection that is not in it
                     encrypts nothing
  --schema FILE      one SCHEMA for whatever collection a command names
Files are Extended JSON v2, canonical or relaxed. A SCHEMA is what MongoDB's
drivers take in schemaMap: {"bsonType": "object", "properties": {…}}. --remote
reads it as the $jsonSchema of a collection's validator, which may hold
validation keywords too. --migrating takes all collections that encrypt for ones
in a step of a migration, in which plaintext and ciphertext are read.

Input: commands as Extended JSON v2 documents, canonical or relaxed, on standard
input: one or many, laid out over lines as you like, one after the other without
anything between them but white space. An array of commands is not accepted. The
database of a command is its $db, else --db; without either, the command is bad
input. The input of a command is at most 256 MiB long and nests at most 200
levels deep. A name that stands twice in a document is bad input, since programs
disagree on what that means.
`

func (f *analysisFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.schemaMap, "schema-map", "", "`FILE` with schemas by collection")
	flags.StringVar(&f.schema, "schema", "", "`FILE` with one schema for every collection")
	flags.StringVar(&f.db, "db", "", "database `NAME` of commands without $db")
	flags.StringVar(&f.rewrite, "rewrite", "minimal", "`minimal|exact`: change sealed values only, or write what mongocryptd writes")
	flags.StringSliceVar(&f.allow, "allow", nil, "`type,sort`: let $type, or sorting, use encrypted fields as the server sees them")
	flags.StringVar(&f.migrating, "migrating", "", "`write-plain|write-encrypted`: what a client in this step of a migration does")
	flags.BoolVar(&f.remote, "remote", false, "read schemas as collection validators")
	_ = cmd.MarkFlagFilename("schema-map", "json") // fails for unknown flags only
	_ = cmd.MarkFlagFilename("schema", "json")
	_ = cmd.RegisterFlagCompletionFunc("db", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("rewrite", cobra.FixedCompletions([]string{"minimal", "exact"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("migrating", cobra.FixedCompletions([]string{"write-plain", "write-encrypted"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("allow", cobra.FixedCompletions([]string{"type", "sort"}, cobra.ShellCompDirectiveNoFileComp))
}

// analysis is one run of analyze or explain.
type analysis struct {
	schemas *schemas
	db      string
	opts    analyze.Options
	buffer  []byte // of the last result
}

// options are those of --rewrite and --allow.
func (f *analysisFlags) options() (opts analyze.Options, err error) {
	switch f.rewrite {
	case "minimal":
	case "exact":
		opts.Rewrite = analyze.Exact
	default:
		return opts, badUsage("", "--rewrite: expected minimal or exact")
	}
	for _, what := range f.allow {
		switch what {
		case "type":
			opts.Allow |= analyze.AllowType
		case "sort":
			opts.Allow |= analyze.AllowSort
		default:
			return opts, badUsage("", "--allow: expected type or sort, or both with a comma between them")
		}
	}
	return opts, nil
}

func (f *analysisFlags) analysis(cmd *cobra.Command) (*analysis, error) {
	opts, err := f.options()
	if err != nil {
		return nil, err
	}
	a := &analysis{db: f.db, opts: opts}
	if cmd.Flags().Changed("db") && !isDatabase(f.db) {
		return nil, badUsage("", "--db: expected the name of a database: not empty, without a dot")
	}
	step := schema.EncryptedOnly
	switch f.migrating {
	case "":
	case schema.ReadBothWritePlain.String():
		step = schema.ReadBothWritePlain
	case schema.ReadBothWriteEncrypted.String():
		step = schema.ReadBothWriteEncrypted
	default:
		return nil, badUsage("", "--migrating: expected write-plain or write-encrypted")
	}
	origin := schema.Local
	if f.remote {
		origin = schema.Remote
	}
	given := cmd.Flags().Changed
	switch {
	case given("schema") == given("schema-map"):
		return nil, badUsage("", "expected exactly one of --schema-map and --schema")
	case given("schema"):
		a.schemas, err = readSchema(f.schema, origin)
	default:
		a.schemas, err = readSchemaMap(f.schemaMap, origin)
	}
	if err != nil {
		return nil, err
	}
	a.schemas.during(step)
	return a, nil
}

func isDatabase(name string) bool { return name != "" && !strings.ContainsAny(name, ".\x00") }

// outcome is what became of one command.
type outcome struct {
	n       int // counts commands from 1
	db      string
	target  analyze.Target
	result  analyze.Result
	refused *analyze.RefusedError // when set, there is no result
}

// each analyses every command of in and writes what show makes of it before it reads the next one.
func (a *analysis) each(in io.Reader, out io.Writer, sealer analyze.Sealer, show func(outcome) ([]byte, error)) error {
	commands := newDocuments("command", in)
	var refused error
	for {
		cmd, err := commands.next()
		if err == io.EOF && commands.n == 1 {
			return badInput("reading commands", `give a command such as {"find": "coll", "$db": "db", "filter": {…}}`, "no command on standard input")
		}
		if err == io.EOF {
			return refused
		}
		if err != nil {
			return err
		}
		o, bad := a.command(cmd, sealer)
		if bad != nil {
			return commands.bad(commands.at, bad.hint, "%s", bad.wrong)
		}
		o.n = commands.n
		if o.refused != nil {
			refused = errRefused
		}
		text, err := show(o)
		if err != nil {
			return err
		}
		if err := write(out, text); err != nil {
			return err
		}
	}
}

// command analyses one command; bad is set when it is none.
func (a *analysis) command(cmd bson.Raw, sealer analyze.Sealer) (o outcome, bad *failure) {
	if len(cmd) <= len(bson.Raw{5, 0, 0, 0, 0}) {
		return o, &failure{wrong: "expected a command, got an empty document"}
	}
	if o.db, bad = a.database(cmd); bad != nil {
		return o, bad
	}
	var err error
	if o.target, err = analyze.Classify(o.db, cmd); err == nil {
		known := make(map[string]*schema.Schema, len(o.target.Namespaces))
		for _, ns := range o.target.Namespaces {
			known[ns], _ = a.schemas.of(ns)
		}
		o.result, err = analyze.Command(a.buffer[:0], o.target, cmd, known, sealer, a.opts)
		if o.result.HasPlaceholders {
			a.buffer = o.result.Command
		}
	}
	if err != nil {
		o.refused = refusal(err)
		if o.refused == nil {
			return o, &failure{wrong: err.Error()}
		}
	}
	return o, nil
}

// refusal is the refusal in err, if there is one. A schema that contradicts itself on a name shows only when a command has that name, and
// create can bring a bad schema of its own: the command is refused then.
func refusal(err error) *analyze.RefusedError {
	var refused *analyze.RefusedError
	var bad *schema.Error
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.As(err, &bad):
		at := bad.Path
		if at == "" {
			at = "the root"
		}
		return &analyze.RefusedError{Rule: "encryption-schema", Operator: bad.Keyword,
			Message: "encryption schema, at " + at + ": " + bad.Message, Hint: bad.Hint}
	}
	return nil
}

// database is the command's $db, else the one of --db.
func (a *analysis) database(cmd bson.Raw) (string, *failure) {
	v, err := cmd.LookupErr("$db")
	switch {
	case err != nil && a.db == "":
		return "", &failure{wrong: "the command has no database", hint: "add $db to the command, or give --db"}
	case err != nil:
		return a.db, nil
	}
	if db, ok := v.StringValueOK(); ok && isDatabase(db) {
		return db, nil
	}
	return "", &failure{wrong: "expected the name of a database in $db: a string, not empty, without a dot"}
}
