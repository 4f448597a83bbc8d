package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// row is what a line of the table counts.
type row struct {
	kind   kind
	detail string
}

// counts are the outcomes of a row's questions.
type counts struct{ same, refused, onPurpose, disagreed int }

// tally counts what was compared; safe for concurrent use.
type tally struct {
	mu        sync.Mutex
	rows      map[row]*counts
	sealed    map[bson.Type]int // values encrypted by both sides, and opened by the other one, by type
	inCommand map[bson.Type]int // those of them in commands
	purposes  map[string]int
}

func newTally() *tally {
	return &tally{rows: map[row]*counts{}, sealed: map[bson.Type]int{}, inCommand: map[bson.Type]int{}, purposes: map[string]int{}}
}

// add counts one question. sealed are the types of the values that were encrypted.
func (t *tally) add(q *question, sealed []bson.Type, count func(*counts)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := row{q.kind, q.detail}
	if q.kind == encryptValue {
		r.detail += ", " + strings.ToLower(strings.TrimPrefix(q.algorithm.String(), "AEAD_AES_256_CBC_HMAC_SHA_512-"))
	}
	if t.rows[r] == nil {
		t.rows[r] = &counts{}
	}
	count(t.rows[r])
	for _, typ := range sealed {
		t.sealed[typ]++
		if q.kind == encryptCommand {
			t.inCommand[typ]++
		}
	}
}

func (t *tally) differs(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.purposes[name]++
}

// values is how many values both sides encrypted.
func (t *tally) values() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.sealed {
		n += c
	}
	return n
}

// total sums up the rows.
func (t *tally) total() (sum counts) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.rows {
		sum.same += c.same
		sum.refused += c.refused
		sum.onPurpose += c.onPurpose
		sum.disagreed += c.disagreed
	}
	return sum
}

// print writes the tables.
func (t *tally) print(out io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "asked\tabout\tsame\tboth refuse\tdiffer on purpose\tdisagree\t")
	rows := slices.SortedFunc(maps.Keys(t.rows), func(a, b row) int { return strings.Compare(string(a.kind)+a.detail, string(b.kind)+b.detail) })
	for _, r := range rows {
		c := t.rows[r]
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t\n", r.kind, r.detail, c.same, c.refused, c.onPurpose, c.disagreed)
	}
	fmt.Fprintln(w, "\t\t\t\t\t\t\nvalues encrypted\tof type\tin all\tin commands\t\t\t")
	for _, typ := range slices.Sorted(maps.Keys(t.sealed)) {
		fmt.Fprintf(w, "\t%s\t%d\t%d\t\t\t\n", payload.TypeAlias(typ), t.sealed[typ], t.inCommand[typ])
	}
	_ = w.Flush()
	for _, d := range differences {
		if n := t.purposes[d.name]; n > 0 {
			fmt.Fprintf(out, "\non purpose, %d times: %s: %s\n", n, d.name, d.reason)
		}
	}
}
