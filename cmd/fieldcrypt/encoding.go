package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// decode gives the bytes that text spells in format: auto, base64, hex or raw. The error says what was expected and got, never the text.
func decode(text []byte, format string) ([]byte, error) {
	if format == "raw" || format == "auto" && !isText(text) {
		return text, nil
	}
	squeezed := strings.Join(strings.Fields(string(text)), "")
	switch {
	case len(squeezed) == 0:
		return nil, errors.New("expected an encrypted value, got nothing")
	case format == "auto" && squeezed[0] == '{':
		return decodeExtJSON(text)
	case format == "hex":
		return decodeHex(squeezed)
	case format == "auto":
		// No known kind of value is hexadecimal digits only when written as base64, except by an improbable accident.
		if b, err := decodeHex(squeezed); err == nil {
			return b, nil
		}
	}
	return decodeBase64(squeezed)
}

// isText says whether b can be typed. Every encrypted value begins with a control character, its kind, and goes on with arbitrary bytes.
func isText(b []byte) bool {
	for _, c := range b {
		if (c < ' ' || c > '~') && !strings.ContainsRune(" \t\r\n", rune(c)) {
			return false
		}
	}
	return true
}

func decodeHex(s string) ([]byte, error) {
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	var odd hex.InvalidByteError
	switch {
	case errors.As(err, &odd):
		return nil, fmt.Errorf("expected hexadecimal digits, got %d characters with others among them", len(s))
	case err != nil:
		return nil, fmt.Errorf("expected an even number of hexadecimal digits, got %d", len(s))
	}
	return b, nil
}

// decodeBase64 reads both alphabets of RFC 4648, padded or not.
func decodeBase64(s string) ([]byte, error) {
	enc := base64.StdEncoding
	if strings.ContainsAny(s, "-_") {
		enc = base64.URLEncoding
	}
	if !strings.HasSuffix(s, "=") {
		enc = enc.WithPadding(base64.NoPadding)
	}
	b, err := enc.DecodeString(s)
	var at base64.CorruptInputError
	if errors.As(err, &at) {
		return nil, fmt.Errorf("expected base64, got %d characters that stop being base64 at character %d", len(s), int64(at)+1)
	}
	return b, err
}

// decodeExtJSON reads {"$binary": {"base64": …, "subType": "06"}}.
func decodeExtJSON(text []byte) ([]byte, error) {
	const want = `expected {"$binary": {"base64": …, "subType": "06"}}`
	if !json.Valid(text) {
		return nil, errors.New(want + ", got text that is not JSON")
	}
	doc, f := parseDocument(fmt.Appendf(nil, `{"v":%s}`, text))
	if f != nil {
		return nil, fmt.Errorf("%s, got JSON that is not Extended JSON v2", want)
	}
	v := doc.Lookup("v")
	subtype, data, ok := v.BinaryOK()
	switch {
	case !ok:
		return nil, fmt.Errorf("%s, got a value of type %s", want, payload.TypeAlias(v.Type))
	case subtype != payload.Subtype:
		return nil, fmt.Errorf("%s, got a binary of subtype %02x", want, subtype)
	}
	return data, nil
}
