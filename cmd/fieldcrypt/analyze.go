package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/analyze"
)

func newAnalyze() *cobra.Command {
	var f analysisFlags
	cmd := &cobra.Command{
		Use:   "analyze (--schema-map FILE | --schema FILE) [flags] < commands",
		Short: "Seal the encrypted fields of commands, or say why not; for scripts",
		Long: `analyze does the query analysis of automatic encryption: it reads commands and
prints, for each, the same command with every plaintext value that belongs to an
encrypted field sealed in a marking, or why the command is refused. A marking is
BSON binary subtype 6 that begins with a zero byte and holds algorithm, key and
plaintext; a driver turns it into a ciphertext. The output is therefore as
secret as the input.

` + flagsHelp + `
Output: for each command, as soon as it is read, one line of canonical Extended
JSON v2. An analysed command:
  {"hasEncryptionPlaceholders":BOOL,"schemaRequiresEncryption":BOOL,"result":{…}}
hasEncryptionPlaceholders says whether anything was sealed,
schemaRequiresEncryption whether a schema of the command's collections encrypts.
"result" is the command; nothing but sealed values differs from the input, unless
--rewrite exact is given. Commands that carry no values of documents, such as
ping, pass as they are, with false and false. A refused command:
  {"refused":{"rule":S,"path":S,"operator":S,"message":S,"hint":S}}
All five are strings and always there, empty where there is nothing to say.
"rule" is stable and meant for programs, "path" is the dotted path of the field,
"hint" says what to do instead. A refusal never holds a value.

Bad input ends the program; the lines before it stay printed. Errors go to
standard error. An error names the command by its number, counted from 1, with
line, column and byte offset, but never holds a value.

` + exitCodes + `With several of them, the reason that ended the program counts: after a refused
command, input that is no command still gives 2. Standard input without any
command gives 2.`,
		Example: `  echo '{"find": "employees", "$db": "hr", "filter": {"ssn": "123-45-6789"}}' |
    fieldcrypt analyze --schema-map schemas.json

  # the commands that would be refused, by rule
  fieldcrypt analyze --schema employees.json --db hr < commands.json |
    jq -r '.refused.rule // empty' | sort | uniq -c`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := f.analysis(cmd)
			if err != nil {
				return err
			}
			return a.each(cmd.InOrStdin(), cmd.OutOrStdout(), analyze.Markings{}, outcome.line)
		},
	}
	f.register(cmd)
	return cmd
}

// line is the outcome as analyze prints it.
func (o outcome) line() ([]byte, error) {
	doc := bson.D{
		{Key: "hasEncryptionPlaceholders", Value: o.result.HasPlaceholders},
		{Key: "schemaRequiresEncryption", Value: o.result.RequiresEncryption},
		{Key: "result", Value: o.result.Command},
	}
	if r := o.refused; r != nil {
		doc = bson.D{{Key: "refused", Value: bson.D{
			{Key: "rule", Value: r.Rule}, {Key: "path", Value: r.Path}, {Key: "operator", Value: r.Operator},
			{Key: "message", Value: r.Message}, {Key: "hint", Value: r.Hint},
		}}}
	}
	text, err := bson.MarshalExtJSON(doc, true, false)
	if err != nil {
		// The encoder's error might quote a value.
		return nil, &failure{code: exitFailure, doing: fmt.Sprintf("writing command %d", o.n), wrong: "it cannot be written as Extended JSON"}
	}
	return append(text, '\n'), nil
}
