package schema_test

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

var update = flag.Bool("update", false, "write the expected answers in testdata")

const (
	keyA = `{"$uuid": "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"}`
	keyB = `{"$uuid": "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"}`
)

var macros = strings.NewReplacer(
	"@enc", `{"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random", "keyId": [`+keyA+`]}`,
	"@det", `"AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"`,
	"@random", `"AEAD_AES_256_CBC_HMAC_SHA_512-Random"`,
	"@A", keyA, "@B", keyB,
)

// document reads Extended JSON, with macros.
func document(t testing.TB, text string) bson.Raw {
	t.Helper()
	var doc bson.D
	if err := bson.UnmarshalExtJSON([]byte(macros.Replace(text)), false, &doc); err != nil {
		t.Fatalf("the test's schema is not Extended JSON: %v\n%s", err, text)
	}
	raw, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func parse(t testing.TB, text string) *schema.Schema {
	t.Helper()
	s, err := schema.Parse(document(t, text), schema.Local)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// question is one file of a testdata archive: a schema, and paths to look up in it.
type question struct {
	origin schema.Origin
	schema string
	paths  []string
	want   string
}

func readQuestion(f txtar.File) question {
	q := question{origin: schema.Local}
	if strings.HasPrefix(f.Name, "remote ") {
		q.origin = schema.Remote
	}
	for line := range strings.Lines(string(f.Data)) {
		switch {
		case strings.HasPrefix(line, "? "):
			q.paths = append(q.paths, strings.ReplaceAll(strings.TrimSuffix(line[2:], "\n"), `""`, ""))
		case strings.HasPrefix(line, "= "):
			q.want += line
		default:
			q.schema += line
		}
	}
	return q
}

func (q question) text() []byte {
	var b strings.Builder
	b.WriteString(q.schema)
	for _, p := range q.paths {
		b.WriteString("? " + cmp.Or(p, `""`) + "\n")
	}
	b.WriteString(q.want)
	return []byte(b.String())
}

func (q question) answer(t *testing.T) string {
	var b strings.Builder
	s, err := schema.Parse(document(t, q.schema), q.origin)
	if err != nil {
		b.WriteString(describeError(t, err))
	} else if !s.Encrypts() {
		b.WriteString("= encrypts nothing\n")
	}
	for _, f := range s.Fields() {
		fmt.Fprintf(&b, "= %s\n", describeField(f))
	}
	for _, p := range q.paths {
		m, err := s.Lookup(p)
		switch {
		case err != nil:
			fmt.Fprintf(&b, "= %q is refused\n%s", p, describeError(t, err))
		case m.Field != nil:
			fmt.Fprintf(&b, "= %q is %s: %s\n", p, m.Class, m.Field.Path)
		default:
			fmt.Fprintf(&b, "= %q is %s\n", p, m.Class)
		}
	}
	return b.String()
}

func describeField(f *schema.Encrypted) string {
	key := f.KeyPointer
	if key == "" {
		key = f.KeyID.String()
	}
	types := f.Types.String()
	if types == "" {
		types = "any"
	}
	_, alg, _ := strings.Cut(f.Algorithm.String(), "-")
	return fmt.Sprintf("field %q, %s, key %s, types %s", f.Path, alg, key, types)
}

func describeError(t *testing.T, err error) string {
	var refused *schema.Error
	if !errors.As(err, &refused) {
		t.Fatalf("got %T, want *schema.Error: %v", err, err)
	}
	if refused.Hint == "" || refused.Message == "" {
		t.Errorf("no message or no hint: %#v", refused)
	}
	return fmt.Sprintf("= refused: path %q, keyword %q, code %d\n= %s\n= hint: %s\n",
		refused.Path, refused.Keyword, refused.Code, refused.Message, refused.Hint)
}

func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range archive.Files {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar")+"/"+f.Name, func(t *testing.T) {
				q := readQuestion(f)
				got := q.answer(t)
				if !*update {
					if diff := gocmp.Diff(q.want, got); diff != "" {
						t.Errorf("(-want +got)\n%s", diff)
					}
				}
				q.want = got
				archive.Files[i].Data = q.text()
			})
		}
		if *update {
			if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
