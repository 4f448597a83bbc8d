package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// errUnhealthy ends a check that found something; what it found is output.
var errUnhealthy = &failure{code: exitRefused}

func newKeysCheck() *cobra.Command {
	var f keysFlags
	var opts fieldcrypt.CheckKeyVaultOptions
	cmd := &cobra.Command{
		Use:   "check --key-vault DB.COLL --kms-providers FILE [flags]",
		Short: "Look for what is wrong with a key vault",
		Long: `check goes through the whole key vault and changes nothing. It finds ids and alt
names that several documents have, documents that are no data keys, keys of KMS
providers that are not in the file, keys that cannot be unwrapped, keys under an
old version of their master key, and a missing index.

To tell old versions some KMSs want a permission more than to unwrap: aws, for
aliases, kms:DescribeKey; azure get on the key; vault read on MOUNT/keys/KEY.
Without it the keys are counted as of unknown version, which is no problem to the
exit code. rewrap mends what is old.

Extended JSON is one document: {"keyVault": S, "documents": N, "index": S,
"complete": BOOL, "counts": {PROBLEM: N, …}, "findings": [{"problem": S,
"keyId": {"$uuid": S}, "altName": S, "provider": S, "reason": S}, …],
"unknownVersions": [{"provider": S, "keys": N, "reason": S}, …]}. An interrupted
check tells what it found so far. It can be run again.

` + vaultHelp + providersHelp + `
` + keysExitCodes,
		Example: `  fieldcrypt keys check --key-vault encryption.__keyVault --kms-providers kms.yaml
  fieldcrypt keys check --key-vault encryption.__keyVault --kms-providers kms.yaml --skip-kms --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if opts.Parallel < 1 || opts.MaxFindings < 1 {
				return badUsage("", "--parallel and --max-findings: expected a number that is at least 1")
			}
			return f.run(cmd, "checking the key vault", func(ctx context.Context, s *keysSession) error { return s.check(ctx, opts) })
		},
	}
	f.register(cmd)
	f.registerKMS(cmd)
	cmd.Flags().BoolVar(&opts.SkipKMS, "skip-kms", false, "do not ask the KMSs: keys are not unwrapped")
	cmd.Flags().IntVar(&opts.Parallel, "parallel", 8, "how many keys `N` are at their KMS at the same time")
	cmd.Flags().IntVar(&opts.MaxFindings, "max-findings", 1000, "how many findings `N` are listed; all are counted")
	noCompletion(cmd, "parallel", "max-findings")
	return cmd
}

func (s *keysSession) check(ctx context.Context, opts fieldcrypt.CheckKeyVaultOptions) error {
	total, err := s.count(ctx, bson.D{})
	if err != nil {
		return err
	}
	p := s.progress("documents", total)
	opts.Progress = p.at
	report, err := s.CheckKeyVault(ctx, opts)
	p.end()
	if err == nil {
		err = ctx.Err() // keys that were at their KMS then were not looked at
	}
	if report == nil {
		return err
	}
	if written := s.report(report, err == nil); written != nil {
		return written
	}
	switch {
	case err != nil:
		s.note("stopped after %d of %d documents", report.Documents, total)
		return err
	case !report.OK():
		return errUnhealthy
	}
	return nil
}

func (s *keysSession) report(r *fieldcrypt.KeyVaultReport, complete bool) error {
	hidden := s.providers.secrets
	switch s.format {
	case table:
		return write(s.out, reportText(r, s.flags.keyVault, complete, hidden))
	case idsOnly:
		return write(s.out, findingIDs(r))
	}
	counts, findings := bson.D{}, bson.A{}
	for _, problem := range slices.Sorted(maps.Keys(r.Counts)) {
		counts = append(counts, bson.E{Key: string(problem), Value: r.Counts[problem]})
	}
	for _, f := range r.Findings {
		doc := bson.D{{Key: "problem", Value: string(f.Problem)}}
		if f.KeyID != (payload.KeyID{}) {
			doc = append(doc, bson.E{Key: "keyId", Value: uuid(f.KeyID)})
		}
		for _, field := range []struct{ name, text string }{{"altName", f.AltName}, {"provider", f.Provider}, {"reason", reason(f.Err, hidden)}} {
			if field.text != "" {
				doc = append(doc, bson.E{Key: field.name, Value: field.text})
			}
		}
		findings = append(findings, doc)
	}
	return s.result(bson.D{
		{Key: "keyVault", Value: s.flags.keyVault}, {Key: "documents", Value: r.Documents}, {Key: "index", Value: string(r.Index)},
		{Key: "complete", Value: complete}, {Key: "counts", Value: counts}, {Key: "findings", Value: findings},
		{Key: "unknownVersions", Value: unknownVersions(r, hidden)},
	}, "", nil)
}

// unknownVersions is of which keys it is not known whether their master key was rotated: the first reason of each provider.
func unknownVersions(r *fieldcrypt.KeyVaultReport, hidden secrets) bson.A {
	all := bson.A{}
	for _, provider := range slices.Sorted(maps.Keys(r.UnknownVersions)) {
		u := r.UnknownVersions[provider]
		doc := bson.D{{Key: "provider", Value: provider}, {Key: "keys", Value: u.Keys}}
		if text := reason(u.Reason, hidden); text != "" {
			doc = append(doc, bson.E{Key: "reason", Value: text})
		}
		all = append(all, doc)
	}
	return all
}

func reason(err error, hidden secrets) string {
	if err == nil {
		return ""
	}
	return hidden.hide(err.Error())
}

// findingIDs is the ids of keys with which something is wrong, each once.
func findingIDs(r *fieldcrypt.KeyVaultReport) []byte {
	seen := map[payload.KeyID]bool{{}: true}
	var b bytes.Buffer
	for _, f := range r.Findings {
		if !seen[f.KeyID] {
			seen[f.KeyID] = true
			fmt.Fprintln(&b, f.KeyID)
		}
	}
	return b.Bytes()
}

func reportText(r *fieldcrypt.KeyVaultReport, keyVault string, complete bool, hidden secrets) []byte {
	var b bytes.Buffer
	for _, f := range r.Findings {
		parts := []string{string(f.Problem)}
		if f.KeyID != (payload.KeyID{}) {
			parts = append(parts, f.KeyID.String())
		}
		if f.AltName != "" {
			parts = append(parts, printable(f.AltName))
		}
		if f.Err != nil {
			parts = append(parts, escaped(reason(f.Err, hidden)))
		}
		fmt.Fprintln(&b, strings.Join(parts, ": "))
	}
	total := int64(0)
	for _, n := range r.Counts {
		total += n
	}
	if more := total - int64(len(r.Findings)); more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	for _, provider := range slices.Sorted(maps.Keys(r.UnknownVersions)) {
		u := r.UnknownVersions[provider]
		parts := []string{"master key version unknown", plural(int(u.Keys), "data key") + " of " + printable(provider)}
		if u.Reason != nil {
			parts = append(parts, escaped(reason(u.Reason, hidden)))
		}
		fmt.Fprintln(&b, strings.Join(parts, ": "))
	}
	verdict := "no problem found"
	if total > 0 {
		verdict = plural(int(total), "problem") + " found"
	}
	if !complete {
		verdict += " so far; not all was looked at"
	}
	fmt.Fprintf(&b, "%s: %s, index on keyAltNames: %s, %s\n", keyVault, plural(int(r.Documents), "document"), r.Index, verdict)
	return b.Bytes()
}
