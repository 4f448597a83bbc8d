package cryptd_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/cryptd"
	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// The commands of analyze's golden files, with their schemas as libmongocrypt sends them, are answered as analyze decides.
func TestAnswersAgreeWithAnalysis(t *testing.T) {
	files, err := filepath.Glob("../analyze/testdata/*.golden")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".golden"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			docs := map[string]bson.Raw{}
			for block := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n\n") {
				lines := strings.Split(block, "\n")
				lines = lines[max(0, slices.IndexFunc(lines, func(l string) bool { return !strings.HasPrefix(l, "#") })):]
				body, _, _ := strings.Cut(strings.Join(lines, "\n"), "\n----")
				if rest, isSchema := strings.CutPrefix(body, "schema "); isSchema {
					ns, doc, _ := strings.Cut(rest, "\n")
					docs[ns] = extJSON(t, doc)
				} else if !strings.HasPrefix(body, "#") {
					agrees(t, docs, extJSON(t, body))
				}
			}
		})
	}
}

// agrees compares the answer to a command with its analysis.
func agrees(t *testing.T, docs map[string]bson.Raw, cmd bson.Raw) {
	schemas, all := map[string]*schema.Schema{}, bson.D{}
	for ns, doc := range docs {
		compiled, err := schema.Parse(doc, schema.Remote)
		if err != nil {
			t.Fatal(err)
		}
		schemas[ns] = compiled
		all = append(all, bson.E{Key: ns, Value: bson.D{{Key: "jsonSchema", Value: doc}, {Key: "isRemoteSchema", Value: true}}})
	}
	target, wantErr := analyze.Classify("db", cmd)
	for _, ns := range target.Namespaces {
		if _, given := schemas[ns]; !given && ns != "db.missing" {
			schemas[ns] = nil
			all = append(all, bson.E{Key: ns, Value: bson.D{{Key: "jsonSchema", Value: bson.D{}}, {Key: "isRemoteSchema", Value: false}}})
		}
	}
	added, err := bson.Marshal(bson.D{{Key: "csfleEncryptionSchemas", Value: all}})
	if err != nil {
		t.Fatal(err)
	}
	request := slices.Concat(cmd[:len(cmd)-1], added[4:])
	request = bsonraw.End(request[:len(request)-1], 0)
	got, gotErr := new(cryptd.Analyzer).Analyze(nil, "db", request)
	if bytes.Contains(cmd, []byte("$db")) || bytes.Contains(cmd, []byte("encryptionInformation")) {
		return // no part of the command here
	}
	want := analyze.Result{Command: cmd}
	if wantErr == nil && target.Disposition == analyze.Analysed {
		want, wantErr = analyze.Command(nil, target, cmd, schemas, analyze.Markings{}, analyze.Options{})
	}
	switch {
	case wantErr != nil && gotErr == nil, wantErr == nil && gotErr != nil:
		t.Errorf("%v: got %v, want %v", cmd, gotErr, wantErr)
	case wantErr != nil && gotErr.Error() != wantErr.Error() && !strings.Contains(wantErr.Error(), "schema-missing"):
		t.Errorf("%v: got %v, want %v", cmd, gotErr, wantErr)
	case wantErr == nil && !bytes.Equal(got.Lookup("result").Value, want.Command):
		t.Errorf("%v: got %v, want %v", cmd, got, want.Command)
	case wantErr == nil && got.Lookup("hasEncryptionPlaceholders").Boolean() != want.HasPlaceholders:
		t.Errorf("%v: got %v", cmd, got)
	}
}

// fields are those of drawn documents, with the schema's share of them.
var fields = []string{"plain", "ssn", "account", "phone", "address.zip", "address.city"}

func isEncrypted(field string) bool { return field != "plain" && field != "address.city" }

// drawDocument makes a document of some of the fields; secrets counts those that are encrypted.
func drawDocument(t *rapid.T, secrets *int) bson.D {
	var doc, address bson.D
	for _, field := range fields {
		if !rapid.Bool().Draw(t, field) {
			continue
		}
		if isEncrypted(field) {
			*secrets++
		}
		var value any = "secret " + rapid.String().Draw(t, "value")
		if field == "account" {
			value = rapid.Int64().Draw(t, "account")
		}
		if inner, isInner := strings.CutPrefix(field, "address."); isInner {
			address = append(address, bson.E{Key: inner, Value: value})
		} else {
			doc = append(doc, bson.E{Key: field, Value: value})
		}
	}
	return append(doc, bson.E{Key: "address", Value: address})
}

// drawCommand makes a command over drawn values, and says how many must be sealed.
func drawCommand(t *rapid.T) (cmd bson.D, secrets int) {
	switch rapid.IntRange(0, 2).Draw(t, "command") {
	case 0:
		docs := bson.A{}
		for range rapid.IntRange(0, 5).Draw(t, "documents") {
			docs = append(docs, drawDocument(t, &secrets))
		}
		return bson.D{{Key: "insert", Value: "people"}, {Key: "documents", Value: docs}}, secrets
	case 1:
		set := drawDocument(t, &secrets)
		return bson.D{{Key: "update", Value: "people"}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "u", Value: bson.D{{Key: "$set", Value: set}}}}}}}, secrets
	default:
		values := bson.A{}
		for range rapid.IntRange(0, 9).Draw(t, "values") {
			values = append(values, "secret "+rapid.String().Draw(t, "value"))
		}
		return bson.D{{Key: "find", Value: "people"}, {Key: "filter", Value: bson.D{{Key: "ssn", Value: bson.D{{Key: "$in", Value: values}}}}}}, len(values)
	}
}

// Every value of an encrypted field is in a marking, and with the markings taken back the result is the command.
func TestResultIsTheCommand(t *testing.T) {
	doc := extJSON(t, wideSchema)
	rapid.Check(t, func(t *rapid.T) {
		cmd, secrets := drawCommand(t)
		for _, extra := range []string{"lsid", "comment", "maxTimeMS"} {
			if rapid.Bool().Draw(t, extra) {
				cmd = append(cmd, bson.E{Key: extra, Value: 1})
			}
		}
		encrypts := rapid.Bool().Draw(t, "encrypts")
		added := []bson.E{{Key: "jsonSchema", Value: bson.D{}}, {Key: "isRemoteSchema", Value: true}, {Key: "$db", Value: "db"}}
		if encrypts {
			added[0].Value = doc
		} else {
			secrets = 0
		}
		request := slices.Clone(cmd)
		for _, e := range added {
			request = slices.Insert(request, rapid.IntRange(1, len(request)).Draw(t, "place"), e)
		}
		raw, wanted := marshal(t, request), marshal(t, cmd)
		answer, err := new(cryptd.Analyzer).Analyze(nil, "db", raw)
		if err != nil {
			t.Fatal(err)
		}
		if answer.Lookup("schemaRequiresEncryption").Boolean() != encrypts || answer.Lookup("hasEncryptionPlaceholders").Boolean() != (secrets > 0) {
			t.Fatalf("%d values to seal: %v", secrets, answer)
		}
		found := 0
		plain, err := bsonraw.Rewrite(nil, answer.Lookup("result").Value, func(dst, content []byte) ([]byte, bsonraw.Replacement, error) {
			m, err := payload.ParseMarking(content)
			found++
			return append(dst, m.Value.Value...), bsonraw.Replacement{Type: m.Value.Type}, err
		})
		if err != nil || found != secrets || !bytes.Equal(plain, wanted) {
			t.Fatalf("%d markings for %d values, %v\n got %v\nwant %v", found, secrets, err, bson.Raw(plain), wanted)
		}
	})
}

func marshal(t rapid.TB, doc bson.D) bson.Raw {
	raw, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// FuzzAnalyze runs arbitrary bytes as a request. What is answered is a document not much longer than the request, whose result holds nothing
// that is meant for the analysis.
func FuzzAnalyze(f *testing.F) {
	for _, seed := range goldenRequests(f) {
		f.Add([]byte(seed))
		f.Add([]byte(seed[:len(seed)/2]))
	}
	f.Add([]byte(findRequest(f)))
	f.Add([]byte(insertRequest(f)))
	var cached cryptd.Analyzer
	f.Fuzz(func(t *testing.T, request []byte) {
		before := bytes.Clone(request)
		answer, err := new(cryptd.Analyzer).Analyze(nil, "db", request)
		again, errAgain := cached.Analyze([]byte("x"), "db", request)
		switch {
		case !bytes.Equal(request, before):
			t.Fatal("the request was changed")
		case (err == nil) != (errAgain == nil) || !bytes.Equal(answer, again):
			t.Fatalf("two answers: %v, %v and %v, %v", answer, err, again, errAgain)
		case err != nil:
			if d := cryptd.Describe(err); d.Code == 0 || d.CodeName == "" || d.Message == "" {
				t.Fatalf("%+v", d)
			}
			return
		case len(answer) > 20*len(request)+200:
			t.Fatalf("%d bytes for a request of %d", len(answer), len(request))
		}
		if bsonraw.Validate(request) == nil && bsonraw.Validate(answer) != nil {
			t.Fatalf("the answer is not BSON: %x", []byte(answer))
		}
		for _, field := range []string{"jsonSchema", "isRemoteSchema", "csfleEncryptionSchemas", "encryptionInformation", "$db"} {
			if _, err := answer.LookupErr("result", field); err == nil {
				t.Errorf("the result holds %s", field)
			}
		}
	})
}
