package kmsconfig_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
)

func TestPresentable(t *testing.T) {
	for in, want := range map[string]string{
		"":                        "",
		"plain":                   "plain",
		" \n first \r\nsecond":    "first",
		"a\x1b[2J\tb\x00":         "a?[2J?b?",
		"é…":                      "é…",
		strings.Repeat("é", 1000): strings.Repeat("é", 400),
	} {
		if got := kmsconfig.Presentable(in, "", "secret"); got != want {
			t.Errorf("%q: got %q", in, got)
		}
	}
	if got := kmsconfig.Presentable("no match\nyou sent secret", "secret"); got != "no match" {
		t.Errorf("a secret in what is cut off: got %q", got)
	}
}

// Whatever a secret consists of, no form of it passes, and of one that spans lines not the first part either.
func TestPresentableWithholds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := "s" + string(rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "secret"))
		form := rapid.SampledFrom([]func(string) string{
			func(s string) string { return s },
			func(s string) string { return hex.EncodeToString([]byte(s)) },
			func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) },
			func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
			func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) },
			func(s string) string { return fmt.Sprintf("%q", s) },
			url.QueryEscape, url.PathEscape,
		}).Draw(t, "form")
		text := "you sent " + form(secret) + rapid.SampledFrom([]string{"", " again", "\nend"}).Draw(t, "after")
		if got := kmsconfig.Presentable(text, "other secret", secret); !strings.Contains(got, "withheld") {
			t.Fatalf("got %q", got)
		}
	})
}
