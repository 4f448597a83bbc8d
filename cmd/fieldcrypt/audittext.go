package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/fieldcrypt/fieldcrypt/audit"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// auditText is a report for a person at a terminal.
func auditText(r *audit.Report) []byte {
	var b bytes.Buffer
	for _, c := range r.Collections {
		collectionText(&b, c)
	}
	keysText(&b, r)
	findingsText(&b, r)
	verdict(&b, r)
	return b.Bytes()
}

func collectionText(b *bytes.Buffer, c *audit.Collection) {
	fmt.Fprintf(b, "%s: %d of about %s read, schema: %s\n", printable(c.Namespace), c.Documents, plural(int(c.Total), "document"), c.Source)
	for _, remark := range remarks(c) {
		fmt.Fprintf(b, "  %s\n", escaped(remark))
	}
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	if len(c.Fields)+len(c.Others) > 0 {
		fmt.Fprintln(w, "  FIELD\tVALUES\tCLEAN\tPLAINTEXT\tEMPTY\tPROVEN\tENCRYPTED AS")
	}
	for _, f := range append(slices.Clone(c.Fields), c.Others...) {
		clean := "-" // nothing says how they should be
		if f.Schema != nil {
			clean = strconv.FormatInt(f.Clean, 10)
		}
		fmt.Fprintf(w, "  %s\t%d\t%s\t%d\t%d\t%d\t%s\n", printable(f.Path), f.Values, clean, f.Plaintext(), f.Empty, f.Proven, escaped(encryptedAs(f)))
	}
	_ = w.Flush() // into memory
	fmt.Fprintln(b)
}

func remarks(c *audit.Collection) (all []string) {
	if c.Missing {
		all = append(all, "the collection does not exist")
	}
	if c.Schema != nil {
		all = append(all, "the schema of its validator is unusable: "+c.Schema.Error())
	}
	if c.Queryable {
		all = append(all, "it has Queryable Encryption, which is not checked")
	}
	if c.Err != nil {
		all = append(all, "not read to the end: "+c.Err.Error())
	} else if !c.Complete {
		all = append(all, "not read to the end")
	}
	if c.Unreadable > 0 {
		all = append(all, plural(int(c.Unreadable), "document")+" could not be read: malformed")
	}
	if c.Untold > 0 {
		all = append(all, plural(int(c.Untold), "value")+" at too many different paths to tell them apart")
	}
	if c.Drawn {
		all = append(all, "the server cannot draw a sample: it was drawn from all documents here")
	}
	return all
}

// encryptedAs says with what a field is encrypted: algorithms, types and data keys.
func encryptedAs(f *audit.Field) string {
	var parts []string
	for _, a := range slices.Sorted(maps.Keys(f.Algorithms)) {
		parts = append(parts, strings.ToLower(strings.TrimPrefix(a.String(), "AEAD_AES_256_CBC_HMAC_SHA_512-")))
	}
	for _, t := range slices.Sorted(maps.Keys(f.Types)) {
		parts = append(parts, payload.TypeAlias(t))
	}
	switch n := len(f.Keys); {
	case n == 1 && f.OtherKeys == 0:
		parts = append(parts, "key "+f.Keys[0].ID.String())
	case f.OtherKeys > 0:
		parts = append(parts, fmt.Sprintf("more than %d keys", n))
	case n > 1:
		parts = append(parts, plural(n, "key"))
	}
	return strings.Join(parts, ", ")
}

func keysText(b *bytes.Buffer, r *audit.Report) {
	k := &r.Keys
	if !k.Looked {
		return
	}
	fmt.Fprintf(b, "%s: %s, %d in use, %d without ciphertexts in what was read, %d unknown\n",
		printable(k.Vault), plural(int(k.InVault), "data key"), k.Used, k.UnusedAll, k.UnknownAll)
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  KEY\tCIPHERTEXTS\tPROVIDER\tALT NAMES")
	for _, key := range append(slices.Clone(k.Listed), k.Unused...) {
		fmt.Fprintf(w, "  %s\t%d\t%s\t%s\n", key.ID, key.Values, printable(key.Provider), nameList(key.AltNames))
	}
	for _, key := range k.Unknown {
		fmt.Fprintf(w, "  %s\t%d\tnot in the key vault\n", key.ID, key.Values)
	}
	_ = w.Flush() // into memory
	if more := k.Used + k.UnusedAll + k.UnknownAll - int64(len(k.Listed)+len(k.Unused)+len(k.Unknown)); more > 0 {
		fmt.Fprintf(b, "  and %d more\n", more)
	}
	fmt.Fprintln(b)
}

func findingsText(b *bytes.Buffer, r *audit.Report) {
	for _, f := range r.Findings() {
		fmt.Fprintf(b, "%s: %s\n", f.Problem, auditFinding(f))
		if len(f.Documents) > 0 {
			fmt.Fprintf(b, "  _id: %s\n", documentList(f))
		}
	}
	if err := r.Keys.Unproven; err != nil {
		fmt.Fprintf(b, "not decrypted, because: %s\n", escaped(err.Error()))
	}
}

// auditFinding is where a problem is, how often, and what it is.
func auditFinding(f audit.Finding) string {
	var parts []string
	if f.Namespace != "" {
		place := printable(f.Namespace)
		if f.Path != "" {
			place += " " + printable(f.Path)
		}
		parts = append(parts, place)
	}
	if f.Values > 0 {
		parts = append(parts, plural(int(f.Values), "value"))
	}
	if f.Detail != "" {
		parts = append(parts, escaped(f.Detail))
	}
	return strings.Join(parts, ": ")
}

func documentList(f audit.Finding) string {
	var shown []string
	for _, id := range f.Documents {
		shown = append(shown, printable(id.String()))
	}
	if f.Values > int64(len(shown)) {
		shown = append(shown, "…")
	}
	return strings.Join(shown, ", ")
}

func verdict(b *bytes.Buffer, r *audit.Report) {
	failures, notes := 0, 0
	counts := r.Counts()
	for _, p := range audit.Problems() {
		if counts[p.Problem] > 0 && p.Note {
			notes++
		} else if counts[p.Problem] > 0 {
			failures++
		}
	}
	text := "no problem found"
	if failures > 0 {
		text = plural(failures, "kind") + " of problems found"
	}
	if notes > 0 {
		text += ", " + plural(notes, "kind") + " of notes"
	}
	switch {
	case !r.Complete:
		text += " so far; not everything was read"
	case r.Sample > 0:
		text += fmt.Sprintf(" in a sample of up to %s of each collection", plural(int(r.Sample), "document"))
	}
	fmt.Fprintln(b, text)
}

// auditLines is what --quiet prints: a line for each problem, and for whatever else is a reason to fail.
func auditLines(r *audit.Report) []byte {
	var b bytes.Buffer
	for _, c := range r.Collections {
		if c.Missing {
			fmt.Fprintf(&b, "missing: %s\n", printable(c.Namespace))
		}
		if c.Unreadable > 0 {
			fmt.Fprintf(&b, "could not be read: %s: %s\n", printable(c.Namespace), plural(int(c.Unreadable), "document"))
		}
	}
	for _, f := range r.Findings() {
		fmt.Fprintf(&b, "%s: %s\n", f.Problem, auditFinding(f))
	}
	return b.Bytes()
}
