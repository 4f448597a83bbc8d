package sensitive

import (
	"fmt"
	"regexp"
	"strings"
)

// Detector recognises one kind of value by its form.
type Detector struct {
	// Name is what is found, for a person: "card number".
	Name string
	// Match says whether text, without white space around it, is such a value. It must be quick and must not keep text.
	Match func(text string) bool
}

// Longest is the length in bytes of the longest text that detectors are asked about; nothing that they know is longer.
const Longest = 254 // of an e-mail address: RFC 5321

// Detectors lists all detectors of this package. The order is that in which they are asked: the first that matches counts.
func Detectors() []Detector {
	return []Detector{
		{"e-mail address", isEmail},
		{"IBAN", isIBAN},
		{"card number", isCardNumber},
		{"US social security number", isSSN},
		{"Brazilian CPF", isCPF},
		{"French NIR", isNIR},
		{"German tax id", isGermanTaxID},
		{"Italian codice fiscale", isCodiceFiscale},
		{"Polish PESEL", isPESEL},
		{"Spanish DNI or NIE", isDNI},
	}
}

// Find gives the first detector that matches text; ok is false when none does.
func Find(detectors []Detector, text string) (found int, ok bool) {
	if len(text) > Longest {
		return 0, false
	}
	if text = strings.TrimSpace(text); text == "" {
		return 0, false
	}
	for i := range detectors {
		if detectors[i].Match(text) {
			return i, true
		}
	}
	return 0, false
}

// Pattern makes a detector of a regular expression (RE2) that the whole value must match.
func Pattern(name, expression string) (Detector, error) {
	whole, err := regexp.Compile(`^(?:` + expression + `)$`)
	if name == "" || err != nil {
		return Detector{}, fmt.Errorf("detector %q: expected a name and a regular expression (RE2)", name)
	}
	return Detector{Name: name, Match: whole.MatchString}, nil
}

// digits takes single spaces and the other separators out of a number; false when something else than digits is left, or two separators
// stand side by side, or one at an end.
func digits(text, separators string, most int) (string, bool) {
	if len(text) == 0 || text[0] < '0' || text[0] > '9' {
		return "", false
	}
	b := make([]byte, 0, 24)
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= '0' && c <= '9':
			if len(b) == most {
				return "", false
			}
			b = append(b, c-'0')
		case strings.IndexByte(separators, c) < 0, i == 0, i == len(text)-1, text[i-1] < '0' || text[i-1] > '9':
			return "", false
		}
	}
	return string(b), true
}

// weighted is the sum of d's first digits, each times its weight.
func weighted(d string, weights ...int) int {
	sum := 0
	for i, w := range weights {
		sum += int(d[i]) * w
	}
	return sum
}

// number is the value of digits.
func number(d string) int64 {
	n := int64(0)
	for i := range len(d) {
		n = n*10 + int64(d[i])
	}
	return n
}

// uniform says whether all digits are the same: no such number is anybody's, and 000…0 passes most check digits.
func uniform(d string) bool { return strings.Count(d, d[:1]) == len(d) }
