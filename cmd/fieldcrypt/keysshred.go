package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

func newKeysShred() *cobra.Command {
	var f keysFlags
	var d doomed
	var opts fieldcrypt.ShredOptions
	var expiration time.Duration
	cmd := &cobra.Command{
		Use:   "shred (ID | --alt-name NAME)... --key-vault DB.COLL [flags]",
		Short: "Destroy data keys for good, with a receipt",
		Long: `shred destroys what was encrypted with data keys by destroying the keys
(crypto-shredding), such as all data of a person who has a key of their own. It
deletes a key, reads with majority read concern that it is gone, and prints a
receipt: key id and alt names, time, who asked for it, SHA-256 of the deleted
document's BSON as it was stored, by which it can be found in a backup.

Two places it does not reach. Clients that have the key in memory use it until
"cachesExpire". And backups of the key vault have the document.

Keys that do not exist are told at the end, with exit code 1, when the others are
shredded: after an interrupt the same command goes on.

It asks first; without a terminal it demands --yes. The exit code is 1 too when a
key was deleted but that could not be verified.

` + vaultHelp + `
` + keysExitCodes,
		Example: `  fieldcrypt keys shred --key-vault encryption.__keyVault --alt-name person-4711 --requested-by 'request 2026-17' >> receipts.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, err := d.ids(args)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("key-expiration") {
				if opts.KeyExpiration = &expiration; expiration < 0 {
					return badUsage("", "--key-expiration: expected a duration that is not negative")
				}
			}
			return f.run(cmd, "shredding data keys", func(ctx context.Context, s *keysSession) error {
				return d.destroy(ctx, s, cmd.InOrStdin(), "Shred", ids, func(id payload.KeyID) error { return s.shred(ctx, id, opts) })
			})
		},
	}
	f.register(cmd)
	f.registerYes(cmd)
	d.register(cmd)
	cmd.Flags().StringVar(&opts.RequestedBy, "requested-by", "", "`TEXT` for the receipt: who asked for it, or the number of a request")
	cmd.Flags().DurationVar(&expiration, "key-expiration", time.Minute, "the longest that any client keeps a key in memory; 0 is for ever")
	noCompletion(cmd, "requested-by", "key-expiration")
	return cmd
}

func (s *keysSession) shred(ctx context.Context, id payload.KeyID, opts fieldcrypt.ShredOptions) error {
	receipt, err := s.ShredKey(ctx, id.Binary(), opts)
	if receipt == nil {
		return err
	}
	expire := "never: until they are closed"
	if receipt.CachesExpire != nil {
		expire = when(*receipt.CachesExpire)
	}
	rows := []row{
		{"shredded", receipt.KeyID}, {"alt names", nameList(receipt.KeyAltNames)}, {"requested by", receipt.RequestedBy}, {"deleted at", when(receipt.DeletedAt)},
		{"verified", fmt.Sprint(receipt.Verified)}, {"caches expire", expire}, {"SHA-256", receipt.DocumentSHA256},
	}
	written := s.result(receipt, receipt.KeyID, rows)
	if written != nil {
		fmt.Fprintf(s.errs, "fieldcrypt: data key %s was deleted at %s, document SHA-256 %s; the receipt could not be written\n",
			receipt.KeyID, when(receipt.DeletedAt), receipt.DocumentSHA256)
	}
	return cmp.Or(err, written) // the first says more
}
