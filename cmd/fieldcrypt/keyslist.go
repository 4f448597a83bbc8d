package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
)

func newKeysList() *cobra.Command {
	var f keysFlags
	var filter string
	cmd := &cobra.Command{
		Use:   "list --key-vault DB.COLL [flags]",
		Short: "List data keys",
		Long: `list shows the data keys of the key vault, as they come, without holding them all
in memory. Documents that are no data keys are told on standard error; the exit
code is 1 then.

` + vaultHelp + `
` + keysExitCodes,
		Example: `  fieldcrypt keys list --key-vault encryption.__keyVault
  fieldcrypt keys list --key-vault encryption.__keyVault --filter '{"masterKey.provider": "aws:old"}' --quiet
  fieldcrypt keys list --key-vault encryption.__keyVault --json | jq -r '._id."$uuid"'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			doc, err := readFilter(filter)
			if err != nil {
				return err
			}
			return f.run(cmd, "listing data keys", func(ctx context.Context, s *keysSession) error { return s.list(ctx, doc) })
		},
	}
	f.register(cmd)
	registerFilter(cmd, &filter)
	return cmd
}

func registerFilter(cmd *cobra.Command, filter *string) {
	cmd.Flags().StringVar(filter, "filter", "", "`QUERY` on the documents of the key vault, in Extended JSON")
	noCompletion(cmd, "filter")
}

// readFilter reads a query; none is all.
func readFilter(text string) (any, error) {
	if text == "" {
		return bson.D{}, nil
	}
	doc, err := readOneFrom("reading --filter", strings.NewReader(text))
	return doc, err
}

func (s *keysSession) list(ctx context.Context, filter any) error {
	if s.format == table {
		if err := write(s.out, fmt.Appendf(nil, keyColumns, "ID", "PROVIDER", "CREATED", "UPDATED", "ALT NAMES")); err != nil {
			return err
		}
	}
	shown, bad := 0, 0
	err := s.store.Scan(ctx, filter, func(doc bson.Raw) error {
		key, err := keyvault.ParseDataKey(doc)
		if err != nil {
			bad++
			fmt.Fprintf(s.errs, "fieldcrypt: no data key: %s\n", escaped(keyvault.NewUnreadable(doc, err).Err.Error()))
			return nil
		}
		shown++
		return s.keyLine(key)
	})
	switch {
	case err != nil:
		return err
	case bad > 0:
		return fmt.Errorf("%s of %s cannot be read", plural(bad, "document"), s.flags.keyVault)
	case shown == 0:
		s.note("no data keys in %s", s.flags.keyVault)
	}
	return nil
}
