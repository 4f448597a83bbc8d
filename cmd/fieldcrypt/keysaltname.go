package main

import (
	"context"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
)

func newKeysAltName() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alt-name",
		Short: "Give a data key another name, or take one away",
		Long: `alt-name changes the names that a data key has besides its id. A name belongs to
one data key only: the key vault's unique index sees to it (ensure-vault).
`,
		Example: `  fieldcrypt keys alt-name add --key-vault encryption.__keyVault 2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e hr
  fieldcrypt keys alt-name remove --key-vault encryption.__keyVault 2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e hr`,
		SuggestionsMinimumDistance: 2,
		RunE:                       runSubcommand,
	}
	cmd.AddCommand(
		newKeysRename("add", "Give a data key one more name", "adding an alt name", (*fieldcrypt.ClientEncryption).AddKeyAltName),
		newKeysRename("remove", "Take a name from a data key", "removing an alt name", (*fieldcrypt.ClientEncryption).RemoveKeyAltName),
	)
	return cmd
}

// renaming is a method of ClientEncryption.
type renaming func(ce *fieldcrypt.ClientEncryption, ctx context.Context, id bson.Binary, keyAltName string) (*keyvault.DataKey, error)

func newKeysRename(verb, short, doing string, rename renaming) *cobra.Command {
	var f keysFlags
	cmd := &cobra.Command{
		Use:   verb + " ID NAME --key-vault DB.COLL [flags]",
		Short: short,
		Long: short + `,
and show the key as it is then. It is no error when nothing changes.

` + vaultHelp + `
` + keysExitCodes,
		Example: `  fieldcrypt keys alt-name ` + verb + ` --key-vault encryption.__keyVault 2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e hr`,
		Args:    exactArgs("the id of a data key", "an alt name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseKeyID(args[0])
			if err != nil {
				return err
			}
			return f.run(cmd, doing, func(ctx context.Context, s *keysSession) error {
				if _, err := rename(s.ClientEncryption, ctx, id.Binary(), args[1]); err != nil {
					return err
				}
				return s.showFound(s.GetKey(ctx, id.Binary()))
			})
		},
	}
	f.register(cmd)
	return cmd
}
