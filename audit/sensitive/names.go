package sensitive

import (
	"regexp"
	"strings"
	"unicode"
)

// names are what fields with personal or secret data are called, in words.
var names = []string{
	`ssn|social security( (number|no|num))?|sin|nino|national (insurance|identity|id)( (number|no|num))?`,
	`(passport|driver'?s? licen[cs]e|licen[cs]e|id card|identity card)( (number|no|num|id))`, `passport`,
	`(tax|fiscal|vat) (id|number|no|code)`, `tin|cpf|dni|nie|nir|pesel|aadhaar|steuer id`,
	`(credit |debit |payment )?card (number|no|num|pan)`, `credit card`, `pan`, `cvv2?|cvc2?|card (security|verification) (code|value)`,
	`iban|bic|account (number|no)|bank account|routing number|sort code`,
	`(date of birth|birth ?date|birth ?day|dob)`,
	`(personal |private |home |work )?e ?mail( address)?`, `(mobile|cell|home|private|tele)? ?phone( (number|no))?`,
	`diagnos(is|es)|medical record( number)?|mrn|blood (type|group)|medications?|allerg(y|ies)|prescriptions?|icd(10)?( code)?`,
	`password|passwd|passphrase|pin( code)?|secret( key)?|private key|api key|access token|refresh token|recovery codes?`,
	`salary|income|religion|ethnicity|sexual orientation|maiden name`,
}

// NamePatterns are the patterns of this package, for Names.
func NamePatterns() []string { return append([]string(nil), names...) }

// Names recognises fields by their names.
type Names struct{ patterns []*regexp.Regexp }

// NewNames takes regular expressions (RE2). A name is compared as a whole, in lower-case words: "dateOfBirth", "date_of_birth" and
// "DATE-OF-BIRTH" are all "date of birth".
func NewNames(patterns []string) (*Names, error) {
	n := &Names{}
	for _, p := range patterns {
		re, err := regexp.Compile(`^(?:` + p + `)$`)
		if err != nil {
			return nil, &PatternError{Pattern: p, Reason: err.Error()}
		}
		n.patterns = append(n.patterns, re)
	}
	return n, nil
}

// PatternError is a pattern that is no regular expression.
type PatternError struct{ Pattern, Reason string }

// Error says what is wrong with the pattern.
func (e *PatternError) Error() string { return "name pattern: " + e.Reason }

// Match says whether a field of this name is likely to hold sensitive data. A nil Names matches nothing.
func (n *Names) Match(name string) bool {
	const longest = 100
	if n == nil || len(name) > longest {
		return false
	}
	w := words(name)
	for _, re := range n.patterns {
		if re.MatchString(w) {
			return true
		}
	}
	return false
}

// words splits a name where its spelling does.
func words(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case r == '_' || r == '-' || r == '.' || unicode.IsSpace(r):
			if b.Len() > 0 && i+1 < len(runes) {
				b.WriteByte(' ')
			}
			continue
		case unicode.IsUpper(r) && i > 0 && (unicode.IsLower(runes[i-1]) || unicode.IsUpper(runes[i-1]) && i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
