package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

func newExplain() *cobra.Command {
	var f analysisFlags
	cmd := &cobra.Command{
		Use:   "explain (--schema-map FILE | --schema FILE) [flags] < commands",
		Short: "Tell, field by field, what would be encrypted or why not; for people",
		Long: `explain takes the same input as analyze and tells a person what automatic
encryption would do with each command: which fields would be sealed, of what
BSON type, with which algorithm and key; or what was refused, why, and what to do
instead. It never shows a value.

` + flagsHelp + `
The text is for people; programs read the output of analyze.

` + exitCodes,
		Example: `  echo '{"find": "employees", "$db": "hr", "filter": {"ssn": {"$gt": "1"}}}' |
    fieldcrypt explain --schema-map schemas.json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := f.analysis(cmd)
			if err != nil {
				return err
			}
			e := &explanation{schemas: a.schemas, sealed: map[sealedField]int{}}
			return a.each(cmd.InOrStdin(), cmd.OutOrStdout(), e, e.text)
		},
	}
	f.register(cmd)
	return cmd
}

// explanation counts what the analysis of one command seals, then tells it.
type explanation struct {
	analyze.Markings
	schemas *schemas
	sealed  map[sealedField]int // values
}

var _ analyze.Sealer = (*explanation)(nil)

// sealedField is what values have in common that are sealed alike.
type sealedField struct {
	path, key string
	bsonType  bson.Type
	algorithm payload.Algorithm
}

// Seal appends a marking and counts it.
func (e *explanation) Seal(dst []byte, field *schema.Encrypted, value bson.RawValue) ([]byte, error) {
	f := sealedField{path: field.Path, key: "id " + field.KeyID.String(), bsonType: value.Type, algorithm: field.Algorithm}
	if field.KeyAltName != "" {
		f.key = "alt name " + printable(field.KeyAltName)
	}
	e.sealed[f]++
	return e.Markings.Seal(dst, field, value)
}

// text tells what became of a command and forgets what was sealed in it.
func (e *explanation) text(o outcome) ([]byte, error) {
	var b bytes.Buffer
	if o.n > 1 {
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "command %d: %s", o.n, printable(o.target.Command))
	if len(o.target.Namespaces) > 0 {
		fmt.Fprintf(&b, " on %s", printable(o.target.Namespaces[0]))
	}
	switch {
	case o.refused != nil:
		refusedText(&b, o.refused)
	case o.result.HasPlaceholders:
		e.sealedText(&b)
		if s, _ := e.schemas.of(o.target.Namespaces[0]); s.Migration().ReadsBoth() {
			b.WriteString("  while migrating, what a query compares with goes out in clear as well\n")
		}
	default:
		b.WriteString(": passes unchanged\n  " + e.passes(o) + "\n")
	}
	clear(e.sealed)
	return b.Bytes(), nil
}

func refusedText(b *bytes.Buffer, r *analyze.RefusedError) {
	b.WriteString(": refused\n")
	where := r.Operator
	if strings.Contains(r.Message, where) {
		where = ""
	}
	for _, line := range []struct{ label, text string }{
		{"rule", r.Rule}, {"field", r.Path}, {"in", where}, {"why", r.Message}, {"instead", r.Hint},
	} {
		if line.text != "" {
			fmt.Fprintf(b, "  %-8s %s\n", line.label, escaped(line.text))
		}
	}
}

// sealedText is a table in the order of the paths.
func (e *explanation) sealedText(b *bytes.Buffer) {
	total := 0
	for _, n := range e.sealed {
		total += n
	}
	fmt.Fprintf(b, ": %s would be sealed\n", plural(total, "value"))
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  FIELD\tVALUES\tTYPE\tALGORITHM\tKEY")
	for _, f := range slices.SortedFunc(maps.Keys(e.sealed), sealedField.compare) {
		fmt.Fprintf(table, "  %s\t%d\t%s\t%s\t%s\n", printable(f.path), e.sealed[f], payload.TypeAlias(f.bsonType), f.algorithm, f.key)
	}
	_ = table.Flush() // into memory
}

func (f sealedField) compare(g sealedField) int {
	return cmp.Or(cmp.Compare(f.path, g.path), cmp.Compare(f.key, g.key), cmp.Compare(f.bsonType, g.bsonType), cmp.Compare(f.algorithm, g.algorithm))
}

// passes says why nothing is sealed.
func (e *explanation) passes(o outcome) string {
	if o.target.Disposition == analyze.Bypassed {
		return "this command carries no values of documents and is not analysed"
	}
	ns := o.target.Namespaces[0]
	s, known := e.schemas.of(ns)
	switch {
	case !known:
		return fmt.Sprintf("%s has no schema for %s", e.schemas.file, printable(ns))
	case !s.Encrypts():
		return "the schema encrypts nothing"
	case s.Migration() == schema.ReadBothWritePlain:
		return "in this step of a migration, values are written in clear; to be encrypted are " + fieldNames(s.Fields())
	}
	return "no value in it belongs to an encrypted field; encrypted are " + fieldNames(s.Fields())
}

// fieldNames lists the first few fields.
func fieldNames(fields []*schema.Encrypted) string {
	const most = 8
	var names []string
	for _, f := range fields[:min(len(fields), most)] {
		names = append(names, printable(f.Path))
	}
	if more := len(fields) - most; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "s") {
		noun += "e"
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
