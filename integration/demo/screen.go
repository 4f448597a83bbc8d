package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// screen prints the stories and counts their checks.
type screen struct {
	out    io.Writer
	checks int
	err    error // of the first failed write
}

func (s *screen) say(format string, args ...any) { s.print(fmt.Sprintf(format+"\n", args...)) }

func (s *screen) print(text string) {
	if _, err := io.WriteString(s.out, text); err != nil && s.err == nil {
		s.err = fmt.Errorf("printing: %w", err)
	}
}

func (s *screen) title(text string) { s.say("\n━━ %s ━━\n", text) }

// check counts a step that must hold, or ends the story.
func (s *screen) check(what string, ok bool) error {
	if !ok {
		s.say("  ✗ %s", what)
		return fmt.Errorf("this did not hold: %s", what)
	}
	s.checks++
	s.say("  ✓ %s", what)
	return s.err
}

// checkErr is check for a step that only has an error.
func (s *screen) checkErr(what string, err error) error {
	if err != nil {
		s.say("  ✗ %s", what)
		return fmt.Errorf("%s: %w", what, err)
	}
	return s.check(what, true)
}

// compare prints a document side by side: what the application sees, and what the server stores.
func (s *screen) compare(app, server bson.Raw) {
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\n    FIELD\tTHE APPLICATION SEES\tTHE SERVER STORES")
	elements, _ := server.Elements()
	for _, e := range elements {
		fmt.Fprintf(w, "    %s\t%s\t%s\n", e.Key(), show(app.Lookup(e.Key())), show(e.Value()))
	}
	w.Flush() // a strings.Builder takes everything
	s.say("%s", table.String())
}

const widest = 46 // columns, so that two of them fit a screen

func show(v bson.RawValue) string {
	text := "–"
	switch v.Type {
	case 0:
	case bson.TypeBinary:
		return showBinary(v)
	case bson.TypeDateTime:
		text = v.Time().UTC().Format(time.DateOnly)
	case bson.TypeObjectID:
		text = "ObjectId " + v.ObjectID().Hex()
	default:
		doc, err := bson.MarshalExtJSON(bson.D{{Key: "", Value: v}}, false, false)
		if err == nil {
			text = strings.TrimSuffix(strings.TrimPrefix(string(doc), `{"":`), "}")
		}
	}
	if r := []rune(text); len(r) > widest {
		text = string(r[:widest-1]) + "…"
	}
	return text
}

func showBinary(v bson.RawValue) string {
	subtype, data := v.Binary()
	c, err := payload.ParseCiphertext(data)
	if subtype != payload.Subtype || err != nil {
		return fmt.Sprintf("BinData %d, %d bytes", subtype, len(data))
	}
	kind := "random"
	if c.Algorithm == payload.Deterministic {
		kind = "deterministic"
	}
	return fmt.Sprintf("BinData 6 …%x, %d bytes, %s %s", data[len(data)-4:], len(data), kind, payload.TypeAlias(c.Type))
}

// isCiphertext says whether v is an encrypted value.
func isCiphertext(v bson.RawValue) bool {
	if v.Type != bson.TypeBinary {
		return false
	}
	subtype, data := v.Binary()
	_, err := payload.ParseCiphertext(data)
	return subtype == payload.Subtype && err == nil
}

// hides says whether a stored document holds none of the secrets in clear.
func hides(doc bson.Raw, secrets ...string) bool {
	for _, secret := range secrets {
		if bytes.Contains(doc, []byte(secret)) {
			return false
		}
	}
	return true
}
