package main

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/schema"
	"github.com/fieldcrypt/fieldcrypt/schema/enforce"
)

func newSchemaProbe() *cobra.Command {
	var f schemaFlags
	var opts enforce.ProbeOptions
	var document string
	cmd := &cobra.Command{
		Use:   "probe (--schema-map FILE | [--schema FILE] --collection DB.COLL) [flags]",
		Short: "Find out whether the server really refuses plaintext",
		Long: `probe writes a canary, a document without meaning, in plaintext, and reports for
each encrypted field whether this very server refuses it: servers differ in what
they check, and some take validators without looking at them. A document with
ciphertexts in all encrypted fields (random bytes of their shape) has to be
accepted first, so that a refusal is known to be about the plaintext.

It writes to a scratch collection that it makes beside the collection, with the
same validator, and drops. With --transaction it writes to the collection
itself, in transactions that are aborted; that needs a replica set or a sharded
cluster. What could not be removed is said, with exit code 1.

Which fields are probed, says the schema; without --schema-map and --schema, the
collection's own validator does. --document FILE holds a document with what the
validator's other conditions demand. Without it, a scratch collection is made
without these conditions when a document of ciphertexts does not meet them.

The verdicts: enforced; not-enforced; undecided, when the server gave no usable
answer. The exit code is 3 unless every field is enforced.

` + schemaFilesHelp + `
` + schemaServerHelp + `
` + schemaOutputHelp + `Extended JSON has "collection", "path", "verdict", "reason" and "method".

` + schemaExitCodes,
		Example: `  fieldcrypt schema probe --schema-map schemas.json
  fieldcrypt schema probe --collection hr.employees --transaction --document valid.json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := f.schemas(cmd, true)
			if err != nil {
				return err
			}
			if document != "" {
				if opts.Document, err = readOne("reading the document "+document, document); err != nil {
					return err
				}
			}
			return f.run(cmd, "probing", func(ctx context.Context, s *schemaSession) error { return s.probe(ctx, all, opts) })
		},
	}
	f.registerFiles(cmd)
	f.registerServer(cmd)
	f.registerScreen(cmd)
	cmd.Flags().BoolVar(&opts.Transaction, "transaction", false, "write to the collection itself, in transactions that are aborted")
	cmd.Flags().StringVar(&document, "document", "", "`FILE` with a document that meets the validator's other conditions")
	_ = cmd.MarkFlagFilename("document", "json") // fails for unknown flags only
	return cmd
}

func (s *schemaSession) probe(ctx context.Context, all []namedSchema, opts enforce.ProbeOptions) error {
	enforced, fields := true, 0
	for _, named := range all {
		if named.doc != nil && !encrypts(named.doc) {
			s.note("the schema of %s encrypts nothing: not probed", named.namespace)
			continue
		}
		opts.Schema = named.doc
		report, err := enforce.Probe(ctx, s.client, named.namespace, opts)
		if report != nil {
			enforced = enforced && report.Enforced()
			fields += len(report.Fields)
			err = cmp.Or(err, s.verdicts(report))
		}
		if err != nil {
			return err
		}
	}
	if !enforced {
		return errFound
	}
	s.note("plaintext is refused in %s", plural(fields, "encrypted field"))
	return nil
}

func encrypts(doc bson.Raw) bool {
	s, err := schema.Parse(doc, schema.Remote)
	return err == nil && s.Encrypts()
}

// verdicts writes what became of one collection, also when the probe failed later.
func (s *schemaSession) verdicts(r *enforce.ProbeReport) error {
	namespace := r.Collection.Namespace
	if s.format == table {
		var lines [][]string
		for _, f := range r.Fields {
			lines = append(lines, []string{namespace, f.Path, string(f.Verdict), f.Reason})
		}
		if lines == nil {
			return nil
		}
		return s.columns([]string{"COLLECTION", "FIELD", "VERDICT", "REASON"}, lines)
	}
	for _, f := range r.Fields {
		if s.format == idsOnly && f.Verdict == enforce.Enforced {
			continue
		}
		doc := bson.D{{Key: "collection", Value: namespace}, {Key: "path", Value: f.Path}, {Key: "verdict", Value: string(f.Verdict)},
			{Key: "reason", Value: f.Reason}, {Key: "method", Value: r.Method}}
		if err := s.result(doc, escaped(namespace+": "+f.Path), nil); err != nil {
			return err
		}
	}
	return nil
}
