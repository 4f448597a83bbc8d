package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

const doctorExitCodes = `Exit codes:
  0    nothing is wrong; notes may be worth reading
  1    a file cannot be read, output cannot be written
  2    bad usage, a bad schema map, providers file or connection string
  3    a check failed
  130  interrupted; the checks until then are shown
  141  the reader of the output went away
`

// doctorFlags are the flags of doctor.
type doctorFlags struct {
	keysFlags
	schemaMap string
	probe     bool
}

func newDoctor() *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use:   "doctor [flags]",
		Short: "Check everything that encryption needs, and say what to do",
		Long: `doctor goes through what client-side field level encryption needs, in the order
in which it is needed, and says of each failure what to do about it. It writes
nothing, but with --probe.

  connection   the server answers
  tls          the connection is encrypted, and certificates are checked and do
               not end within 30 days
  server       what it is: MongoDB, Amazon DocumentDB, Azure DocumentDB or Cosmos
               DB, FerretDB, mongo-java-server; whether it knows enough, and
               which abilities it has that some servers lack
  clock        this machine's clock agrees with the server's: KMSs refuse
               requests whose time is wrong
  key vault    it can be read, and its index keeps names unique (--key-vault)
  kms          of each KMS in use one data key can be unwrapped, and certificates
               do not end soon where the file has "tls" (--kms-providers)
  schema       data keys are there; collections and their validators agree with
               the schemas (--schema-map)
  enforcement  the server has been told to refuse plaintext; with --probe, it is
               tried as "fieldcrypt schema probe" does: in a scratch collection,
               which is dropped
  analysis     whether mongocryptd or crypt_shared is there for drivers of other
               languages, and whose it is

A check that is not asked for is skipped. "fieldcrypt keys check" looks at every
data key, "fieldcrypt audit" at the data.

Output is a table on a terminal, and Extended JSON otherwise or with --json, one
document per check: {"check": S, "about": S, "status": "ok" | "note" | "failed" |
"skipped", "detail": S, "advice": S}. --quiet shows failed checks only.

The server is that of --uri or, better, of the environment variable
FIELDCRYPT_URI.

` + providersHelp + `
` + doctorExitCodes,
		Example: `  export FIELDCRYPT_URI='mongodb://app:…@db.example.org/?tls=true'
  fieldcrypt doctor
  fieldcrypt doctor --key-vault encryption.__keyVault --kms-providers kms.yaml --schema-map schemas.json --probe`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.doctor(cmd) },
	}
	f.register(cmd)
	cmd.Flags().Lookup("quiet").Usage = "show failed checks only"
	f.registerKMS(cmd)
	cmd.Flags().BoolVar(&f.probe, "probe", false, "write plaintext to scratch collections, to see it refused")
	cmd.Flags().StringVar(&f.schemaMap, "schema-map", "", "`FILE` of schemas by DB.COLL, in Extended JSON")
	_ = cmd.MarkFlagFilename("schema-map", "json")
	return cmd
}

// status is how a check ended.
type status string

const (
	passed  status = "ok"
	noted   status = "note"
	failed  status = "failed"
	skipped status = "skipped"
)

// diagnosis is the result of one check.
type diagnosis struct {
	check, about   string // about is what of several: a KMS provider, a collection
	status         status
	detail, advice string
}

// patient is what doctor looks at.
type patient struct {
	*server
	flags   *doctorFlags
	schemas *schemas // nil without --schema-map
	hello   hello
}

// checks are all of them, in their order. The first decides whether there is anything to look at.
var checks = []struct {
	name string
	run  func(*patient, context.Context) []diagnosis
}{
	{"connection", (*patient).connection},
	{"tls", (*patient).tls},
	{"server", (*patient).kind},
	{"clock", (*patient).clock},
	{"key vault", (*patient).keyVault},
	{"kms", (*patient).kms},
	{"schema", (*patient).schema},
	{"enforcement", (*patient).enforcement},
	{"analysis", (*patient).analysis},
}

func (f *doctorFlags) doctor(cmd *cobra.Command) error {
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	if f.keyVault != "" && !isNamespace(f.keyVault) {
		return badUsage("such as --key-vault encryption.__keyVault", "--key-vault: expected DB.COLL")
	}
	p := &patient{flags: f}
	var err error
	if f.probe && f.schemaMap == "" {
		return badUsage("", "--probe needs --schema-map")
	}
	if f.schemaMap != "" {
		if p.schemas, err = readSchemaMap(f.schemaMap, schema.Local); err != nil {
			return err
		}
	}
	if p.server, err = openServer(ctx, &f.keysFlags); err != nil {
		return p.server.failure(ctx, "opening the server", err)
	}
	defer p.server.close()
	s := f.screen(cmd)
	failures := 0
	for i, check := range checks {
		found := check.run(p, ctx)
		if ctx.Err() != nil {
			return p.failure(ctx, "checking "+check.name, ctx.Err())
		}
		for _, d := range found {
			d.check, d.detail, d.advice = check.name, p.hidden.hide(d.detail), p.hidden.hide(d.advice)
			if err := s.diagnosis(d); err != nil {
				return err
			}
			if d.status == failed {
				failures++
			}
		}
		if i == 0 && failures > 0 {
			break // there is nobody to ask
		}
	}
	if failures > 0 {
		s.note("%s failed", plural(failures, "check"))
		return errUnhealthy
	}
	return nil
}

// diagnosis shows one result.
func (s *screen) diagnosis(d diagnosis) error {
	if s.format == extJSON {
		return s.result(bson.D{
			{Key: "check", Value: d.check}, {Key: "about", Value: d.about}, {Key: "status", Value: string(d.status)},
			{Key: "detail", Value: d.detail}, {Key: "advice", Value: d.advice},
		}, "", nil)
	}
	if s.format == idsOnly && d.status != failed {
		return nil
	}
	var b bytes.Buffer
	detail := d.detail
	if d.about != "" {
		detail = printable(d.about) + ": " + detail
	}
	fmt.Fprintf(&b, "%-7s  %-11s  %s\n", d.status, d.check, escaped(detail))
	if d.advice != "" {
		fmt.Fprintf(&b, "%-7s  %-11s  -> %s\n", "", "", escaped(d.advice))
	}
	return write(s.out, b.Bytes())
}

// one is the result of a check with one.
func one(status status, advice, format string, args ...any) []diagnosis {
	return []diagnosis{{status: status, advice: advice, detail: fmt.Sprintf(format, args...)}}
}

// about says of which of several each result is.
func about(what string, all []diagnosis) []diagnosis {
	for i := range all {
		all[i].about = what
	}
	return all
}

// unable is a check that failed for an error.
func unable(doing string, err error, advice string) []diagnosis {
	if hint := keysHint(err); hint != "" {
		advice = hint
	}
	return one(failed, advice, "%s: %s", doing, strings.TrimPrefix(err.Error(), doing+": "))
}

// checkTimeout bounds a single question to the server.
const checkTimeout = 30 * time.Second
