package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
)

// format is how results are written.
type format int

const (
	extJSON format = iota // a document per line
	table
	idsOnly
)

// screen is where results and notes go.
type screen struct {
	out, errs io.Writer
	format    format
	notes     bool
}

func (f *keysFlags) screen(cmd *cobra.Command) screen {
	s := screen{out: cmd.OutOrStdout(), errs: cmd.ErrOrStderr(), notes: !f.quiet}
	switch {
	case f.asJSON:
	case f.quiet:
		s.format = idsOnly
	case isTerminal(s.out):
		s.format = table
	}
	return s
}

// note tells a person something on the side.
func (s *screen) note(format string, args ...any) {
	if s.notes {
		fmt.Fprintf(s.errs, "fieldcrypt: %s\n", escaped(fmt.Sprintf(format, args...)))
	}
}

// row is one line of a table: a label and what belongs to it.
type row struct{ label, text string }

// result writes one document, or the rows that say the same to a person; id is all that --quiet shows of it.
func (s *screen) result(doc any, id string, rows []row) error {
	switch s.format {
	case idsOnly:
		if id == "" {
			return nil
		}
		return write(s.out, []byte(id+"\n"))
	case table:
		var b bytes.Buffer
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, r := range rows {
			fmt.Fprintf(w, "%s\t%s\n", r.label, escaped(r.text))
		}
		_ = w.Flush() // into memory
		return write(s.out, b.Bytes())
	}
	text, err := bson.MarshalExtJSON(doc, false, false)
	if err != nil {
		return &failure{code: exitFailure, doing: "writing the result", wrong: "it cannot be written as Extended JSON"}
	}
	return write(s.out, append(text, '\n'))
}

// uuid is an id in Extended JSON.
func uuid(id fmt.Stringer) bson.D { return bson.D{{Key: "$uuid", Value: id.String()}} }

// keyDocument is what is shown of a data key: all but its key material.
func keyDocument(key *keyvault.DataKey) bson.D {
	names := bson.A{}
	for _, name := range key.KeyAltNames {
		names = append(names, name)
	}
	return bson.D{
		{Key: "_id", Value: uuid(key.ID)}, {Key: "keyAltNames", Value: names},
		{Key: "creationDate", Value: key.CreationDate}, {Key: "updateDate", Value: key.UpdateDate},
		{Key: "status", Value: key.Status}, {Key: "masterKey", Value: key.MasterKey},
	}
}

// key shows one data key.
func (s *screen) key(key *keyvault.DataKey) error {
	rows := []row{
		{"id", key.ID.String()}, {"alt names", nameList(key.KeyAltNames)}, {"provider", key.Provider()}, {"master key", masterKeyText(key.MasterKey)},
		{"created", when(key.CreationDate)}, {"updated", when(key.UpdateDate)},
	}
	return s.result(keyDocument(key), key.ID.String(), rows)
}

// keyLine shows one data key of many: the columns are as wide as they usually need to be, since nobody knows yet what comes.
func (s *screen) keyLine(key *keyvault.DataKey) error {
	if s.format != table {
		return s.result(keyDocument(key), key.ID.String(), nil)
	}
	return write(s.out, fmt.Appendf(nil, keyColumns, key.ID, key.Provider(), when(key.CreationDate), when(key.UpdateDate), nameList(key.KeyAltNames)))
}

const keyColumns = "%-36s  %-10s  %-20s  %-20s  %s\n"

func when(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func nameList(names []string) string {
	var shown []string
	for _, name := range names {
		shown = append(shown, printable(name))
	}
	return strings.Join(shown, ", ")
}

// masterKeyText is a master key in one line, without its provider.
func masterKeyText(masterKey bson.Raw) string {
	var parts []string
	elements, _ := masterKey.Elements()
	for _, e := range elements {
		if e.Key() == "provider" {
			continue
		}
		text := e.Value().String()
		if s, ok := e.Value().StringValueOK(); ok {
			text = s
		}
		parts = append(parts, printable(e.Key())+": "+printable(text))
	}
	return strings.Join(parts, ", ")
}
