package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// maxNesting is how deep documents and arrays may nest, the wrappers of Extended JSON counted: what the driver's parser takes.
const maxNesting = 200

// fault is why a text is not Extended JSON. It holds names of fields, never a value: errors of the driver's parser, which do, stay here.
type fault struct {
	at    int // byte offset in the text
	wrong string
}

func faultf(at int, format string, args ...any) *fault {
	return &fault{at: at, wrong: fmt.Sprintf(format, args...)}
}

// parseDocument converts text, one JSON object that encoding/json has accepted, from Extended JSON v2, canonical or relaxed, to BSON.
// What BSON cannot hold unchanged, or what programs read differently, is refused: unpaired surrogates, names given twice.
func parseDocument(text []byte) (bson.Raw, *fault) {
	if f := checkText(text); f != nil {
		return nil, f
	}
	doc, ok := convert(text)
	if !ok {
		return nil, locate(text, 0, "", 0)
	}
	if path, twice := duplicate(doc, ""); twice {
		return nil, faultf(0, "the field %s is there twice", printable(path))
	}
	return doc, nil
}

func convert(text []byte) (doc bson.Raw, ok bool) {
	err := bson.UnmarshalExtJSON(text, false, &doc)
	return doc, err == nil
}

// checkText finds what the driver's parser would change or accept without limit.
func checkText(text []byte) *fault {
	inString, depth := false, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			inString = !inString
		case c == '\\':
			n := escapeLen(text[i:])
			if n == 0 {
				return faultf(i, "a \\u escape is half of a surrogate pair, expected both halves")
			}
			i += n - 1
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && n == 1 {
				return faultf(i, "not UTF-8")
			}
			i += n - 1
		case inString:
		case c == '{', c == '[':
			if depth++; depth > maxNesting {
				return faultf(i, "nests deeper than %d levels", maxNesting)
			}
		case c == '}', c == ']':
			depth--
		}
	}
	return nil
}

// escapeLen is the length of the escape sequence that s, valid JSON from there on, begins with; 0 for an unpaired surrogate.
func escapeLen(s []byte) int {
	if s[1] != 'u' {
		return 2
	}
	switch unit := codeUnit(s); {
	case unit < 0xd800 || unit > 0xdfff:
		return 6
	case unit < 0xdc00 && bytes.HasPrefix(s[6:], []byte(`\u`)):
		if low := codeUnit(s[6:]); low >= 0xdc00 && low <= 0xdfff {
			return 12
		}
	}
	return 0
}

func codeUnit(s []byte) uint64 {
	n, _ := strconv.ParseUint(string(s[2:6]), 16, 16) // valid JSON has four hexadecimal digits there
	return n
}

// locate finds the innermost value that does not convert. It reads the text anew for each level, so it goes no deeper than a mistake would.
func locate(text []byte, at int, path string, depth int) *fault {
	const deepest = 32
	dec := json.NewDecoder(bytes.NewReader(text))
	open, _ := dec.Token()
	if open != json.Delim('{') && open != json.Delim('[') || depth == deepest {
		return misfit(at, path, "")
	}
	first := ""
	for i := 0; dec.More(); i++ {
		name := strconv.Itoa(i)
		if open == json.Delim('{') {
			key, _ := dec.Token()
			name, _ = key.(string)
			if strings.ContainsRune(name, 0) {
				return faultf(at, "a field name%s has a NUL character in it", in(path))
			}
		}
		if i == 0 {
			first = name
		}
		var member json.RawMessage
		if dec.Decode(&member) != nil {
			break
		}
		if _, ok := convert(fmt.Appendf(nil, `{"v":%s}`, member)); !ok {
			return locate(member, at+int(dec.InputOffset())-len(member), join(path, name), depth+1)
		}
	}
	return misfit(at, path, first)
}

func misfit(at int, path, first string) *fault {
	switch {
	case strings.HasPrefix(first, "$"):
		return faultf(at, "{%q: …}%s does not hold what Extended JSON v2 wants there", first, in(path))
	case first != "":
		return faultf(at, "the document%s is not Extended JSON v2", in(path))
	}
	return faultf(at, "the value%s is not Extended JSON v2, or out of range", in(path))
}

func in(path string) string {
	if path == "" {
		return ""
	}
	return " at " + printable(path)
}

// duplicate finds a name that a document has twice.
func duplicate(doc bson.Raw, path string) (string, bool) {
	seen := map[string]struct{}{}
	it := bsonraw.Iterate(doc)
	for it.Next() {
		e := it.Element
		if _, twice := seen[string(e.Key)]; twice {
			return join(path, string(e.Key)), true
		}
		seen[string(e.Key)] = struct{}{}
		if e.IsContainer() {
			if found, twice := duplicate(e.Value, join(path, string(e.Key))); twice {
				return found, true
			}
		}
	}
	return "", false
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// printable makes a name from outside fit for a line of text: visible, on one line, not endless.
func printable(name string) string {
	const most = 200
	if len(name) > most {
		name = strings.ToValidUTF8(name[:most], "") + "…"
	}
	if name == "" {
		return `""`
	}
	return escaped(name)
}

// escaped keeps control characters from the terminal.
func escaped(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
