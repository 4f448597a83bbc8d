package page

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/audit"
	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

var update = flag.Bool("update", false, "write the golden page anew")

// hostile is a name that tries to be markup wherever it stands.
const hostile = `"><script>alert(1)</script><img src=https://evil.example/x onerror='alert(2)'>{{.}}</style></svg></title>`

func id(v any) audit.ID {
	t, data, _ := bson.MarshalValue(v)
	return audit.ID{Value: bson.RawValue{Type: t, Value: data}}
}

func occurrences(p audit.Problem, n int64, ids ...audit.ID) *audit.Occurrences {
	return &audit.Occurrences{Problem: p, Values: n, Documents: ids}
}

// sample is a report with everything in it.
func sample() *audit.Report {
	alice, gone := payload.KeyID{0xaa, 1}, payload.KeyID{0xcc, 3}
	ssn := &audit.Field{
		Path: "ssn", Schema: &schema.Encrypted{Path: "ssn", Algorithm: payload.Deterministic, KeyID: alice, Types: 1 << 2}, Documents: 1_000_000, Values: 1_000_000, Clean: 999_995,
		Encrypted: 999_998, Empty: 1, Keys: []audit.KeyCount{{ID: alice, Values: 999_997}, {ID: gone, Values: 1}}, Proven: 100,
		Algorithms: map[payload.Algorithm]int64{payload.Deterministic: 999_998}, Types: map[bson.Type]int64{bson.TypeString: 999_997, bson.TypeInt32: 1},
		PlainTypes: map[bson.Type]int64{bson.TypeString: 1},
		Problems: []*audit.Occurrences{occurrences(audit.Plaintext, 1, id(int32(7))), occurrences(audit.UnknownKey, 1, id("emp-7")),
			occurrences(audit.WrongKey, 1, audit.ID{Withheld: "an _id of type object"}), occurrences(audit.WrongType, 1, id(bson.ObjectID{1}))},
	}
	phone := &audit.Field{Path: "phone", Schema: &schema.Encrypted{Path: "phone", Algorithm: payload.Random, KeyPointer: "/owner"}}
	return &audit.Report{
		Server: "db.example.org:27017", ServerVersion: "7.0.42", Version: "v1.2.3", Started: time.UnixMilli(1_700_000_000_000), Ended: time.UnixMilli(1_700_000_100_000), Complete: true, Proven: true,
		Collections: []*audit.Collection{
			{Namespace: "hr.employees", Source: audit.FromMap, Total: 1_000_000, Documents: 1_000_000, Complete: true, Fields: []*audit.Field{ssn, phone}, Unreadable: 1,
				Suspects: []*audit.Suspect{{Path: "contact.mail", Values: 900, Hits: 880, Detector: "e-mail address", Documents: []audit.ID{id(int64(1))}}, {Path: "dob", Values: 5, ByName: true, Accepted: true}}},
			{Namespace: "hr." + hostile, Source: audit.FromValidator, Schema: errors.New(hostile), Total: 3, Documents: 3, Complete: true, Err: errors.New(hostile),
				Others: []*audit.Field{{Path: hostile, Values: 1, Encrypted: 1, Documents: 1, Problems: []*audit.Occurrences{occurrences(audit.NotInSchema, 1, id(hostile[:60]))}}}},
		},
		Keys: audit.Keys{
			Vault: "encryption.__keyVault", Looked: true, InVault: 2, Used: 1, UnusedAll: 1, UnknownAll: 1, Unproven: errors.New(hostile),
			Listed: []*audit.Key{{ID: alice, AltNames: []string{"hr", hostile}, Provider: hostile, Values: 999_997}},
			Unused: []*audit.Key{{ID: payload.KeyID{0xdd}, Provider: "aws"}}, Unknown: []audit.KeyCount{{ID: gone, Values: 1}},
			Missing: []audit.SchemaKey{{ID: gone, Namespace: "hr.employees", Path: hostile}},
		},
	}
}

func render(t testing.TB, r *audit.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	const file = "testdata/page.html"
	got := render(t, sample())
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the page is not that of %s: go test ./audit/page -update, and read the difference", file)
	}
}

var tag = regexp.MustCompile(`<[^ >]+`)

// Names from a database make no element, whatever they are, and nothing in the page points elsewhere.
func TestHostileNames(t *testing.T) {
	got := render(t, sample())
	allowed := []string{"!DOCTYPE", "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "p", "b", "br", "div", "table", "thead", "tbody", "tr", "th", "td", "code", "span", "svg", "rect", "ul", "li", "dl", "dt", "dd"}
	for _, element := range tag.FindAllString(got, -1) {
		if name := strings.TrimLeft(element, "</"); !slices.Contains(allowed, name) {
			t.Errorf("the page has an element %s", name)
		}
	}
	markup := strings.Join(regexp.MustCompile(`<[^>]*>`).FindAllString(got, -1), "") + style
	for _, way := range []string{"src=", "href", "url(", "@import", "onerror", "://", "style="} {
		if strings.Contains(markup, way) {
			t.Errorf("the page has %q", way)
		}
	}
	if n := strings.Count(got, "alert(1)"); n < 8 {
		t.Errorf("the hostile name stands in %d places only", n)
	}
}

func TestVerdicts(t *testing.T) {
	clean := func() *audit.Report {
		ssn := &audit.Field{Path: "ssn", Schema: &schema.Encrypted{Path: "ssn"}, Values: 5, Clean: 5}
		return &audit.Report{Complete: true, Collections: []*audit.Collection{{Documents: 5, Fields: []*audit.Field{ssn}}}}
	}
	for want, change := range map[string]func(*audit.Report){
		"No problem found.":                         func(*audit.Report) {},
		"No problem found</b> in a random sample.":  func(r *audit.Report) { r.Sample = 5 },
		"<b>Incomplete.</b>":                        func(r *audit.Report) { r.Complete = false },
		"<b>Problems found:</b> 1 kind of problems": func(r *audit.Report) { r.Collections[0].Schema = errors.New("x") },
		"<b>Nothing was read.</b>":                  func(r *audit.Report) { r.Collections[0].Documents = 0 },
		"<b>Nothing was expected.</b>":              func(r *audit.Report) { r.Collections[0].Fields = nil },
		"no collection":                             func(r *audit.Report) { r.Collections = nil },
	} {
		r := clean()
		change(r)
		if got := render(t, r); !strings.Contains(got, want) {
			t.Errorf("lacks %q", want)
		}
	}
}

// A bar is as wide as all bars, and every part that is not nothing can be seen.
func TestBar(t *testing.T) {
	parts := bar(sample().Collections[0].Fields[0])
	width := 0.0
	for _, p := range parts {
		if p.X < width-0.01 || p.X > width+0.01 || p.Width < 5 {
			t.Errorf("got %+v", p)
		}
		width += p.Width
	}
	if len(parts) != 4 || width < 999.9 || width > 1000.1 {
		t.Errorf("%d parts, %v wide", len(parts), width)
	}
	if parts := bar(&audit.Field{}); len(parts) != 0 {
		t.Errorf("got %+v", parts)
	}
}

// Who does not see the bar is told the same, also of the collection and of all.
func TestBarIsTold(t *testing.T) {
	fields := []*audit.Field{{Values: 1_000_002, Clean: 1_000_000, Empty: 2}, {Values: 7, Problems: []*audit.Occurrences{occurrences(audit.Plaintext, 7)}}}
	r := &audit.Report{Collections: []*audit.Collection{{Fields: fields}, {Fields: fields[:1]}}}
	for _, test := range []struct {
		parts []segment
		want  string
	}{
		{bar(fields[1]), "plaintext: 7"},
		{within(r.Collections[0]), "encrypted as the schema says: 1,000,000; plaintext: 7; empty: 2"},
		{overall(view{Report: r}), "encrypted as the schema says: 2,000,000; plaintext: 7; empty: 4"},
	} {
		if got := told(test.parts); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
	if page := render(t, sample()); strings.Count(page, "<svg") != strings.Count(page, "aria-label=") {
		t.Error("a bar is not told")
	}
}

// What is not seen of a name is shown by its number.
func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"a\u202etxt.exe": `a\u{202e}txt.exe`, "\u200b\ufeff": `\u{200b}\u{feff}`, "\x1b[31m\r\t": `\u{1b}[31m\u{d}\u{9}`, "<b>\nä 漢 · –": "<b>\nä 漢 · –", "\xff": "\ufffd",
	} {
		if got := string(visible([]byte(in))); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 123_456: "123,456", 1_234_567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := grouped(n); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestPercent(t *testing.T) {
	for want, n := range map[string][2]int64{"–": {0, 0}, "100 %": {7, 7}, "0 %": {0, 7}, "> 99.9 %": {999_999, 1_000_000}, "< 0.1 %": {1, 1_000_000}, "33.3 %": {1, 3}} {
		if got := percent(n[0], n[1]); got != want {
			t.Errorf("%v: got %s, want %s", n, got, want)
		}
	}
}
