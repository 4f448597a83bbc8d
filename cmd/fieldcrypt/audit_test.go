package main

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/audit"
	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

var update = flag.Bool("update", false, "write the golden files anew")

// someReport is a report with everything in it that is shown.
func someReport() *audit.Report {
	gone := payload.KeyID{0xcc, 3}
	number := func(n int64) audit.ID {
		t, data, _ := bson.MarshalValue(n)
		return audit.ID{Value: bson.RawValue{Type: t, Value: data}}
	}
	want := &schema.Encrypted{Path: "ssn", Algorithm: payload.Deterministic, KeyID: someID, Types: 1 << bson.TypeString}
	ssn := &audit.Field{
		Path: "ssn", Schema: want, Documents: 990, Values: 990, Clean: 985, Encrypted: 987, Empty: 1, Proven: 20, Keys: []audit.KeyCount{{ID: someID, Values: 986}, {ID: gone, Values: 1}},
		Algorithms: map[payload.Algorithm]int64{payload.Deterministic: 987}, Types: map[bson.Type]int64{bson.TypeString: 987}, PlainTypes: map[bson.Type]int64{bson.TypeString: 2},
		Problems: []*audit.Occurrences{{Problem: audit.Plaintext, Values: 2, Documents: []audit.ID{number(7), {Withheld: "an _id that looks like: e-mail address"}}}, {Problem: audit.UnknownKey, Values: 20, Documents: []audit.ID{number(9)}}},
	}
	return &audit.Report{
		Server: "db.example.org", Version: "v1.2.3", Started: time.UnixMilli(0).UTC(), Ended: time.UnixMilli(1000).UTC(), Complete: true,
		Collections: []*audit.Collection{
			{Namespace: "hr.employees", Source: audit.FromMap, Total: 1000, Documents: 1000, Complete: true, Fields: []*audit.Field{ssn, {Path: "phone", Schema: &schema.Encrypted{Path: "phone", Algorithm: payload.Random, KeyPointer: "/owner"}}},
				Suspects: []*audit.Suspect{{Path: "mail", Values: 900, Hits: 880, Detector: "e-mail address", Documents: []audit.ID{number(1)}}}},
			{Namespace: "hr.\x1b[31mred", Source: audit.FromNowhere, Total: 3, Documents: 1, Unreadable: 1, Err: errors.New("connection\nlost"),
				Others: []*audit.Field{{Path: "a", Values: 3, Encrypted: 3, Keys: []audit.KeyCount{{ID: someID, Values: 3}}, Problems: []*audit.Occurrences{{Problem: audit.NotInSchema, Values: 3}}}}},
		},
		Keys: audit.Keys{
			Vault: "encryption.keys", Looked: true, InVault: 3, Used: 1, UnusedAll: 2, UnknownAll: 1, Listed: []*audit.Key{{ID: someID, AltNames: []string{"hr"}, Provider: "aws", Values: 989}},
			Unused: []*audit.Key{{ID: payload.KeyID{0xdd}, Provider: "local"}}, Unknown: []audit.KeyCount{{ID: gone, Values: 1}}, Missing: []audit.SchemaKey{{ID: gone, Namespace: "hr.employees", Path: "phone"}},
		},
	}
}

// What a person, a program and a shell are shown.
func TestAuditGoldens(t *testing.T) {
	r := someReport()
	document, err := bson.MarshalExtJSONIndent(r.Document(), false, false, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	for file, got := range map[string][]byte{"audit.txt": auditText(r), "audit.json": append(document, '\n'), "audit.lines": auditLines(r)} {
		file = "testdata/golden/" + file
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s: got\n%s", file, got)
		}
	}
}

// The help names all problems, and no line is too wide.
func TestAuditHelp(t *testing.T) {
	cmd := newAudit()
	for _, p := range audit.Problems() {
		if !strings.Contains(cmd.Long, string(p.Problem)) {
			t.Errorf("the help lacks %q", p.Problem)
		}
	}
	for line := range strings.Lines(cmd.Long) {
		if len([]rune(line)) > 82 {
			t.Errorf("wide line %q", line)
		}
	}
}

func TestHosts(t *testing.T) {
	for uri, want := range map[string]string{
		"mongodb://u:SENTINEL@h1:1,h2:2/db?authSource=x": "h1:1,h2:2", "mongodb+srv://example.org": "example.org", "mongodb://u:SEN@TINEL@h/": "h", "SENTINEL": "",
		"mongodb://%2Ftmp%2Fmongodb.sock/x": "/tmp/mongodb.sock",
	} {
		if got := (&server{uri: uri}).hosts(); got != want {
			t.Errorf("%s: got %q", uri, got)
		}
	}
}

func TestSecretsInReport(t *testing.T) {
	r := someReport()
	for _, c := range r.Collections {
		c.Err, c.Schema = errors.New("no SENTINEL"), errors.New("no SENTINEL")
	}
	r.Keys.Err, r.Keys.Unproven = errors.New("no SENTINEL"), errors.New("no SENTINEL")
	(&server{hidden: secrets{"SENTINEL"}}).hideIn(r)
	document, err := bson.MarshalExtJSON(r.Document(), false, false)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(document) + string(auditText(r)); strings.Contains(text, "SENTINEL") || !strings.Contains(text, "no ***") {
		t.Errorf("got %s", text)
	}
}

func TestWholeFile(t *testing.T) {
	name := t.TempDir() + "/f"
	for _, commit := range []bool{false, true} {
		f, err := createWhole(name)
		if err != nil {
			t.Fatal(err)
		}
		f.WriteString("x")
		if commit {
			if err := f.commit(); err != nil {
				t.Fatal(err)
			}
		}
		f.discard()
		entries, _ := os.ReadDir(name[:len(name)-2])
		if got, err := os.ReadFile(name); commit != (err == nil && string(got) == "x") || len(entries) > 1 {
			t.Errorf("commit %v: %q %v %v", commit, got, err, entries)
		}
	}
	if _, err := createWhole(t.TempDir()); err == nil {
		t.Error("a directory can be written")
	}
}
