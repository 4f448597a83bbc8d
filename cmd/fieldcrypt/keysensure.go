package main

import (
	"context"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
)

func newKeysEnsureVault() *cobra.Command {
	var f keysFlags
	cmd := &cobra.Command{
		Use:   "ensure-vault --key-vault DB.COLL [flags]",
		Short: "Make the key vault and its unique index, unless they exist",
		Long: `ensure-vault makes the unique index on keyAltNames that keeps two data keys from
having the same name, and with it the collection. It changes nothing where they
exist.

` + vaultHelp + `
` + keysExitCodes,
		Example: `  fieldcrypt keys ensure-vault --key-vault encryption.__keyVault`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd, "making the key vault's index", func(ctx context.Context, s *keysSession) error {
				index, err := s.EnsureKeyVault(ctx)
				if err != nil {
					return err
				}
				if index == keyvault.IndexSparse {
					s.note("the server has no partial indexes, so it is a sparse one; some such servers do not compare names one by one")
				}
				doc := bson.D{{Key: "keyVault", Value: f.keyVault}, {Key: "index", Value: string(index)}}
				return s.result(doc, "", []row{{"key vault", f.keyVault}, {"unique index on keyAltNames", string(index)}})
			})
		},
	}
	f.register(cmd)
	return cmd
}
