package sensitive_test

import (
	"testing"

	"github.com/fieldcrypt/fieldcrypt/audit/sensitive"
)

// Whatever stands in a database, no detector panics.
func FuzzFind(f *testing.F) {
	for _, text := range []string{
		"jane@example.org", "DE89 3704 0044 0532 0130 00", "4111 1111 1111 1111", "457-55-5462", "529.982.247-25", "1 84 12 2A 004 125 03", "86095742719",
		"RSSMRA85T10A562S", "44051401359", "12345678Z", "ABC\u0131DE80A01H501", "\u0131\u0131\u0131\u0131\u0131\u0131\u0131\u0131",
	} {
		f.Add(text)
	}
	names, err := sensitive.NewNames(sensitive.NamePatterns())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, d := range sensitive.Detectors() {
			d.Match(text)
		}
		names.Match(text)
	})
}
