package main

import (
	"context"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
)

func newDecrypt() *cobra.Command {
	var f transformFlags
	var keep bool
	cmd := &cobra.Command{
		Use:   "decrypt --key-vault DB.COLL --kms-providers FILE [FILE]",
		Short: "Decrypt the documents of a file",
		Long: `decrypt reads documents, decrypts every encrypted value in them, wherever it
stands, and writes them: the way back from encrypt, or from a dump or an export
of a collection. It needs no schema.

A value whose data key is not in the key vault, or whose KMS denies access, ends
the run; with --keep it stays as it is. A value that was altered always ends it.

` + filesHelp + providersHelp + `
` + transformExitCodes,
		Example: `  fieldcrypt decrypt --key-vault encryption.__keyVault --kms-providers kms.yaml < sealed.json > plain.json
  fieldcrypt decrypt --key-vault encryption.__keyVault --kms-providers kms.yaml --format bson dump/hr/employees.bson --out plain.bson
  fieldcrypt decrypt --key-vault encryption.__keyVault --kms-providers kms.yaml dump --out plain`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(args); err != nil {
				return err
			}
			opts := fieldcrypt.AutoEncryptionOptions{BypassAutoEncryption: true, Undecryptable: fieldcrypt.Fail}
			if keep {
				opts.Undecryptable = fieldcrypt.Keep
			}
			return f.decrypt(cmd, args, opts)
		},
	}
	f.registerTransform(cmd)
	cmd.Flags().BoolVar(&keep, "keep", false, "leave values as they are whose key cannot be had")
	return cmd
}

func (f *transformFlags) decrypt(cmd *cobra.Command, args []string, opts fieldcrypt.AutoEncryptionOptions) error {
	return f.run(cmd, "decrypting", opts, func(ctx context.Context, engine *fieldcrypt.AutoEncryption, t *transform) error {
		var opened []byte
		open := func(ctx context.Context, doc bson.Raw) (_ bson.Raw, err error) {
			opened, err = engine.AppendDecrypt(ctx, opened[:0], doc)
			return opened, err
		}
		var err error
		if isDump(args) {
			err = t.dump(ctx, args[0], f.out, func(string) change { return open })
		} else {
			t.change = open
			err = t.files(ctx, cmd, args, f.out)
		}
		if n := engine.Undecryptable(); n > 0 {
			t.note("%s left encrypted: their data keys cannot be had", plural(int(n), "value"))
		}
		return err
	})
}
