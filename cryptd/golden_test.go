package cryptd_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/cryptd"
	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// A golden file holds schemas ("schema NAME", then Extended JSON up to an empty line) and questions: a request to database db, in which
// "@NAME" stands for that schema, "----", and the answer. Lines that begin with # are comments.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".golden"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := answerAll(t, string(want))
			switch {
			case got == string(want):
			case *update:
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			default:
				t.Errorf("(-want +got; go test ./cryptd -update accepts it)\n%s", cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")))
			}
		})
	}
}

// answerAll gives the golden file with every answer anew.
func answerAll(t *testing.T, file string) string {
	var out []string
	eachBlock(file, func(comment, question string, request func() bson.Raw) {
		block := strings.TrimSpace(comment + "\n" + question)
		if request != nil {
			block += "\n----\n" + answer(t, request())
		}
		out = append(out, block)
	}, t)
	return strings.Join(out, "\n\n") + "\n"
}

// eachBlock calls f with each block of a golden file, request set for those that are questions.
func eachBlock(file string, f func(comment, question string, request func() bson.Raw), t testing.TB) {
	schemas := []string{}
	for block := range strings.SplitSeq(strings.TrimSpace(file), "\n\n") {
		lines := strings.Split(block, "\n")
		comments := 0
		for comments < len(lines) && strings.HasPrefix(lines[comments], "#") {
			comments++
		}
		comment, body := strings.Join(lines[:comments], "\n"), strings.Join(lines[comments:], "\n")
		question, _, _ := strings.Cut(body, "\n----")
		if name, isSchema := strings.CutPrefix(body, "schema "); isSchema {
			name, doc, _ := strings.Cut(name, "\n")
			schemas = append(schemas, `"@`+name+`"`, doc)
			f(comment, body, nil)
		} else if body == "" {
			f(comment, body, nil)
		} else {
			f(comment, question, func() bson.Raw { return extJSON(t, strings.NewReplacer(schemas...).Replace(question)) })
		}
	}
}

// goldenRequests are the questions of all golden files.
func goldenRequests(t testing.TB) (requests []bson.Raw) {
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		eachBlock(string(text), func(_, _ string, request func() bson.Raw) {
			if request != nil {
				requests = append(requests, request())
			}
		}, t)
	}
	return requests
}

func extJSON(t testing.TB, s string) bson.Raw {
	t.Helper()
	var doc bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(s), false, &doc); err != nil {
		t.Fatalf("%v in %s", err, s)
	}
	return doc
}

// answer is the answer to a request, in both rewrites where they differ.
func answer(t *testing.T, request bson.Raw) string {
	minimal := printAnswer(t, &cryptd.Analyzer{}, request)
	exact := printAnswer(t, &cryptd.Analyzer{Rewrite: analyze.Exact}, request)
	if minimal == exact {
		return minimal
	}
	return "minimal " + minimal + "\nexact   " + exact
}

func printAnswer(t *testing.T, a *cryptd.Analyzer, request bson.Raw) string {
	t.Helper()
	got, err := a.Analyze(nil, "db", request)
	if err != nil {
		f := cryptd.Describe(err)
		return fmt.Sprintf("error %d %s: %s", f.Code, f.CodeName, f.Message)
	}
	plain, err := bsonraw.Rewrite(nil, got, func(dst, content []byte) ([]byte, bsonraw.Replacement, error) {
		m, err := payload.ParseMarking(content)
		if err != nil {
			return dst, bsonraw.Replacement{Keep: true}, nil // was in the command already
		}
		doc := bson.D{{Key: "a", Value: m.Algorithm}}
		if m.KeyID != nil {
			doc = append(doc, bson.E{Key: "ki", Value: m.KeyID.String()[:8]})
		} else {
			doc = append(doc, bson.E{Key: "ka", Value: m.KeyAltName})
		}
		raw, err := bson.Marshal(bson.D{{Key: "$marking", Value: append(doc, bson.E{Key: "v", Value: m.Value})}})
		return append(dst, raw...), bsonraw.Replacement{Type: bson.TypeEmbeddedDocument}, err
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := bson.MarshalExtJSON(bson.Raw(plain), false, false)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
