package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/interop/differential/draw"
	"github.com/fieldcrypt/fieldcrypt/interop/differential/libmongocrypt"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// library is the libmongocrypt to compare with; nil if none is named.
func library(t *testing.T) *libmongocrypt.Library {
	t.Helper()
	path := os.Getenv(libraryVariable)
	if path == "" {
		return nil
	}
	l, err := libmongocrypt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func testVault(t *testing.T) *vault {
	t.Helper()
	v, err := newVault()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// What was found once stays as it is: fieldcrypt answers as libmongocrypt did or, where they are meant to differ, as before. With libmongocrypt at
// hand, its answers are compared, too.
func TestGoldens(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	l := library(t)
	seen := map[string]bool{}
	for _, path := range paths {
		g, err := readGolden(path)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		seen[g.Difference] = true
		t.Run(filepath.Base(path), func(t *testing.T) { replay(t, g, l) })
	}
	for _, d := range differences {
		if !seen[d.name] && !d.older {
			t.Errorf("no golden file shows the difference %q", d.name)
		}
	}
}

func replay(t *testing.T, g *golden, l *libmongocrypt.Library) {
	s, err := open(testVault(t), l, g.Own.schema(), g.Other.schema())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	q, err := g.question()
	if err != nil {
		t.Fatal(err)
	}
	want := g.Fieldcrypt.answer()
	if g.Difference == "" {
		want = g.Libmongocrypt.answer()
	}
	ours, theirs, plain := s.ask(q)
	if (ours.err != nil) != (want.err != nil) || !bytes.Equal(ours.given, want.given) {
		t.Errorf("fieldcrypt answers %v, want %v", ours, want)
	}
	if l == nil {
		return
	}
	if name, ok := verdict(s, q, ours, theirs, plain); !ok || !older(l) && name != g.Difference {
		t.Errorf("fieldcrypt answers %v, libmongocrypt %v: difference %q, want %q", ours, theirs, name, g.Difference)
	}
	if l.Version() == g.Library && !theirs.same(g.Libmongocrypt.answer()) {
		t.Errorf("libmongocrypt answers %v, before %v", theirs, g.Libmongocrypt.answer())
	}
}

// A run of the comparison, long enough that each type is encrypted and each command compared.
func TestDifferential(t *testing.T) {
	l := library(t)
	if l == nil {
		t.Skip(libraryVariable + " does not name a libmongocrypt: see interop/run")
	}
	r := &run{seed: 1, values: 100_000, library: l, vault: testVault(t), tally: newTally(), found: func(f finding) {
		t.Errorf("case %d: %s, %s, document %x: fieldcrypt %v, libmongocrypt %v", f.number, f.question.kind, f.question.detail,
			[]byte(f.question.document), f.ours, f.theirs)
	}}
	if err := r.do(t.Context(), 0, 2); err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	r.tally.print(&table)
	t.Logf("libmongocrypt %s, seed %d\n%s", l.Version(), r.seed, &table)
	for _, typ := range draw.EncryptedBy(payload.Random) {
		if r.tally.sealed[typ] == 0 || r.tally.inCommand[typ] == 0 {
			t.Errorf("%s: %d values compared, %d of them in commands", payload.TypeAlias(typ), r.tally.sealed[typ], r.tally.inCommand[typ])
		}
	}
	for _, name := range draw.Commands {
		if c := r.tally.rows[row{encryptCommand, name}]; (c == nil || c.same == 0) && !older(l) {
			t.Errorf("%s: no command was encrypted by both", name)
		}
	}
	for _, k := range []kind{decryptValue, decryptReply} {
		if c := r.tally.rows[row{k, "untouched"}]; c == nil || c.same == 0 || r.tally.rows[row{k, "flipped bit"}].refused == 0 {
			t.Errorf("%s: nothing compared", k)
		}
	}
	if c := r.tally.rows[row{sealMarking, "none"}]; c == nil || c.same == 0 {
		t.Error("no marking was encrypted by both")
	}
}

// The questions of a case are the same each time, and the comparison sees what differs.
func TestVerdict(t *testing.T) {
	v := testVault(t)
	for number := range uint64(6) {
		a, first, err := caseQuestions(7, number, v, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, again, err := caseQuestions(7, number, v, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, q := range first {
			if !bytes.Equal(q.document, again[i].document) {
				t.Fatalf("case %d, question %d is another one the second time", number, i)
			}
		}
		a.close()
		b.close()
	}
	doc, other := bson.Raw(draw.Document(draw.E{Key: "v", Value: draw.Int(1)}).Value), bson.Raw(draw.Document(draw.E{Key: "v", Value: draw.Int(2)}).Value)
	good, no := answer{given: doc, opened: doc}, refusal(errors.New("no"))
	q := &question{kind: encryptCommand, document: doc}
	s := &sides{vault: v}
	for _, tt := range []struct {
		name         string
		ours, theirs answer
		plain        bson.Raw
		ok           bool
	}{
		{"same", good, good, doc, true},
		{"both refuse", no, refusal(errors.New("another reason")), doc, true},
		{"only fieldcrypt refuses", no, good, doc, false},
		{"only libmongocrypt refuses", good, no, doc, false},
		{"other ciphertext", answer{given: other, opened: doc}, good, doc, false},
		{"other plaintext", answer{given: doc, opened: other}, good, doc, false},
		{"both lose the plaintext", answer{given: doc, opened: other}, answer{given: doc, opened: other}, doc, false},
	} {
		if name, ok := verdict(s, q, tt.ours, tt.theirs, tt.plain); ok != tt.ok || name != "" {
			t.Errorf("%s: got %v (%q), want %v", tt.name, ok, name, tt.ok)
		}
	}
}

// Without a libmongocrypt the program says what it lacks.
func TestNoLibrary(t *testing.T) {
	t.Setenv(libraryVariable, "")
	if err := (options{}).run(context.Background()); err == nil || !strings.Contains(err.Error(), libraryVariable) {
		t.Errorf("got %v, want an error that names %s", err, libraryVariable)
	}
	t.Setenv(libraryVariable, filepath.Join(t.TempDir(), "none.so"))
	if err := (options{}).run(context.Background()); err == nil {
		t.Error("opened a library that is not there")
	}
}
