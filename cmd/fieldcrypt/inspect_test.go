package main

import (
	"strings"
	"testing"
)

// Whatever the value is, it is described or refused; a marking's plaintext never shows unasked.
func FuzzInspect(f *testing.F) {
	for _, in := range []string{
		"AQAAAAAAAAAAAAAAAAAAAAACz0ZOLuuhEYi807ZXTdhbqhLaS2/t9wLifJnnNYwiw79d75QYIZ6M/aYC1h9nCzCjZ7pGUpAuNnkUhnIXM3PjrA==",
		"ADgAAAAQYQABAAAABWtpABAAAAAEYWFhYWFhYWFhYWFhYWFhYQJ2AAwAAAA0NTctNTUtNTQ2MgAA",
		"\x00\x10\x00\x00\x00\x10a\x00\x01\x00\x00\x00\x0av\x00\x00\x00", `{"$binary":{"base64":"EAAA","subType":"06"}}`, "0x0e01", "-_==",
	} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		for _, flags := range [][]string{nil, {"--json"}, {"--format", "raw"}, {"--show-value"}} {
			code, stdout, stderr := runWith(in, append([]string{"inspect", "-"}, flags...)...)
			if code != exitOK && code != exitUsage || (stdout == "") == (stderr == "") {
				t.Fatalf("%v: code %d, %q, %q", flags, code, stdout, stderr)
			}
			if flags == nil && strings.Contains(stdout, "\nvalue") {
				t.Fatalf("shows the value: %s", stdout)
			}
		}
	})
}
