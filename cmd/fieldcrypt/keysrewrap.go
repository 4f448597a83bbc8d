package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
)

// rewrapFlags are the flags of rewrap.
type rewrapFlags struct {
	keysFlags
	masterKey masterKeyFlags
	all       bool
	filter    string
	batch     int
}

func newKeysRewrap() *cobra.Command {
	var f rewrapFlags
	cmd := &cobra.Command{
		Use:   "rewrap (ID... | --filter QUERY | --all) --key-vault DB.COLL --kms-providers FILE [flags]",
		Short: "Wrap data keys anew, under the same or another master key",
		Long: `rewrap unwraps data keys and wraps them again: under their present master key,
in the version that now wraps, which is how they follow its rotation inside the
KMS, or under the one of --provider and --master-key. The data keys do not
change, so no data needs to be encrypted again.

Each new wrapping is proven before the old one is replaced, and a key that
somebody else rewraps meanwhile is left alone. Keys are written in batches.
Whatever happens, every key can be read, and rewrap can be run again: after an
interrupt, too. With --filter on the old provider a second run goes on where the
first one stopped.

It asks first when more than one key is concerned; without a terminal it demands
--yes then. Extended JSON is one document: {"matched": N, "rewrapped": N,
"notRewrapped": [{"_id": {"$uuid": S}, "outcome": S}, …]}.

` + masterKeyHelp + `
` + vaultHelp + providersHelp + `
` + keysExitCodes,
		Example: `  fieldcrypt keys rewrap --all --key-vault encryption.__keyVault --kms-providers kms.yaml
  fieldcrypt keys rewrap --key-vault encryption.__keyVault --kms-providers kms.yaml \
    --filter '{"masterKey.provider": "local"}' --provider aws --master-key '{"region": "eu-west-1", "key": "alias/fields"}'`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.rewrap(cmd, args) },
	}
	f.register(cmd)
	f.registerKMS(cmd)
	f.registerYes(cmd)
	registerFilter(cmd, &f.filter)
	f.masterKey.register(cmd, "`ID` of the KMS provider to wrap with (default: each key's present one, and its present master key)")
	cmd.Flags().BoolVar(&f.all, "all", false, "all data keys")
	cmd.Flags().IntVar(&f.batch, "batch", 1000, "how many keys `N` are written at a time")
	noCompletion(cmd, "batch")
	return cmd
}

func (f *rewrapFlags) rewrap(cmd *cobra.Command, args []string) error {
	filter, err := f.query(args)
	if err != nil {
		return err
	}
	opts := fieldcrypt.RewrapManyDataKeyOptions{Provider: f.masterKey.provider, BatchSize: f.batch}
	if opts.MasterKey, err = f.masterKey.read(); err != nil {
		return err
	}
	switch {
	case opts.MasterKey != nil && opts.Provider == "":
		return badUsage("", "--master-key needs --provider")
	case f.batch < 1:
		return badUsage("", "--batch: expected a number that is at least 1")
	}
	return f.run(cmd, "rewrapping data keys", func(ctx context.Context, s *keysSession) error {
		n, err := s.count(ctx, filter)
		if err != nil {
			return err
		}
		if missing := int64(len(args)) - n; missing > 0 {
			return &failure{code: exitFailure, doing: "looking for data keys", wrong: fmt.Sprintf("%d of %d are not there, nothing was changed", missing, len(args))}
		}
		if n > 1 {
			if err := s.confirm(ctx, cmd.InOrStdin(), fmt.Sprintf("Rewrap %d data keys of %s?", n, f.keyVault)); err != nil {
				return err
			}
		}
		return s.rewrap(ctx, filter, n, opts)
	})
}

// query is which keys are meant: exactly one way to say it.
func (f *rewrapFlags) query(args []string) (any, error) {
	ways := 0
	for _, way := range []bool{len(args) > 0, f.all, f.filter != ""} {
		if way {
			ways++
		}
	}
	if ways != 1 {
		return nil, badUsage("", "expected one of ids, --filter and --all")
	}
	if len(args) == 0 {
		return readFilter(f.filter)
	}
	ids, err := keyIDs(args)
	if len(sorted(ids)) < len(args) && err == nil {
		return nil, badUsage("", "an id is given twice")
	}
	in := bson.A{}
	for _, id := range ids {
		in = append(in, id.Binary())
	}
	return bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: in}}}}, err
}

func (s *keysSession) rewrap(ctx context.Context, filter any, total int64, opts fieldcrypt.RewrapManyDataKeyOptions) error {
	p := s.progress("data keys", total)
	opts.Progress = func(proven int) { p.at(int64(proven)) }
	result, err := s.RewrapManyDataKey(ctx, filter, opts)
	p.end()
	rewrapped := int64(0)
	if result != nil && result.BulkWriteResult != nil {
		rewrapped = result.MatchedCount
	}
	left := bson.A{}
	rows := []row{{"rewrapped", fmt.Sprintf("%d of %s", rewrapped, plural(int(total), "data key"))}}
	if failed := (*fieldcrypt.RewrapError)(nil); errors.As(err, &failed) {
		for _, id := range sorted(slices.Collect(maps.Keys(failed.Keys))) {
			outcome := string(failed.Keys[id])
			left = append(left, bson.D{{Key: "_id", Value: uuid(id)}, {Key: "outcome", Value: outcome}})
			rows = append(rows, row{outcome, id.String()})
		}
	}
	doc := bson.D{{Key: "matched", Value: total}, {Key: "rewrapped", Value: rewrapped}, {Key: "notRewrapped", Value: left}}
	written := s.result(doc, "", rows)
	if err != nil && rewrapped < total {
		s.note("%d of %s rewrapped; the others can be read as before", rewrapped, plural(int(total), "data key"))
	}
	return cmp.Or(err, written) // the first says more
}
