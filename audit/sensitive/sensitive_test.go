package sensitive

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// Numbers that issuers and registries publish as examples or for tests, and what makes them wrong.
var cases = map[string]struct{ yes, no []string }{
	"card number": {
		[]string{"4111111111111111", "4111 1111 1111 1111", "5555-5555-5555-4444", "378282246310005", "6011111111111117", "3530111333300000", "30569309025904", "2223003122003222", "4222222222222"},
		[]string{"4111111111111112", "411111111111111", "9111111111111110", "4111  1111 1111 1111", "4111111111111111x", "0000000000000000", "37828224631000", "-4111111111111111", "41111111111111111111111111111111"},
	},
	"IBAN": {
		[]string{"GB82 WEST 1234 5698 7654 32", "DE89370400440532013000", "fr1420041010050500013m02606", "NO9386011117947"},
		[]string{"GB82 WEST 1234 5698 7654 33", "DE8937040044053201300", "XX89370400440532013000", "DE", "DE893704004405320130ÄÄ"},
	},
	"e-mail address": {
		[]string{"jane@example.org", "j.o'hara+tag@mail.example.co.uk", "jürgen@müller.de", "a@b.xn--p1ai"},
		[]string{"jane", "@example.org", "jane@", "jane@localhost", "a b@example.org", "jane@example..org", "jane@-a.org", "jane@a.b1", ".a@b.org", "user@host:22", "a@b@c.org", "npm@10.2.3"},
	},
	"US social security number": {[]string{"457-55-5462", "001 01 0001"}, []string{"457555462", "000-12-3456", "666-12-3456", "900-12-3456", "123-00-4567", "123-45-0000", "457-555-462", "457-55 5462", "111-11-1111"}},
	"Brazilian CPF":             {[]string{"529.982.247-25", "52998224725"}, []string{"529.982.247-24", "111.111.111-11", "5299822472"}},
	"French NIR":                {[]string{"2 55 08 14 168 025 38", "255081416802538"}, []string{"255081416802539", "355081416802538", "255131416802538"}},
	"German tax id":             {[]string{"86095742719", "47036892816", "86 095 742 719"}, []string{"86095742718", "06095742719", "11111111111"}},
	"Italian codice fiscale":    {[]string{"RSSMRA85T10A562S", "mrtmtt25d09f205z"}, []string{"RSSMRA85T10A562T", "RSSMRA85Z10A562S", "RSSMRA85T10A562", "1SSMRA85T10A562S"}},
	"Polish PESEL":              {[]string{"44051401359", "02070803628"}, []string{"44051401358", "44151401359", "44053201359"}},
	"Spanish DNI or NIE":        {[]string{"12345678Z", "12345678-z", "X1234567L"}, []string{"12345678A", "1234567Z", "A1234567L", "00000000T"}},
}

func detector(t testing.TB, name string) Detector {
	t.Helper()
	for _, d := range Detectors() {
		if d.Name == name {
			return d
		}
	}
	t.Fatalf("no detector %s", name)
	return Detector{}
}

func TestDetectors(t *testing.T) {
	if len(cases) != len(Detectors()) {
		t.Errorf("%d detectors, %d of them tested", len(Detectors()), len(cases))
	}
	for name, c := range cases {
		d := detector(t, name)
		for _, text := range c.yes {
			if !d.Match(text) {
				t.Errorf("%s: does not match %s", name, text)
			}
		}
		for _, text := range append(c.no, "", " ", "x", "é", "Ω≈ç√∫˜µ≤", strings.Repeat("1", 400)) {
			if d.Match(text) {
				t.Errorf("%s: matches %q", name, text)
			}
		}
	}
}

// One wrong digit is always noticed.
func TestCheckDigits(t *testing.T) {
	for _, test := range []struct{ name, text string }{
		{"card number", "4111111111111111"}, {"IBAN", "DE89370400440532013000"}, {"Brazilian CPF", "52998224725"}, {"French NIR", "255081416802538"},
		{"German tax id", "86095742719"}, {"Polish PESEL", "44051401359"}, {"Spanish DNI or NIE", "12345678Z"},
	} {
		d := detector(t, test.name)
		for i, old := range []byte(test.text) {
			for c := byte('0'); c <= '9'; c++ {
				wrong := test.text[:i] + string(c) + test.text[i+1:]
				if old >= '0' && old <= '9' && c != old && d.Match(wrong) {
					t.Errorf("%s: %s passes for %s", test.name, wrong, test.text)
				}
			}
		}
	}
}

// What is no personal number is taken for one seldom enough for a share of a fifth to mean something.
func TestChance(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	kinds := map[string]func() string{
		"uuid": func() string {
			return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", r.Uint32(), r.Uint32()&0xffff, r.Uint32()&0xffff, r.Uint32()&0xffff, r.Uint64()&0xffffffffffff)
		},
		"milliseconds": func() string { return fmt.Sprint(1_600_000_000_000 + r.Int64N(200_000_000_000)) },
		"hex":          func() string { return fmt.Sprintf("%024x", r.Uint64()) },
	}
	for _, n := range []int{8, 9, 10, 11, 12, 13, 14, 15, 16, 19} {
		kinds[fmt.Sprintf("%d digits", n)] = func() string {
			b := make([]byte, n)
			for i := range b {
				b[i] = '0' + byte(r.IntN(10))
			}
			return string(b)
		}
	}
	const tries = 20_000
	for kind, draw := range kinds {
		hits := map[int]int{}
		for range tries {
			if d, ok := Find(Detectors(), draw()); ok {
				hits[d]++
			}
		}
		for d, n := range hits {
			if n > tries*4/100 {
				t.Errorf("%s of %s: %d of %d", Detectors()[d].Name, kind, n, tries)
			}
		}
	}
}

func TestFind(t *testing.T) {
	if d, ok := Find(Detectors(), "  jane@example.org\n"); !ok || Detectors()[d].Name != "e-mail address" {
		t.Errorf("got %v %v", d, ok)
	}
	for _, text := range []string{"", " ", strings.Repeat(" ", 300) + "4111111111111111"} {
		if _, ok := Find(Detectors(), text); ok {
			t.Errorf("found something in %d characters", len(text))
		}
	}
}

func TestPattern(t *testing.T) {
	d, err := Pattern("staff number", `S[0-9]{4}|T1`)
	if err != nil || !d.Match("S1234") || !d.Match("T1") || d.Match("xS1234") || d.Match("T12") {
		t.Errorf("got %v", err)
	}
	for _, bad := range []struct{ name, expression string }{{"", "x"}, {"x", "("}} {
		if _, err := Pattern(bad.name, bad.expression); err == nil {
			t.Errorf("%v: no error", bad)
		}
	}
}

func TestNames(t *testing.T) {
	n, err := NewNames(NamePatterns())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"ssn", "SSN", "socialSecurityNumber", "social_security_no", "dateOfBirth", "DATE-OF-BIRTH", "dob", "birthday", "cardNumber", "credit_card", "pan", "cvv",
		"iban", "email", "e-mail", "homeEmail", "phone", "mobilePhone", "phone_number", "passportNumber", "passport", "diagnosis", "medicalRecordNumber", "password",
		"apiKey", "taxId", "salary", "driverLicenseNumber", "PIN",
	} {
		if !n.Match(name) {
			t.Errorf("%s (%s) is not taken to be sensitive", name, words(name))
		}
	}
	for _, name := range []string{"", "name", "pinned", "company", "expand", "session", "emailVerified", "phoneCount", "cardColor", "secretary", "_id", "spin", "pantry", strings.Repeat("a", 500)} {
		if n.Match(name) {
			t.Errorf("%s is taken to be sensitive", name)
		}
	}
	if _, err := NewNames([]string{"("}); err == nil || !strings.Contains(err.Error(), "name pattern: ") {
		t.Errorf("got %v", err)
	}
	var none *Names
	if none.Match("ssn") {
		t.Error("no names match")
	}
}

func TestWords(t *testing.T) {
	for name, want := range map[string]string{"userIDCard": "user id card", "HTTPServer": "http server", "a_b-c.d e": "a b c d e", "_x_": "x", "cvv2": "cvv2", "ÄrzteListe": "ärzte liste"} {
		if got := words(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// Nothing panics, whatever the text is.
func FuzzDetectors(f *testing.F) {
	for _, c := range cases {
		for _, text := range append(c.yes, c.no...) {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, d := range Detectors() {
			d.Match(text)
		}
		words(text)
	})
}
