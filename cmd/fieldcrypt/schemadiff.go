package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/schema"
	"github.com/fieldcrypt/fieldcrypt/schema/enforce"
)

func newSchemaDiff() *cobra.Command {
	var f schemaFlags
	cmd := &cobra.Command{
		Use:   "diff (--schema-map FILE | --schema FILE --collection DB.COLL) [flags]",
		Short: "Compare schemas with what every collection enforces",
		Long: `diff compares the schema map that clients have with the $jsonSchema in the
validator of every collection of the databases in it. It changes nothing. For
CI: exit code 3 when anything differs. What it finds:
  missing                a field is encrypted locally, not on the server
  weaker                 the server takes more types, or any binary data
  conflicting-key        another data key, or another pointer to its name
  conflicting-algorithm  another algorithm
  conflicting-type       the server refuses types that are encrypted locally
  extra                  a field is encrypted on the server only
  no-schema              the collection has no $jsonSchema
  no-collection          the collection does not exist
  lax                    validationLevel or validationAction lets plaintext pass
  unlisted               a collection with an encryption schema that is not in
                         the schema map; not with --schema
  unreadable             the collection's own schema is none, or it is a view

` + schemaFilesHelp + `
` + schemaServerHelp + `
` + schemaOutputHelp + `Extended JSON has "collection", "kind", "path", and "local" and "remote" with
"algorithm", "keyId" and "bsonType", or "message".

` + schemaExitCodes,
		Example: `  fieldcrypt schema diff --schema-map schemas.json
  fieldcrypt schema diff --schema employees.json --collection hr.employees --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := f.schemas(cmd, false)
			if err != nil {
				return err
			}
			return f.run(cmd, "comparing schemas", func(ctx context.Context, s *schemaSession) error { return s.diff(ctx, all) })
		},
	}
	f.registerFiles(cmd)
	f.registerServer(cmd)
	f.registerScreen(cmd)
	return cmd
}

func (s *schemaSession) diff(ctx context.Context, all []namedSchema) error {
	local := map[string]bson.Raw{}
	for _, named := range all {
		local[named.namespace] = named.doc
	}
	report, err := enforce.Drift(ctx, s.client, local)
	if err != nil {
		return err
	}
	var found []enforce.Finding
	for _, f := range report.Findings {
		if _, asked := local[f.Namespace]; asked || s.flags.schemaMap != "" {
			found = append(found, f)
		}
	}
	if err := s.differences(found); err != nil {
		return err
	}
	s.note("%s: %s", plural(len(all), "schema"), plural(len(found), "difference"))
	if len(found) > 0 {
		return errFound
	}
	return nil
}

func (s *schemaSession) differences(found []enforce.Finding) error {
	if s.format == table {
		var lines [][]string
		for _, f := range found {
			local, remote := encryptedText(f.Local), encryptedText(f.Remote)
			if f.Message != "" {
				local, remote = f.Message, ""
			}
			lines = append(lines, []string{f.Namespace, f.Path, string(f.Kind), local, remote})
		}
		if lines == nil {
			return nil
		}
		return s.columns([]string{"COLLECTION", "FIELD", "DIFFERENCE", "LOCAL", "SERVER"}, lines)
	}
	for _, f := range found {
		doc := bson.D{{Key: "collection", Value: f.Namespace}, {Key: "kind", Value: string(f.Kind)}}
		if f.Message != "" {
			doc = append(doc, bson.E{Key: "message", Value: f.Message})
		} else {
			doc = append(doc, bson.E{Key: "path", Value: f.Path}, bson.E{Key: "local", Value: encryptedDocument(f.Local)}, bson.E{Key: "remote", Value: encryptedDocument(f.Remote)})
		}
		name := f.Namespace
		if f.Path != "" {
			name += ": " + f.Path
		}
		if err := s.result(doc, escaped(name), nil); err != nil {
			return err
		}
	}
	return nil
}

// encryptedText says in few words how a field is encrypted.
func encryptedText(e *schema.Encrypted) string {
	if e == nil {
		return "-"
	}
	types := e.Types.String()
	if types == "" {
		types = "any type"
	}
	_, algorithm, _ := strings.Cut(e.Algorithm.String(), "SHA_512-")
	return fmt.Sprintf("%s, %s, key %s", algorithm, types, keyText(e))
}

func keyText(e *schema.Encrypted) string {
	if e.KeyPointer != "" {
		return printable(e.KeyPointer)
	}
	return e.KeyID.String()
}

func encryptedDocument(e *schema.Encrypted) any {
	if e == nil {
		return nil
	}
	types := bson.A{}
	for _, name := range strings.Split(e.Types.String(), ", ") {
		if name != "" {
			types = append(types, name)
		}
	}
	doc := bson.D{{Key: "algorithm", Value: e.Algorithm.String()}}
	if e.KeyPointer != "" {
		doc = append(doc, bson.E{Key: "keyId", Value: e.KeyPointer})
	} else {
		doc = append(doc, bson.E{Key: "keyId", Value: uuid(e.KeyID)})
	}
	return append(doc, bson.E{Key: "bsonType", Value: types})
}
