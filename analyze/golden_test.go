package analyze_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// A golden file holds schemas ("schema db.coll", with the step of a migration behind it if there is one, then Extended JSON up to an empty
// line) and questions: a command, "----", and what became of it. A question's command is sent to database db. Lines that begin with # are comments.
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
			checkGolden(t, file, string(want), answerAll(t, string(want)))
		})
	}
}

func checkGolden(t *testing.T, file, want, got string) {
	t.Helper()
	if got == want {
		return
	}
	if !*update {
		t.Errorf("(-want +got; go test ./analyze -update accepts it)\n%s", cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")))
		return
	}
	if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
		t.Fatal(err)
	}
}

// answerAll gives the golden file with every answer anew.
func answerAll(t *testing.T, file string) string {
	schemas := map[string]*schema.Schema{}
	var out []string
	for block := range strings.SplitSeq(strings.TrimSpace(file), "\n\n") {
		lines := strings.Split(block, "\n")
		comments := 0
		for comments < len(lines) && strings.HasPrefix(lines[comments], "#") {
			comments++
		}
		head, body := strings.Join(lines[:comments], "\n"), strings.Join(lines[comments:], "\n")
		if ns, doc, isSchema := strings.Cut(strings.TrimPrefix(body, "schema "), "\n"); isSchema && strings.HasPrefix(body, "schema ") {
			ns, step, _ := strings.Cut(ns, " ")
			schemas[ns] = parseSchema(t, doc).During(migrationNamed(t, step))
		} else if body != "" {
			question, _, _ := strings.Cut(body, "\n----")
			block = strings.TrimPrefix(head+"\n"+question+"\n----\n"+answer(t, schemas, extJSON(t, question)), "\n")
		}
		out = append(out, block)
	}
	return strings.Join(out, "\n\n") + "\n"
}

// fataler is a test, of either kind.
type fataler interface {
	Fatal(...any)
	Fatalf(string, ...any)
}

func migrationNamed(t testing.TB, name string) schema.Migration {
	t.Helper()
	for _, m := range []schema.Migration{schema.ReadBothWritePlain, schema.ReadBothWriteEncrypted} {
		if m.String() == name {
			return m
		}
	}
	if name != "" {
		t.Fatalf("no step of a migration is called %s", name)
	}
	return schema.EncryptedOnly
}

func extJSON(t fataler, s string) bson.Raw {
	var doc bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(s), false, &doc); err != nil {
		t.Fatalf("%v in %s", err, s)
	}
	return doc
}

func parseSchema(t fataler, s string) *schema.Schema {
	parsed, err := schema.Parse(extJSON(t, s), schema.Remote)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// answer is what becomes of a command: in both rewrites where they differ.
func answer(t *testing.T, schemas map[string]*schema.Schema, cmd bson.Raw) string {
	target, err := analyze.Classify("db", cmd)
	if err != nil {
		return printError(err)
	}
	if target.Disposition == analyze.Bypassed {
		return "bypassed"
	}
	minimal := rewritten(t, target, cmd, schemas, analyze.Minimal)
	exact := rewritten(t, target, cmd, schemas, analyze.Exact)
	if minimal == exact {
		return minimal
	}
	return "minimal " + minimal + "\nexact   " + exact
}

// rewritten takes the namespaces without a schema in the file for ones that encrypt nothing, but for db.missing.
func rewritten(t *testing.T, target analyze.Target, cmd bson.Raw, schemas map[string]*schema.Schema, rewrite analyze.Rewrite) string {
	for _, ns := range target.Namespaces {
		if _, given := schemas[ns]; !given && ns != "db.missing" {
			schemas[ns] = nil
		}
	}
	res, err := analyze.Command(nil, target, cmd, schemas, analyze.Markings{}, analyze.Options{Rewrite: rewrite})
	switch {
	case err != nil:
		return printError(err)
	case !res.RequiresEncryption:
		return "unread"
	case !res.HasPlaceholders:
		if !bytes.Equal(res.Command, cmd) {
			t.Errorf("nothing was sealed, but the command changed")
		}
		return "unchanged"
	}
	return printMarked(t, res.Command)
}

func printError(err error) string {
	var refused *analyze.RefusedError
	if !errors.As(err, &refused) {
		return "error: " + err.Error()
	}
	if refused.Code != 0 {
		return fmt.Sprintf("refused: %v (code %d)", refused, refused.Code)
	}
	return "refused: " + refused.Error()
}

// printMarked is a command as Extended JSON, its markings decoded.
func printMarked(t testing.TB, cmd bson.Raw) string {
	t.Helper()
	plain, err := bsonraw.Rewrite(nil, cmd, func(dst, content []byte) ([]byte, bsonraw.Replacement, error) {
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
