package main

import (
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt/internal/mockmongo"
)

// startServers gives scripts of schema servers of three kinds: $ENFORCING checks validators, $KEEPING only keeps them, $OLD does not know encrypt. All
// have the same collections.
func startServers(env *testscript.Env) error {
	if !strings.Contains(env.WorkDir, "script-schema") {
		return nil
	}
	for name, opts := range map[string]mockmongo.Options{"ENFORCING": {Enforce: true, Transactions: true}, "KEEPING": {}, "OLD": {NoEncrypt: true}} {
		s, err := mockmongo.Run(opts)
		if err != nil {
			return err
		}
		env.Defer(s.Close)
		env.Setenv(name, s.URI())
		required, err := bson.Marshal(bson.D{{Key: "$jsonSchema", Value: bson.D{{Key: "required", Value: bson.A{"name"}}}}})
		if err != nil {
			return err
		}
		index, err := bson.Marshal(bson.D{{Key: "key", Value: bson.D{{Key: "phone", Value: 1}}}, {Key: "name", Value: "phone_1"}, {Key: "unique", Value: true}})
		if err != nil {
			return err
		}
		s.Put("hr.employees", bson.D{{Key: "validator", Value: bson.Raw(required)}}, index)
		s.Put("hr.plain", nil)
	}
	return nil
}

// Every command of schema says what it is for, how it is called and how it ends.
func TestSchemaHelp(t *testing.T) {
	var check func(cmd *cobra.Command)
	check = func(cmd *cobra.Command) {
		if cmd.Short == "" || cmd.Long == "" || cmd.Example == "" || !strings.Contains(cmd.Long, schemaExitCodes) {
			t.Errorf("%s lacks help", cmd.CommandPath())
		}
		for line := range strings.Lines(cmd.Long) {
			if len([]rune(line)) > 82 {
				t.Errorf("%s: wide line %q", cmd.CommandPath(), line)
			}
		}
		for _, sub := range cmd.Commands() {
			check(sub)
		}
	}
	check(newSchema())
}

// Few different ciphertexts are found by a sample, without a key.
func TestLintSample(t *testing.T) {
	s, err := mockmongo.Run(mockmongo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	client, err := mongo.Connect(options.Client().ApplyURI(s.URI()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Disconnect(t.Context()) }()
	var docs []any
	for i := range 100 {
		docs = append(docs, bson.D{{Key: "ssn", Value: bson.Binary{Subtype: 6, Data: []byte{1, byte(i % 4)}}}, {Key: "phone", Value: bson.Binary{Subtype: 6, Data: []byte{2, byte(i)}}}})
	}
	if _, err := client.Database("hr").Collection("employees").InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := runWith("", "schema", "lint", schemaFile(t), "--online", "--collection", "hr.employees", "--uri", s.URI())
	if code != exitOK || !strings.Contains(stdout, `"rule":"few-values","path":"ssn"`) || !strings.Contains(stdout, "only 4 different values in 100 documents") {
		t.Errorf("%d %s%s", code, stdout, stderr)
	}
}

// What is shown of a difference is what differs.
func TestChangedLines(t *testing.T) {
	doc := func(text string) (raw bson.Raw) {
		if err := bson.UnmarshalExtJSON([]byte(text), false, &raw); err != nil {
			t.Fatal(err)
		}
		return raw
	}
	got := changedLines(doc(`{"a": 1, "b": {"c": 1, "d": [1]}, "x": {"encrypt": {"a": 1}}, "gone": true}`), doc(`{"a": 1, "b": {"c": 2, "d": [1], "e": {}}, "x": {"encrypt": {"a": 2}}}`), "")
	want := []string{"- b.c: 1", "+ b.c: 2", "+ b.e: {}", `- x.encrypt: {"a":1}`, `+ x.encrypt: {"a":2}`, "- gone: true"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q, want %q", got, want)
	}
}
