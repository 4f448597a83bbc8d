package main

import (
	"github.com/spf13/cobra"
)

const schemaExitCodes = `Exit codes:
  0    done; nothing found
  1    the server or a file failed; not confirmed
  2    bad usage, or a file that is no schema where one is needed
  3    lint found a mistake, diff a difference, probe a field that is not
       enforced
  130  interrupted
  141  the reader of the output went away
`

// schemaServerHelp is the part of the help that all commands with a server share.
const schemaServerHelp = `The server is that of --uri or, better, of the environment variable
FIELDCRYPT_URI: a connection string holds a password, and arguments are visible
to other users and stay in the shell's history.
`

// schemaOutputHelp is the part of the help about how results are written.
const schemaOutputHelp = `Output is a table on a terminal, and Extended JSON (relaxed) otherwise or with
--json: one document per line. --quiet prints names only and no notes.
`

// schemaFilesHelp is the part of the help about the files.
const schemaFilesHelp = `Schemas: --schema-map FILE holds {"db.coll": SCHEMA, …}, --schema FILE one SCHEMA
for the collection of --collection. Files are Extended JSON v2. A SCHEMA is what
MongoDB's drivers take in schemaMap: {"bsonType": "object", "properties": {…}};
validation keywords may stand in it.
`

func newSchema() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Check encryption schemas, and have servers enforce them",
		Long: `schema works on encryption schemas: JSON Schemas whose keyword "encrypt" says
which fields a client encrypts. lint and validator need no server; apply, diff
and probe put schemas into the validators of collections, so that the server
refuses plaintext from clients that do not encrypt, compare them with what is
there, and find out whether the server really does it. In Go, schema.For makes
schemas of struct tags.

` + schemaExitCodes,
		Example: `  fieldcrypt schema lint schemas.json
  export FIELDCRYPT_URI='mongodb://admin:…@db.example.org/?tls=true'
  fieldcrypt schema apply --schema-map schemas.json --dry-run
  fieldcrypt schema diff --schema-map schemas.json
  fieldcrypt schema probe --schema-map schemas.json`,
		SuggestionsMinimumDistance: 2,
		RunE:                       runSubcommand,
	}
	cmd.AddCommand(newSchemaLint(), newSchemaValidator(), newSchemaApply(), newSchemaDiff(), newSchemaProbe())
	return cmd
}

// schemaFlags are the flags that the commands of schema share.
type schemaFlags struct {
	uri                           string
	schemaMap, schema, collection string
	asJSON, quiet, yes            bool
}

// registerScreen adds the flags that say how results are written.
func (f *schemaFlags) registerScreen(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print Extended JSON, also on a terminal")
	cmd.Flags().BoolVar(&f.quiet, "quiet", false, "print names only, no notes")
}

// registerServer adds the flag of commands that ask a server.
func (f *schemaFlags) registerServer(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.uri, "uri", "", "connection string, `URI`, of the server (default: $FIELDCRYPT_URI)")
	noCompletion(cmd, "uri")
}

// registerFiles adds the flags that name schemas.
func (f *schemaFlags) registerFiles(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.schemaMap, "schema-map", "", "`FILE` with schemas by collection")
	flags.StringVar(&f.schema, "schema", "", "`FILE` with the schema of --collection")
	flags.StringVar(&f.collection, "collection", "", "the collection, `DB.COLL`, of --schema")
	_ = cmd.MarkFlagFilename("schema-map", "json") // fails for unknown flags only
	_ = cmd.MarkFlagFilename("schema", "json")
	noCompletion(cmd, "collection")
}

func (f *schemaFlags) screen(cmd *cobra.Command) screen {
	return (&keysFlags{asJSON: f.asJSON, quiet: f.quiet}).screen(cmd)
}
