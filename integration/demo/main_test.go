package main

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
)

func TestDemo(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(nil, &out, &errs); code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, &out, &errs)
	}
	for _, want := range []string{"THE APPLICATION SEES", "random object", "Undecryptable: Fail", "checks passed"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output has no %q:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "✗") {
		t.Errorf("a step failed:\n%s", &out)
	}
}

func TestDemoOnAnotherServerLeavesNothing(t *testing.T) {
	uri := testserver.Start(t)
	var out, errs bytes.Buffer
	if code := run([]string{"--uri", uri}, &out, &errs); code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, &out, &errs)
	}
	d := &demo{screen: screen{out: &out}, uri: uri}
	client, err := d.connect()
	if err != nil {
		t.Fatal(err)
	}
	defer d.disconnect(client)
	names, err := client.ListDatabaseNames(t.Context(), map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	prefix := regexp.MustCompile(`fieldcrypt_demo_[a-z0-9]+_`).FindString(out.String())
	if prefix == "" {
		t.Fatalf("the output does not name its key vault:\n%s", &out)
	}
	for _, name := range names {
		if strings.HasPrefix(name, prefix) {
			t.Errorf("the database %s was left behind", name)
		}
	}
}

func TestDemoFails(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"an argument":  {[]string{"x"}, 2, "expected only flags"},
		"unknown flag": {[]string{"--nope"}, 2, "not defined"},
		"help":         {[]string{"--help"}, 0, "-keep"},
		"bad uri":      {[]string{"--uri", "http://x"}, 1, "mongodb"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			if code := run(tt.args, &out, &errs); code != tt.code || !strings.Contains(errs.String(), tt.want) {
				t.Errorf("exit code %d, want %d; it said: %s", code, tt.code, &errs)
			}
		})
	}
	t.Run("nowhere to print", func(t *testing.T) {
		var errs bytes.Buffer
		if code := run(nil, full{}, &errs); code != 1 {
			t.Errorf("exit code %d: %s", code, &errs)
		}
	})
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }
