package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// doomed are the data keys that a command is to destroy.
type doomed struct{ names []string }

func (d *doomed) register(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&d.names, "alt-name", nil, "`NAME` of a key in place of its id; may be given several times")
	noCompletion(cmd, "alt-name")
}

// find gives the ids of those that exist, and what was asked for and does not.
func (d *doomed) find(ctx context.Context, s *keysSession, asked []payload.KeyID) (ids []payload.KeyID, missing []string, err error) {
	for _, name := range d.names {
		key, err := s.GetKeyByAltName(ctx, name)
		switch {
		case errors.Is(err, keyvault.ErrNotFound):
			missing = append(missing, "alt name "+printable(name))
		case err != nil:
			return nil, nil, err
		default:
			ids = append(ids, key.ID)
		}
	}
	for _, id := range sorted(asked) {
		n, err := s.count(ctx, bson.D{{Key: "_id", Value: id.Binary()}})
		switch {
		case err != nil:
			return nil, nil, err
		case n == 0:
			missing = append(missing, id.String())
		default:
			ids = append(ids, id)
		}
	}
	return sorted(ids), missing, nil
}

// sorted orders ids and drops those that are there already.
func sorted(ids []payload.KeyID) []payload.KeyID {
	slices.SortFunc(ids, func(a, b payload.KeyID) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(ids)
}

// destroy asks, then destroys one key after the other. A key that is not there keeps no other from it: after an interrupt the same command goes on. But it
// is told, and the exit code is not 0.
func (d *doomed) destroy(ctx context.Context, s *keysSession, in io.Reader, verb string, asked []payload.KeyID, one func(payload.KeyID) error) error {
	ids, missing, err := d.find(ctx, s, asked)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return notThere(missing, 0)
	}
	question := fmt.Sprintf("%s %s of %s%s? Nobody will be able to decrypt what was encrypted with it.", verb, plural(len(ids), "data key"), s.flags.keyVault, besides(missing))
	if err := s.confirm(ctx, in, question); err != nil {
		return err
	}
	done := 0
	for i, id := range ids {
		err := ctx.Err()
		if err == nil {
			err = one(id)
		}
		switch {
		case errors.Is(err, keyvault.ErrNotFound): // somebody else was faster
			missing = append(missing, id.String())
		case err != nil && len(ids) > 1:
			return fmt.Errorf("data key %s, after %d of %d: %w", id, i, len(ids), err)
		case err != nil:
			return err
		default:
			done++
		}
	}
	if len(missing) > 0 {
		return notThere(missing, done)
	}
	return nil
}

func besides(missing []string) string {
	if len(missing) == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d more not found)", len(missing))
}

// notThere is about the keys that were asked for and do not exist; done is how many others were destroyed.
func notThere(missing []string, done int) *failure {
	f := &failure{code: exitFailure, doing: "looking for data key " + strings.Join(missing, ", "), wrong: "there is no such data key, nothing was changed"}
	if done > 0 {
		f.wrong = fmt.Sprintf("there is no such data key; %s destroyed", plural(done, "other"))
		f.hint = "if a run before this one was interrupted, its output tells what it destroyed"
	}
	return f
}

func (d *doomed) ids(args []string) ([]payload.KeyID, error) {
	if len(args)+len(d.names) == 0 {
		return nil, badUsage("", "expected the id of a data key, or --alt-name")
	}
	return keyIDs(args)
}

func newKeysDelete() *cobra.Command {
	var f keysFlags
	var d doomed
	cmd := &cobra.Command{
		Use:   "delete (ID | --alt-name NAME)... --key-vault DB.COLL [flags]",
		Short: "Delete data keys; what they encrypted is lost",
		Long: `delete removes data keys from the key vault. What they encrypted can be decrypted
by nobody any more, once no client's memory and no backup of the key vault holds
them. shred does the same with proof.

Keys that do not exist are told at the end, with exit code 1, when the others are
deleted: after an interrupt the same command goes on.

It asks first; without a terminal it demands --yes.

` + vaultHelp + `
` + keysExitCodes,
		Example: `  fieldcrypt keys delete --key-vault encryption.__keyVault 2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e
  fieldcrypt keys delete --key-vault encryption.__keyVault --alt-name test --yes`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, err := d.ids(args)
			if err != nil {
				return err
			}
			return f.run(cmd, "deleting data keys", func(ctx context.Context, s *keysSession) error {
				return d.destroy(ctx, s, cmd.InOrStdin(), "Delete", ids, func(id payload.KeyID) error { return s.delete(ctx, id) })
			})
		},
	}
	f.register(cmd)
	f.registerYes(cmd)
	d.register(cmd)
	return cmd
}

func (s *keysSession) delete(ctx context.Context, id payload.KeyID) error {
	n, err := s.DeleteKey(ctx, id.Binary())
	if err != nil {
		return err
	}
	if n == 0 {
		return keyvault.ErrNotFound
	}
	doc := bson.D{{Key: "_id", Value: uuid(id)}, {Key: "deleted", Value: n}}
	return s.result(doc, id.String(), []row{{"deleted", fmt.Sprintf("%s (%s)", id, plural(int(n), "document"))}})
}
