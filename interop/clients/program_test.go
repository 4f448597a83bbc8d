package clients

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// words are what a program says, one document a line: {"step": name, ...}.
type words []bson.Raw

// run runs a client's program, which must succeed.
func run(t *testing.T, client string, environment []string, arguments ...string) words {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	program, err := filepath.Abs(filepath.Join(client, "program"))
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, program, arguments...)
	cmd.Dir = client
	cmd.Env = slices.Concat(os.Environ(), environment)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = 5 * time.Second // a daemon that the driver spawned may have its pipes
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\nit said:\n%s%s", client, err, out.Bytes(), errs.Bytes())
	}
	var said words
	for line := range strings.Lines(out.String()) {
		var doc bson.Raw
		if err := bson.UnmarshalExtJSON([]byte(line), true, &doc); err != nil {
			t.Fatalf("%s: %q: %v", client, line, err)
		}
		said = append(said, doc)
	}
	return said
}

// check returns what was said of a step.
func (w words) check(t *testing.T, step string) bson.Raw {
	t.Helper()
	for _, doc := range w {
		if name, ok := doc.Lookup("step").StringValueOK(); ok && name == step {
			return doc
		}
	}
	t.Fatalf("nothing was said of the step %s: %v", step, w)
	return nil
}

func (w words) document(t *testing.T, step string) bson.Raw {
	t.Helper()
	doc, ok := w.check(t, step).Lookup("document").DocumentOK()
	if !ok {
		t.Fatalf("step %s has no document", step)
	}
	return doc
}

func (w words) checkCount(t *testing.T, want int64) {
	t.Helper()
	if got, ok := w.check(t, "counted").Lookup("n").AsInt64OK(); !ok || got != want {
		t.Errorf("counted %d, expected %d", got, want)
	}
}

func (w words) checkRefusal(t *testing.T, parts []string) {
	t.Helper()
	message, _ := w.check(t, "refused").Lookup("message").StringValueOK()
	for _, part := range parts {
		if !strings.Contains(message, part) {
			t.Errorf("the exception says %q, expected in it %q", message, part)
		}
	}
}

// sameDocument compares a document with an employee: the same fields in the same order, with the same types, beside _id.
func sameDocument(t *testing.T, what string, got bson.Raw, want bson.D) {
	t.Helper()
	var fields bson.D
	if err := bson.Unmarshal(got, &fields); err != nil {
		t.Fatal(err)
	}
	fields = slices.DeleteFunc(fields, func(e bson.E) bool { return e.Key == "_id" })
	if raw := marshal(t, fields); !bytes.Equal(raw, marshal(t, want)) {
		t.Errorf("%s %v, expected %v", what, raw, want)
	}
}

func marshal(t *testing.T, d bson.D) bson.Raw {
	t.Helper()
	raw, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
