package main

import (
	"bytes"
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

// lintFlags are the flags of lint besides the shared ones.
type lintFlags struct {
	schemaFlags
	queries, db, indexes   string
	remote, online, strict bool
}

func newSchemaLint() *cobra.Command {
	var f lintFlags
	cmd := &cobra.Command{
		Use:   "lint FILE [flags]",
		Short: "Tell every mistake in encryption schemas, and give advice",
		Long: `lint checks a file that holds one encryption schema, or a schema map {"db.coll":
SCHEMA, …}. It tells every mistake with its path, not the first only, and what
to write instead. A schema is read as clients take it in schemaMap; --remote
reads it as the $jsonSchema of a validator, which may hold validation keywords
too.

Of schemas without mistakes it gives advice, as far as it knows enough:
  few-values              a deterministic field with few different values: who
                          counts equal ciphertexts learns which value is which.
                          By the field's name, or with --online by a sample of
                          the stored ciphertexts
  not-queried             a deterministic field that no query compares, of the
                          commands in the file of --queries (Extended JSON, one
                          after the other, as for analyze; --db for those
                          without $db)
  unique-index-on-random  a unique index keeps no equal values apart, since their
  index-on-random         ciphertexts differ; an index finds nothing by them. Of
                          the documents in the file of --indexes (as listIndexes
                          gives them, one after the other), or with --online
Advice alone gives exit code 0, with --strict 3.

--online asks the server for indexes and for at most 1000 documents of each
collection; no key is needed. One schema needs --collection then.

` + schemaServerHelp + `
` + schemaOutputHelp + `Extended JSON has "severity" ("mistake" or "advice"), "collection" (of a map),
"rule" (of advice), "path", "message" and "hint".

` + schemaExitCodes,
		Example: `  fieldcrypt schema lint schemas.json
  fieldcrypt schema lint employees.json --queries commands.json --db hr --strict
  fieldcrypt schema lint schemas.json --online --json | jq -r .path`,
		Args: exactArgs("a FILE with a schema or a schema map"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.lint(cmd, args[0]) },
	}
	f.registerScreen(cmd)
	f.registerServer(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&f.remote, "remote", false, "read schemas as collection validators")
	flags.StringVar(&f.queries, "queries", "", "`FILE` with commands that the application sends")
	flags.StringVar(&f.db, "db", "", "database `NAME` of commands without $db")
	flags.StringVar(&f.indexes, "indexes", "", "`FILE` with the indexes of the collection")
	flags.BoolVar(&f.online, "online", false, "ask the server for indexes and a sample")
	flags.StringVar(&f.collection, "collection", "", "the collection, `DB.COLL`, that the schema is for")
	flags.BoolVar(&f.strict, "strict", false, "advice counts as a mistake for the exit code")
	noCompletion(cmd, "db", "collection")
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"json"}, cobra.ShellCompDirectiveFilterFileExt
	}
	return cmd
}

// finding is one thing that lint tells.
type finding struct {
	namespace, severity, rule, path, message, hint string
}

func (f *lintFlags) lint(cmd *cobra.Command, file string) error {
	if cmd.Flags().Changed("collection") && !isNamespace(f.collection) {
		return badUsage("such as --collection hr.employees", "--collection: expected DB.COLL")
	}
	all, err := readAnySchemas(file)
	if err != nil {
		return err
	}
	if len(all) == 1 && all[0].namespace == "" {
		all[0].namespace = f.collection
	}
	if f.indexes != "" && len(all) > 1 {
		return badUsage("lint the schemas one by one, or use --online", "--indexes is of one collection, the file has %d schemas", len(all))
	}
	var findings []finding
	sound := map[int]*schema.Schema{}
	for i, s := range all {
		compiled, mistakes := schema.Lint(s.doc, f.origin())
		for _, m := range mistakes {
			findings = append(findings, finding{s.namespace, "mistake", "", m.Path, m.Message, m.Hint})
		}
		if len(mistakes) == 0 {
			sound[i] = compiled
		}
	}
	usages, err := f.usages(cmd, all, sound)
	if err != nil {
		return err
	}
	mistakes := len(findings)
	for i, s := range all {
		for _, a := range sound[i].Advise(usages[i]) {
			findings = append(findings, finding{s.namespace, "advice", a.Rule, a.Path, a.Message, a.Hint})
		}
	}
	screen := f.screen(cmd)
	if err := screen.findings(findings); err != nil {
		return err
	}
	screen.note("%s: %s, %s", file, plural(mistakes, "mistake"), plural(len(findings)-mistakes, "piece")+" of advice")
	if mistakes > 0 || f.strict && len(findings) > 0 {
		return errFound
	}
	return nil
}

func (f *lintFlags) origin() schema.Origin {
	if f.remote {
		return schema.Remote
	}
	return schema.Local
}

// usages are what is known of the collections of the schemas that are sound.
func (f *lintFlags) usages(cmd *cobra.Command, all []namedSchema, sound map[int]*schema.Schema) ([]schema.Usage, error) {
	usages := make([]schema.Usage, len(all))
	if f.queries != "" {
		if err := f.readQueries(all, sound, usages); err != nil {
			return nil, err
		}
	}
	if f.indexes != "" {
		indexes, err := readMany("index", f.indexes)
		if err != nil {
			return nil, err
		}
		usages[0].Indexes = indexes
	}
	if !f.online {
		return usages, nil
	}
	if all[0].namespace == "" {
		return nil, badUsage("such as --collection hr.employees", "--online: expected --collection, since the file has one schema and no name")
	}
	return usages, f.run(cmd, "looking at the collections", func(ctx context.Context, s *schemaSession) error {
		for i := range all {
			if err := s.look(ctx, all[i].namespace, sound[i], &usages[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// findings writes them all.
func (s *screen) findings(all []finding) error {
	if s.format == table {
		var b bytes.Buffer
		for _, f := range all {
			at := f.path
			if at == "" {
				at = "the root"
			}
			if f.namespace != "" {
				at = f.namespace + ": " + at
			}
			fmt.Fprintf(&b, "%s  %s: %s\n", f.severity, escaped(at), escaped(f.message))
			fmt.Fprintf(&b, "         %s\n", escaped(f.hint))
		}
		return write(s.out, b.Bytes())
	}
	for _, f := range all {
		doc := bson.D{{Key: "severity", Value: f.severity}}
		for _, field := range []struct{ name, text string }{{"collection", f.namespace}, {"rule", f.rule}} {
			if field.text != "" {
				doc = append(doc, bson.E{Key: field.name, Value: field.text})
			}
		}
		doc = append(doc, bson.E{Key: "path", Value: f.path}, bson.E{Key: "message", Value: f.message}, bson.E{Key: "hint", Value: f.hint})
		if err := s.result(doc, printable(f.path), nil); err != nil {
			return err
		}
	}
	return nil
}
