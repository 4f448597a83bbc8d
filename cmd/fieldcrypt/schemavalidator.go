package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/schema"
	"github.com/fieldcrypt/fieldcrypt/schema/enforce"
)

func newSchemaValidator() *cobra.Command {
	var existing string
	var approximate bool
	cmd := &cobra.Command{
		Use:   "validator FILE [flags]",
		Short: "Print the validator that has a server refuse plaintext",
		Long: `validator makes of an encryption schema the validator of its collection, for
create or collMod: {"$jsonSchema": …} with the keyword "encrypt", which MongoDB
checks. Of a schema map it makes {"db.coll": VALIDATOR, …}. It needs no server;
apply does it for the validators that collections have.

--existing FILE is the present validator. Its other conditions are kept; what it
encrypts is replaced by what the schema encrypts, and what it says about the
plaintext of an encrypted field is left out, since no ciphertext could meet it.
A comparison with an encrypted field is refused.

--approximate writes {"bsonType": "binData"} in place of "encrypt", for servers
that do not know it. Such a server refuses strings and numbers, but takes any
binary data, and clients cannot read from it what to encrypt.

Output is one document of Extended JSON (relaxed), laid out over lines on a
terminal.

` + schemaExitCodes,
		Example: `  fieldcrypt schema validator employees.json
  fieldcrypt schema validator employees.json --existing validator.json --approximate`,
		Args: exactArgs("a FILE with a schema or a schema map"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return writeValidators(cmd, args[0], existing, approximate)
		},
	}
	cmd.Flags().StringVar(&existing, "existing", "", "`FILE` with the present validator, which is merged")
	cmd.Flags().BoolVar(&approximate, "approximate", false, "ask for binary data, for servers that do not know encrypt")
	_ = cmd.MarkFlagFilename("existing", "json") // fails for unknown flags only
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"json"}, cobra.ShellCompDirectiveFilterFileExt
	}
	return cmd
}

func writeValidators(cmd *cobra.Command, file, existing string, approximate bool) error {
	all, err := readAnySchemas(file)
	if err != nil {
		return err
	}
	opts := schema.ValidatorOptions{Approximate: approximate}
	if existing != "" {
		if len(all) > 1 {
			return badUsage("apply merges with the validators that collections have", "--existing is of one collection, the file has %d schemas", len(all))
		}
		if opts.Existing, err = readOne("reading the validator "+existing, existing); err != nil {
			return err
		}
	}
	validators := bson.D{}
	for _, s := range all {
		if _, err := schema.Parse(s.doc, schema.Remote); err != nil {
			return badSchema("reading schemas "+file, s.namespace, err)
		}
		validator, err := enforce.Merge(cmp.Or(s.namespace, "db.coll"), s.doc, opts)
		if err != nil {
			f := &failure{doing: "making the validator", wrong: err.Error()}
			errors.As(schemaFailure(f.doing, err), &f)
			f.code = exitUsage
			return f
		}
		validators = append(validators, bson.E{Key: s.namespace, Value: validator})
	}
	var doc any = validators
	if len(all) == 1 && all[0].namespace == "" {
		doc = validators[0].Value
	}
	text, err := bson.MarshalExtJSON(doc, false, false)
	if err != nil {
		return &failure{code: exitFailure, doing: "writing the validator", wrong: "it cannot be written as Extended JSON"}
	}
	out := cmd.OutOrStdout()
	if isTerminal(out) {
		var b bytes.Buffer
		_ = json.Indent(&b, text, "", "  ") // it was just written
		text = b.Bytes()
	}
	return write(out, append(text, '\n'))
}
