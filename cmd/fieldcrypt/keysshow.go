package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
)

func newKeysShow() *cobra.Command {
	var f keysFlags
	cmd := &cobra.Command{
		Use:   "show ID --key-vault DB.COLL [flags]",
		Short: "Show the data key with this id",
		Long: `show shows one data key. ID is its UUID: as text, as {"$uuid": "…"} or
{"$binary": …}, or in base64.

` + vaultHelp + `
` + keysExitCodes,
		Example: `  fieldcrypt keys show --key-vault encryption.__keyVault 2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e`,
		Args:    exactArgs("the id of a data key"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseKeyID(args[0])
			if err != nil {
				return err
			}
			return f.run(cmd, "looking for data key "+id.String(), func(ctx context.Context, s *keysSession) error {
				return s.showFound(s.GetKey(ctx, id.Binary()))
			})
		},
	}
	f.register(cmd)
	return cmd
}

func newKeysGetByName() *cobra.Command {
	var f keysFlags
	cmd := &cobra.Command{
		Use:   "get-by-name NAME --key-vault DB.COLL [flags]",
		Short: "Show the data key with this alt name",
		Long: `get-by-name shows the data key that has the alt name NAME.

` + vaultHelp + `
` + keysExitCodes,
		Example: `  fieldcrypt keys get-by-name --key-vault encryption.__keyVault hr`,
		Args:    exactArgs("an alt name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd, "looking for a data key by its alt name", func(ctx context.Context, s *keysSession) error {
				return s.showFound(s.GetKeyByAltName(ctx, args[0]))
			})
		},
	}
	f.register(cmd)
	return cmd
}

func (s *keysSession) showFound(key *keyvault.DataKey, err error) error {
	if err != nil {
		return err
	}
	return s.key(key)
}

// exactArgs wants the arguments that are named, without repeating what it gets.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return badUsage("", "expected %s", names[len(args)])
		case len(args) > len(names):
			return badUsage("quote an argument with spaces in it", "expected %s, got %d", plural(len(names), "argument"), len(args))
		}
		return nil
	}
}
