package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema/enforce"
)

func newSchemaApply() *cobra.Command {
	var f schemaFlags
	var opts enforce.Options
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "apply (--schema-map FILE | --schema FILE --collection DB.COLL) [flags]",
		Short: "Set schemas as validators of their collections",
		Long: `apply has the server enforce encryption schemas: it merges each with the
validator that its collection has, as "fieldcrypt help schema validator" tells,
shows the difference, asks, and sets it by collMod. Where nothing differs it
does nothing, so that it can be run again. It reads afterwards that the server
has kept the validator; probe finds out whether it enforces it.

A validator that encrypts nothing any more of what it did shows as lines with
"-": read the difference. Documents that are stored already are not looked at,
but with validationLevel strict, those that hold plaintext cannot be changed any
more, except by writing ciphertexts: encrypt them first, or choose --level
moderate.

It asks before it changes anything; without a terminal it demands --yes. What
somebody else has changed since it showed the difference is not overwritten but
an error, except in the milliseconds of collMod itself, which knows no condition:
let programs that set validators take turns.

` + schemaFilesHelp + `
` + schemaServerHelp + `
` + schemaOutputHelp + `The difference is shown on standard error. Extended JSON has "collection",
"action" ("collMod", "create" or "none"), "applied", "validator",
"validationLevel", "validationAction".

` + schemaExitCodes,
		Example: `  fieldcrypt schema apply --schema-map schemas.json --dry-run
  fieldcrypt schema apply --schema employees.json --collection hr.employees --create --yes`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("level", opts.Level, "strict", "moderate", "off"); err != nil {
				return err
			}
			if err := oneOf("action", opts.Action, "error", "warn", "errorAndLog"); err != nil {
				return err
			}
			all, err := f.schemas(cmd, false)
			if err != nil {
				return err
			}
			return f.run(cmd, "setting validators", func(ctx context.Context, s *schemaSession) error { return s.apply(ctx, cmd, all, opts, dryRun) })
		},
	}
	f.registerFiles(cmd)
	f.registerServer(cmd)
	f.registerScreen(cmd)
	flags := cmd.Flags()
	flags.StringVar(&opts.Level, "level", "", "validationLevel `strict|moderate|off` (default: as it is)")
	flags.StringVar(&opts.Action, "action", "", "validationAction `error|warn|errorAndLog` (default: as it is)")
	flags.BoolVar(&opts.Approximate, "approximate", false, "ask for binary data, for servers that do not know encrypt")
	flags.BoolVar(&opts.Create, "create", false, "make collections that do not exist")
	flags.BoolVar(&dryRun, "dry-run", false, "show the difference and change nothing")
	flags.BoolVar(&f.yes, "yes", false, "do not ask")
	_ = cmd.RegisterFlagCompletionFunc("level", cobra.FixedCompletions([]string{"strict", "moderate", "off"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("action", cobra.FixedCompletions([]string{"error", "warn", "errorAndLog"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// oneOf checks the value of a flag; none is fine.
func oneOf(flag, value string, allowed ...string) error {
	if value == "" {
		return nil
	}
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return badUsage("", "--%s: expected one of %s", flag, strings.Join(allowed, ", "))
}

func (s *schemaSession) apply(ctx context.Context, cmd *cobra.Command, all []namedSchema, opts enforce.Options, dryRun bool) error {
	var plans []*enforce.Plan
	changes := 0
	for _, named := range all {
		p, err := enforce.MakePlan(ctx, s.client, named.namespace, named.doc, opts)
		if err != nil {
			return err
		}
		plans = append(plans, p)
		if p.Changes() {
			changes++
			s.showPlan(p)
		}
	}
	if changes > 0 && !dryRun {
		if err := s.ask(ctx, cmd.InOrStdin(), s.flags.yes, fmt.Sprintf("Change the validators of %s?", plural(changes, "collection"))); err != nil {
			return err
		}
	}
	for i, p := range plans {
		if p.Changes() && !dryRun {
			err := p.Apply(ctx, s.client)
			if err != nil && i > 0 {
				return fmt.Errorf("after %d of %d collections: %w", i, len(plans), err)
			}
			if err != nil {
				return err
			}
		}
		if err := s.planned(p, dryRun); err != nil {
			return err
		}
	}
	return nil
}

// showPlan shows a person what will differ.
func (s *schemaSession) showPlan(p *enforce.Plan) {
	verb := "changes"
	if !p.Before.Exists {
		verb = "will be made"
	}
	s.note("%s %s:", p.Before.Namespace, verb)
	before := bson.Raw{5, 0, 0, 0, 0}
	if p.Before.Validator != nil {
		before = p.Before.Validator
	}
	for _, line := range changedLines(before, p.After.Validator, "") {
		s.note("  %s", line)
	}
	for _, option := range []struct{ name, before, after string }{
		{"validationLevel", p.Before.Level, p.After.Level}, {"validationAction", p.Before.Action, p.After.Action},
	} {
		if option.before != option.after {
			s.note("  - %s: %s", option.name, option.before)
			s.note("  + %s: %s", option.name, option.after)
		}
	}
}

// changedLines are the innermost values in which two documents differ, "-" before and "+" after. An encrypt is shown as a whole.
func changedLines(before, after bson.Raw, path string) (lines []string) {
	show := func(sign, name string, v bson.RawValue) {
		lines = append(lines, fmt.Sprintf("%s %s: %s", sign, join(path, name), relaxed(v)))
	}
	for it := bsonraw.Iterate(before); it.Next(); {
		name, was := string(it.Element.Key), it.Element.RawValue()
		is, err := after.LookupErr(name)
		a, isDocA := was.DocumentOK()
		b, isDocB := is.DocumentOK()
		switch {
		case err != nil:
			show("-", name, was)
		case was.Type == is.Type && bytes.Equal(was.Value, is.Value):
		case isDocA && isDocB && name != "encrypt":
			lines = append(lines, changedLines(a, b, join(path, name))...)
		default:
			show("-", name, was)
			show("+", name, is)
		}
	}
	for it := bsonraw.Iterate(after); it.Next(); {
		if _, err := before.LookupErr(string(it.Element.Key)); err != nil {
			show("+", string(it.Element.Key), it.Element.RawValue())
		}
	}
	return lines
}

// relaxed is a value in relaxed Extended JSON.
func relaxed(v bson.RawValue) string {
	text, err := bson.MarshalExtJSON(bson.D{{Key: "v", Value: v}}, false, false)
	if err != nil {
		return "a value that cannot be shown"
	}
	return strings.TrimSuffix(strings.TrimPrefix(string(text), `{"v":`), "}")
}

// planned is the result for one collection.
func (s *schemaSession) planned(p *enforce.Plan, dryRun bool) error {
	action, shown := "collMod", "changed"
	switch {
	case !p.Changes():
		action, shown = "none", "as it should be"
	case !p.Before.Exists:
		action, shown = "create", "made"
	}
	if p.Changes() && dryRun {
		shown = "would be " + shown
	}
	doc := bson.D{
		{Key: "collection", Value: p.Before.Namespace}, {Key: "action", Value: action}, {Key: "applied", Value: p.Changes() && !dryRun},
		{Key: "validator", Value: p.After.Validator}, {Key: "validationLevel", Value: p.After.Level}, {Key: "validationAction", Value: p.After.Action},
	}
	return s.result(doc, p.Before.Namespace, []row{{p.Before.Namespace, shown}})
}
