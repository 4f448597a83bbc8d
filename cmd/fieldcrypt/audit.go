package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fieldcrypt/fieldcrypt/audit"
	"github.com/fieldcrypt/fieldcrypt/audit/page"
	"github.com/fieldcrypt/fieldcrypt/audit/sensitive"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

const auditExitCodes = `Exit codes:
  0    everything was read and nothing was found
  1    the server, the key vault, a KMS or a file failed: nothing is certain
  2    bad usage, a bad schema map, providers file or connection string
  3    problems were found
  130  interrupted; the report says what was found until then
  141  the reader of the output went away
`

// auditFlags are the flags of audit.
type auditFlags struct {
	keysFlags
	schemaMap, html     string
	sample              int64
	workers, prove      int
	minHits             int64
	minShare            float64
	maxIDs              int
	names, detectors    []string
	accepted            []string
	noSensitive, strict bool
}

func newAudit() *cobra.Command {
	var f auditFlags
	cmd := &cobra.Command{
		Use:   "audit [DB | DB.COLL]... [flags]",
		Short: "Show whether what a database stores is encrypted",
		Long: `audit reads documents with an ordinary client and compares what it sees with the
encryption schema of each collection. It changes nothing. Without arguments it
reads all collections of all databases but admin, config and local.

The schema of a collection is that of --schema-map, else of its validator. For
each encrypted field the report says how many values are encrypted, under which
data keys, with which algorithm and BSON types, and what is wrong:

  plaintext             stored as it is
  stored marking        an intent to encrypt, which holds the plaintext
  malformed ciphertext  binary of subtype 6 that nobody can decrypt
  not authentic         altered, or made with another key than it names
  unknown key           its data key is not in the key vault
  cannot decrypt        a KMS did not give the data key
  wrong key, wrong algorithm, wrong type
                        other than the schema's
  no key name           the document does not name its data key
  queryable encryption  a value of that other feature
  contradictory schema, unusable schema, missing key
                        mistakes in the schema
  no schema             no collection has one: nothing was held against it
  looks sensitive       plaintext in no schema whose name, or whose form in many
                        values, is that of personal or secret data
and, as notes that change the exit code only with --strict:
  not in the schema     ciphertexts that no schema asks for
  unused key            a data key without ciphertexts

With --key-vault it finds unknown and unused keys. With --kms-providers too it
decrypts a random sample of the ciphertexts of each field, to prove that they are
authentic, and forgets them.

No output ever holds a value or a ciphertext. Documents are named by their _id,
unless that looks sensitive itself. To read from a secondary, say so in the
connection string: readPreference=secondaryPreferred.

Sensitive fields are found by their names (--name-pattern adds regular
expressions, which are compared with the whole name in lower-case words: "card
number" for cardNumber and card_number) and by detectors: e-mail addresses,
IBANs, card numbers, and ids of some nations, all but e-mail with check digits or
fixed rules; --detector NAME=REGEXP adds one. --accept DB.COLL.PATH says that a
field may be as it is.

Output is a table on a terminal. Otherwise, or with --json, it is one Extended
JSON document:
  {"server", "serverVersion", "version": S, "started", "ended": DATE,
   "complete": BOOL, "sample": N, "counts": {PROBLEM: N, …},
   "collections": [{"namespace": S, "schema": "schema map" | "validator" |
     "none", "documents", "total": N, "complete": BOOL,
     "missing", "queryable", "drawnByClient": true, "unreadable", "untold": N,
     "schemaError", "error": S,
     "fields": [{"path": S, "wants": {"algorithm": S, "keyId": UUID |
       "keyName": POINTER, "types": [S, …]}, "documents", "values", "clean",
       "encrypted", "plaintext", "empty", "proven": N,
       "keys": [{"keyId": UUID, "values": N}, …], "otherKeys": N,
       "algorithms", "types", "plainTypes": {S: N, …},
       "problems": [{"problem": S, "values": N,
         "documents": [ID | {"withheld": WHY}, …]}, …]}, …],
     "others": [as a field, without "wants", …],
     "suspects": [{"path": S, "values": N, "byName", "inNames": BOOL,
       "detector": S, "hits": N, "accepted": BOOL, "documents": [ID, …]}, …]},
     …],
   "keys": {"vault": S, "looked": BOOL, "inVault", "used", "unused", "unknown":
     N, "listed", "unusedKeys": [{"keyId": UUID, "keyAltNames": [S, …],
     "provider": S, "values": N}, …], "unknownKeys": [{"keyId", "values"}, …],
     "missing": [{"keyId", "namespace", "path"}, …], "unproven", "error": S}}
Names from the second line of a collection on, "unproven" and "error" are there
when there is something to say. --quiet prints one line for each problem: its
name, the place and how many values. --html FILE writes a page for people too,
which needs no other file and no network.

Memory does not grow with the collections, but with the places and data keys in
them; --workers collections are read at the same time.

The server is that of --uri or, better, of the environment variable
FIELDCRYPT_URI: arguments are visible to other users.

` + providersHelp + `
` + auditExitCodes,
		Example: `  export FIELDCRYPT_URI='mongodb://auditor:…@db.example.org/?tls=true'
  fieldcrypt audit hr --schema-map schemas.json --key-vault encryption.__keyVault --html report.html
  fieldcrypt audit hr.employees --sample 10000 --key-vault encryption.__keyVault --kms-providers kms.yaml
  fieldcrypt audit --json --accept shop.orders.email | jq .counts`,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts, err := f.options(args)
			if err != nil {
				return err
			}
			return f.audit(cmd, opts)
		},
	}
	f.registerAudit(cmd)
	return cmd
}

func (f *auditFlags) registerAudit(cmd *cobra.Command) {
	flags := cmd.Flags()
	f.register(cmd)
	flags.Lookup("key-vault").Usage = "look data keys up in the collection `DB.COLL`"
	flags.Lookup("quiet").Usage = "print one line per problem, no notes and no progress"
	f.registerKMS(cmd)
	flags.Lookup("kms-providers").Usage = "prove ciphertexts with the KMSs that `FILE` tells"
	flags.StringVar(&f.schemaMap, "schema-map", "", "`FILE` of schemas by DB.COLL, in Extended JSON")
	flags.StringVar(&f.html, "html", "", "write the report as a page to `FILE` too")
	flags.Int64Var(&f.sample, "sample", 0, "read `N` random documents of each collection (default: all)")
	flags.IntVar(&f.workers, "workers", 4, "read `N` collections at the same time")
	flags.IntVar(&f.prove, "prove", 20, "decrypt about `N` values of each field, with --kms-providers")
	flags.Int64Var(&f.minHits, "min-hits", 3, "a detector must recognise `N` values of a field")
	flags.Float64Var(&f.minShare, "min-share", 0.2, "and the part `X` of its values")
	flags.IntVar(&f.maxIDs, "max-ids", 10, "list `N` documents for each problem; 0 for none")
	flags.StringArrayVar(&f.names, "name-pattern", nil, "a name like `REGEXP` looks sensitive")
	flags.StringArrayVar(&f.detectors, "detector", nil, "a value like `NAME=REGEXP` looks sensitive")
	flags.StringArrayVar(&f.accepted, "accept", nil, "the field `DB.COLL.PATH` may look sensitive")
	flags.BoolVar(&f.noSensitive, "no-sensitive", false, "do not look for sensitive fields")
	flags.BoolVar(&f.strict, "strict", false, "notes are problems too")
	_ = cmd.MarkFlagFilename("schema-map", "json")
	_ = cmd.MarkFlagFilename("html", "html")
	noCompletion(cmd, "sample", "workers", "prove", "min-hits", "min-share", "max-ids", "name-pattern", "detector", "accept")
}

// options checks the command line.
func (f *auditFlags) options(args []string) (audit.Options, error) {
	opts := audit.Options{
		Namespaces: args, Sample: f.sample, Workers: f.workers, Prove: f.prove, MinHits: f.minHits, MinShare: f.minShare, MaxIDs: f.maxIDs, Accepted: f.accepted,
		KeyVaultNamespace: f.keyVault, Version: buildVersion().Version,
	}
	for i, ns := range args {
		if strings.ContainsAny(ns, "/\\ \"$\x00") || strings.HasPrefix(ns, ".") || strings.HasSuffix(ns, ".") {
			return opts, badUsage("such as hr, or hr.employees", "argument %d: expected a database or DB.COLL", i+1)
		}
	}
	switch {
	case f.sample < 0, f.maxIDs < 0:
		return opts, badUsage("", "--sample and --max-ids: expected a number that is not negative")
	case f.workers < 1, f.prove < 1, f.minHits < 1:
		return opts, badUsage("", "--workers, --prove and --min-hits: expected a number above 0")
	case !(f.minShare > 0 && f.minShare <= 1):
		return opts, badUsage("such as --min-share 0.2", "--min-share: expected a number above 0, at most 1")
	case f.keyVault != "" && !isNamespace(f.keyVault):
		return opts, badUsage("such as --key-vault encryption.__keyVault", "--key-vault: expected DB.COLL")
	case f.providers != "" && f.keyVault == "":
		return opts, badUsage("", "--kms-providers needs --key-vault")
	}
	if f.maxIDs == 0 {
		opts.MaxIDs = -1
	}
	if err := f.suspicion(&opts); err != nil {
		return opts, err
	}
	if f.schemaMap == "" {
		return opts, nil
	}
	schemas, err := readSchemaMap(f.schemaMap, schema.Local)
	if err != nil {
		return opts, err
	}
	opts.Schemas = schemas.by
	return opts, nil
}

// suspicion says what looks sensitive.
func (f *auditFlags) suspicion(opts *audit.Options) (err error) {
	patterns := append(sensitive.NamePatterns(), f.names...)
	opts.Detectors = sensitive.Detectors()
	if f.noSensitive {
		patterns, opts.Detectors = nil, []sensitive.Detector{}
	}
	if opts.Names, err = sensitive.NewNames(patterns); err != nil {
		return badUsage("such as --name-pattern 'staff (no|number)'", "--name-pattern: expected a regular expression (RE2)")
	}
	for _, text := range f.detectors {
		name, expression, _ := strings.Cut(text, "=")
		d, err := sensitive.Pattern(name, expression)
		if err != nil || expression == "" {
			return badUsage("such as --detector 'staff number=S[0-9]{6}'", "--detector: expected a name, = and a regular expression (RE2)")
		}
		opts.Detectors = append(opts.Detectors, d)
	}
	return nil
}

// audit runs the audit and shows what it found, also when it could not come to its end.
func (f *auditFlags) audit(cmd *cobra.Command, opts audit.Options) error {
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	s, err := openServer(ctx, &f.keysFlags)
	if err != nil {
		return s.failure(ctx, "opening the audit", err)
	}
	defer s.close()
	opts.KeyVault, opts.Server = s.vault, s.hosts()
	if s.encryption != nil {
		opts.Decrypter = s.encryption
	}
	sc := f.screen(cmd)
	var p *progress
	opts.Progress = func(documents, total int64) {
		if p == nil {
			p = sc.progress("documents", total)
		}
		p.at(documents)
	}
	report, err := audit.Run(ctx, s.client, opts)
	if p != nil {
		p.end()
	}
	if report == nil {
		return s.failure(ctx, "auditing", err)
	}
	s.hideIn(report)
	if written := f.show(&sc, report); written != nil {
		return written
	}
	switch {
	case err != nil:
		sc.note("the report is incomplete")
		return s.failure(ctx, "auditing", err)
	case !report.OK(f.strict):
		return errFound
	}
	return nil
}

// hideIn takes secrets out of what the server, the key vault or a KMS said.
func (s *server) hideIn(r *audit.Report) {
	hide := func(err *error) {
		if *err != nil {
			*err = errors.New(s.hidden.hide((*err).Error()))
		}
	}
	for _, c := range r.Collections {
		hide(&c.Err)
		hide(&c.Schema)
	}
	hide(&r.Keys.Err)
	hide(&r.Keys.Unproven)
}

func (f *auditFlags) show(sc *screen, r *audit.Report) error {
	if f.html != "" {
		if err := writePage(f.html, r); err != nil {
			return err
		}
	}
	switch sc.format {
	case table:
		return write(sc.out, auditText(r))
	case idsOnly:
		return write(sc.out, auditLines(r))
	}
	return sc.result(r.Document(), "", nil)
}

func writePage(name string, r *audit.Report) error {
	doing := "writing " + name
	file, err := createWhole(name)
	if err != nil {
		return ioFailure(doing, err)
	}
	defer file.discard()
	if err := page.Write(file, r); err != nil {
		return ioFailure(doing, err)
	}
	if err := file.commit(); err != nil {
		return ioFailure(doing, err)
	}
	return nil
}
