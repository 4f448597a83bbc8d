package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

var someID = payload.KeyID{0x2a, 0x6b, 0xf1, 0xc1, 0x9d, 0x0b, 0x4c, 0xb5, 0x8f, 0x2f, 0x6d, 0x2f, 0x2f, 0x0f, 0x5d, 0x1e}

func TestParseKeyID(t *testing.T) {
	for _, arg := range []string{
		"2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e", "2A6BF1C1-9D0B-4CB5-8F2F-6D2F2F0F5D1E", `{"$uuid": "2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e"}`,
		`{"$binary": {"base64": "KmvxwZ0LTLWPL20vLw9dHg==", "subType": "04"}}`, "KmvxwZ0LTLWPL20vLw9dHg==",
	} {
		if id, err := parseKeyID(arg); err != nil || id != someID {
			t.Errorf("%s: got %v, %v", arg, id, err)
		}
	}
	for _, arg := range []string{"", "hr", "{", `{"$binary": {"base64": "KmvxwZ0LTLWPL20vLw9dHg==", "subType": "00"}}`, `"x"`, "1}{", "2a6bf1c19d0b4cb58f2f6d2f2f0f5d1e"} {
		if id, err := parseKeyID(arg); err == nil {
			t.Errorf("%s: got %v", arg, id)
		}
	}
}

func TestScreen(t *testing.T) {
	key := &keyvault.DataKey{
		ID: someID, KeyAltNames: []string{"hr", "a\x1b[31m\nb"}, KeyMaterial: []byte("SENTINEL"),
		CreationDate: time.UnixMilli(0).UTC(), UpdateDate: time.UnixMilli(1500).UTC(),
		MasterKey: bsonOf(t, bson.D{{Key: "provider", Value: "aws:prod"}, {Key: "region", Value: "eu-west-1"}, {Key: "key", Value: "alias/x"}}),
	}
	for _, test := range []struct {
		format format
		want   string
	}{
		{idsOnly, "2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e\n"},
		{extJSON, `{"_id":{"$uuid":"2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e"},"keyAltNames":["hr","a\u001b[31m\nb"],` +
			`"creationDate":{"$date":"1970-01-01T00:00:00Z"},"updateDate":{"$date":"1970-01-01T00:00:01.5Z"},"status":0,` +
			`"masterKey":{"provider":"aws:prod","region":"eu-west-1","key":"alias/x"}}` + "\n"},
		{table, `id          2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e
alt names   hr, "a\x1b[31m\nb"
provider    aws:prod
master key  region: eu-west-1, key: alias/x
created     1970-01-01T00:00:00Z
updated     1970-01-01T00:00:01Z
`},
	} {
		var out bytes.Buffer
		s := screen{out: &out, format: test.format}
		if err := s.key(key); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, out.String()); diff != "" {
			t.Error(diff)
		}
	}
}

func bsonOf(t *testing.T, doc any) bson.Raw {
	t.Helper()
	raw, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// On a terminal: a bar, whose line is blank in the end.
func TestProgressBar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := &progress{bar: newBar(&out, "data keys", 100), noun: "data keys", total: 100}
		p.at(1)
		time.Sleep(2 * time.Second)
		p.at(20)
		p.at(21) // too soon to be shown
		time.Sleep(time.Second)
		p.at(50)
		if got := out.String(); strings.Contains(got, "\n") || strings.Contains(got, "(21/100") {
			t.Errorf("got %q", got)
		}
		for _, want := range []string{"(1/100", "20% ", "(20/100, 10 data keys/s)", "(50/100"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("got %q, want %q", out.String(), want)
			}
		}
		p.at(120)
		p.end()
		lines := strings.Split(out.String(), "\r")
		if last := lines[len(lines)-2:]; strings.TrimSpace(last[0]) != "" || last[1] != "" {
			t.Errorf("left on the screen: %q", last)
		}
	})
}

// Elsewhere: a line now and then, and nothing with --quiet.
func TestProgressLines(t *testing.T) {
	for notes, want := range map[bool]string{true: "fieldcrypt: 20 of 100 data keys so far\nfieldcrypt: 120 of 120 data keys so far\n", false: ""} {
		synctest.Test(t, func(t *testing.T) {
			var out, errs bytes.Buffer
			s := &screen{out: &out, errs: &errs, notes: notes}
			p := s.progress("data keys", 100)
			p.at(1)
			time.Sleep(sparsely)
			p.at(20)
			p.at(21)
			time.Sleep(sparsely)
			p.at(120)
			p.end()
			if errs.String() != want || out.Len() > 0 {
				t.Errorf("got %q and, as results, %q", &errs, &out)
			}
		})
	}
}

// What must not be shown is not, wherever it comes from.
func TestSecretsAreHidden(t *testing.T) {
	hidden := uriSecrets("mongodb://us%40er:p%2Fass%3Aword@h1,h2/?authMechanismProperties=AWS_SESSION_TOKEN:TOK%2BEN&tls=true")
	hidden = append(hidden, "SENTINEL", "abc")
	for _, text := range []string{"p%2Fass%3Aword", "p/ass:word", "TOK+EN", "SENTINEL", "x SENTINEL y"} {
		if got := hidden.hide("cause: " + text); strings.Contains(got, text) {
			t.Errorf("shows %q", got)
		}
	}
	if got := hidden.hide("abc true"); got != "abc true" {
		t.Errorf("got %q", got)
	}
	f := keysFailure(t.Context(), "listing", hidden, errors.New("server: SENTINEL"))
	if got := f.Error(); got != "listing: server: ***" {
		t.Errorf("got %q", got)
	}
}

// What is being done is said once.
func TestFailureSaysItOnce(t *testing.T) {
	if got := keysFailure(t.Context(), "creating a data key", nil, errors.New("creating a data key: no")).Error(); got != "creating a data key: no" {
		t.Errorf("got %q", got)
	}
}

func TestInterruptedFailure(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var f *failure
	if err := keysFailure(ctx, "checking", nil, context.Canceled); !errors.As(err, &f) || f.code != exitInterrupted || f.wrong != "interrupted" {
		t.Errorf("got %v", f)
	}
}

// Every command of keys says what it is for, how it is called and how it ends.
func TestKeysHelp(t *testing.T) {
	var check func(cmd *cobra.Command)
	check = func(cmd *cobra.Command) {
		if cmd.Short == "" || cmd.Long == "" || cmd.Example == "" || !cmd.HasSubCommands() && !strings.Contains(cmd.Long, keysExitCodes) {
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
	check(newKeys())
}
