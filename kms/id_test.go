package kms_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/kms"
)

func TestParseID(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want kms.ID
		err  string // a part of the error
	}{
		{in: "local", want: kms.ID{Type: "local"}},
		{in: "aws", want: kms.ID{Type: "aws"}},
		{in: "azure", want: kms.ID{Type: "azure"}},
		{in: "gcp", want: kms.ID{Type: "gcp"}},
		{in: "kmip", want: kms.ID{Type: "kmip"}},
		{in: "vault", want: kms.ID{Type: "vault"}},
		{in: "aws:prod_1", want: kms.ID{Type: "aws", Name: "prod_1"}},
		{in: "local:A", want: kms.ID{Type: "local", Name: "A"}},
		{in: "", err: "unrecognized type."},
		{in: ":", err: "unrecognized type."},
		{in: "a", err: "unrecognized type."},
		{in: "a:x", err: "unrecognized type."},
		{in: "AWS", err: "unrecognized type."},
		{in: "awss", err: "unrecognized type."},
		{in: " aws", err: "unrecognized type."},
		{in: ":name", err: "unrecognized type."},
		{in: "aws:", err: "empty name."},
		{in: "aws:a b", err: "unsupported character ' '"},
		{in: "aws:a:b", err: "unsupported character ':'"},
		{in: "aws:a-b", err: "unsupported character '-'"},
		{in: "aws:é", err: "unsupported character 'é'"},
		{in: "aws:a\x00", err: `unsupported character '\x00'`},
		{in: "aws:\xff", err: "unsupported character"},
		{in: strings.Repeat("x\n", 1<<20), err: "unrecognized type."},
	} {
		got, err := kms.ParseID(tt.in)
		switch {
		case tt.err == "":
			if err != nil || got != tt.want {
				t.Errorf("%q: got %v, %v; want %v", tt.in, got, err, tt.want)
			}
			if got.String() != tt.in {
				t.Errorf("%q: String gives %q", tt.in, got)
			}
		case err == nil:
			t.Errorf("%q: accepted", tt.in)
		case !strings.HasPrefix(err.Error(), "unrecognized KMS provider ") || !strings.Contains(err.Error(), tt.err):
			t.Errorf("%q: got error %q, want %q", tt.in, err, tt.err)
		case len(err.Error()) > 400 || strings.ContainsAny(err.Error(), "\n\x00"):
			t.Errorf("%q: the error does not fit a log line: %q", tt.in, err)
		}
	}
}

func TestIDRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`(aws|azure|gcp|kmip|local|vault)(:[A-Za-z0-9_]{1,9})?`).Draw(t, "id")
		id, err := kms.ParseID(s)
		if err != nil || id.String() != s {
			t.Fatalf("%q: got %v, %v", s, id, err)
		}
	})
}
