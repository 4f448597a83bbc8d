package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

func newEncrypt() *cobra.Command {
	var f transformFlags
	var schemaFile, mapFile, ns string
	cmd := &cobra.Command{
		Use:   "encrypt {--schema FILE | --schema-map FILE [--ns DB.COLL]} --key-vault DB.COLL --kms-providers FILE [FILE]",
		Short: "Encrypt the documents of a file by a schema",
		Long: `encrypt reads documents, encrypts the fields that the schema names, as automatic
encryption does when they are inserted, and writes them. No document goes to a
server: what comes out can be imported with any tool.

A document that automatic encryption would refuse, such as one with a value of
another type than the schema's, or with a value that is encrypted already, ends
the run. Of a dump, the collections that --schema-map names are encrypted, and
all else is copied; a dump with an oplog is refused, because that holds documents
in plaintext.

` + filesHelp + providersHelp + `
` + transformExitCodes,
		Example: `  fieldcrypt encrypt --schema employee.json --key-vault encryption.__keyVault --kms-providers kms.yaml < plain.json > sealed.json
  fieldcrypt encrypt --schema-map schemas.json --ns hr.employees --key-vault encryption.__keyVault --kms-providers kms.yaml \
    --format bson dump/hr/employees.bson --out sealed.bson
  fieldcrypt encrypt --schema-map schemas.json --key-vault encryption.__keyVault --kms-providers kms.yaml dump --out sealed`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(args); err != nil {
				return err
			}
			if isDump(args) {
				return f.encryptDump(cmd, args[0], schemaFile, mapFile, ns)
			}
			doc, err := schemaDocument(schemaFile, mapFile, ns)
			if err != nil {
				return err
			}
			opts := fieldcrypt.AutoEncryptionOptions{SchemaMap: map[string]any{anyNamespace: doc}}
			return f.run(cmd, "encrypting", opts, func(ctx context.Context, engine *fieldcrypt.AutoEncryption, t *transform) error {
				t.change = encrypting(engine, anyNamespace)
				return t.files(ctx, cmd, args, f.out)
			})
		},
	}
	f.registerTransform(cmd)
	cmd.Flags().StringVar(&schemaFile, "schema", "", "`FILE` with the schema, in Extended JSON")
	cmd.Flags().StringVar(&mapFile, "schema-map", "", "`FILE` of schemas by DB.COLL, in Extended JSON")
	cmd.Flags().StringVar(&ns, "ns", "", "the collection, `DB.COLL`, of the schema map whose documents these are")
	_ = cmd.MarkFlagFilename("schema", "json")
	_ = cmd.MarkFlagFilename("schema-map", "json")
	_ = cmd.RegisterFlagCompletionFunc("ns", cobra.NoFileCompletions)
	return cmd
}

// anyNamespace is the collection that documents are encrypted for; none is called so.
const anyNamespace = "file.documents"

// schemaDocument reads the schema of the documents.
func schemaDocument(schemaFile, mapFile, ns string) (bson.Raw, error) {
	switch {
	case (schemaFile == "") == (mapFile == ""):
		return nil, badUsage("", "expected one of --schema and --schema-map")
	case mapFile == "" && ns != "":
		return nil, badUsage("", "--ns needs --schema-map")
	case schemaFile != "":
		if _, err := readSchema(schemaFile, schema.Local); err != nil {
			return nil, err
		}
		return readOne("reading schema "+schemaFile, schemaFile)
	case !isNamespace(ns):
		return nil, badUsage("such as --ns hr.employees", "--ns: expected DB.COLL")
	}
	all, err := readSchemaMap(mapFile, schema.Local)
	if err != nil {
		return nil, err
	}
	if all.docs[ns] == nil {
		return nil, badInput("reading schema map "+mapFile, "", "there is no schema of %s", printable(ns))
	}
	return all.docs[ns], nil
}

// encryptDump encrypts the collections of a dump that the schema map names. The others are copied.
func (f *transformFlags) encryptDump(cmd *cobra.Command, dir, schemaFile, mapFile, ns string) error {
	if schemaFile != "" || ns != "" || mapFile == "" {
		return badUsage("", "expected --schema-map, without --schema and --ns: the dump tells the names of the collections")
	}
	all, err := readSchemaMap(mapFile, schema.Local)
	if err != nil {
		return err
	}
	missing := map[string]bool{}
	opts := fieldcrypt.AutoEncryptionOptions{SchemaMap: map[string]any{}}
	for ns, doc := range all.docs {
		opts.SchemaMap[ns], missing[ns] = doc, true
	}
	return f.run(cmd, "encrypting", opts, func(ctx context.Context, engine *fieldcrypt.AutoEncryption, t *transform) error {
		if err := t.dump(ctx, dir, f.out, func(ns string) change {
			if all.docs[ns] == nil {
				return nil
			}
			delete(missing, ns)
			return encrypting(engine, ns)
		}); err != nil {
			return err
		}
		for _, ns := range slices.Sorted(maps.Keys(missing)) {
			t.note("%s is in the schema map and not in the dump", printable(ns))
		}
		return nil
	})
}

// encrypting encrypts documents as if they were inserted.
func encrypting(engine *fieldcrypt.AutoEncryption, ns string) change {
	db, coll, _ := strings.Cut(ns, ".")
	var cmd, sealed []byte
	return func(ctx context.Context, doc bson.Raw) (_ bson.Raw, err error) {
		var start, documents int
		cmd, start = bsonraw.Begin(cmd[:0])
		cmd = bsonraw.AppendValue(cmd, "insert", bson.RawValue{Type: bson.TypeString, Value: text(coll)})
		cmd, documents = bsonraw.BeginArray(cmd, "documents")
		cmd = bsonraw.AppendValue(cmd, "0", bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc})
		cmd = bsonraw.End(cmd, documents)
		cmd = bsonraw.End(cmd, start)
		if sealed, err = engine.AppendEncrypt(ctx, sealed[:0], db, cmd); err != nil {
			return nil, err
		}
		out, ok := bson.Raw(sealed).Lookup("documents", "0").DocumentOK()
		if !ok {
			return nil, errors.New("query analysis gave no document")
		}
		return out, nil
	}
}

// text is a BSON string.
func text(s string) []byte {
	_, data, _ := bson.MarshalValue(s) // a string always marshals
	return data
}
