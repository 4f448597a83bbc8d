package kmsconfig

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

// Presentable makes a KMS's words fit for one line of a log: the first line, cut off at 400 characters, and withheld when it repeats one of secrets,
// as it is or in one of the forms in which programs quote.
func Presentable(text string, secrets ...string) string {
	const limit = 400
	line, _, _ := strings.Cut(strings.TrimLeftFunc(text, unicode.IsSpace), "\n") // what is quoted comes in the lines after the first
	end := len(text) - len(strings.TrimLeftFunc(text, unicode.IsSpace)) + len(line)
	for _, s := range secrets {
		if repeats(text, end, s) {
			return "(withheld, because it repeats a secret)"
		}
	}
	line = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.TrimSpace(line))
	return fmt.Sprintf("%.*s", limit, line)
}

// repeats says whether text has the secret, wherever it ends, before end.
func repeats(text string, end int, secret string) bool {
	if secret == "" {
		return false
	}
	b, quoted := []byte(secret), strconv.Quote(secret)
	for _, form := range []string{
		secret, quoted[1 : len(quoted)-1], url.QueryEscape(secret), url.PathEscape(secret),
		base64.RawStdEncoding.EncodeToString(b), base64.RawURLEncoding.EncodeToString(b), // with or without padding
	} {
		if i := strings.Index(text, form); i >= 0 && i < end {
			return true
		}
	}
	i := strings.Index(strings.ToLower(text[:end]), hex.EncodeToString(b)) // lines end no hexadecimal
	return i >= 0
}
