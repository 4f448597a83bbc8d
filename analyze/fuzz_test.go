package analyze_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// fuzzSchema has every kind of place; its fields are those of the golden files.
const fuzzSchema = `{"bsonType": "object", "encryptMetadata": {"keyId": [{"$uuid": "11111111-1111-1111-1111-111111111111"}], "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"},
	"properties": {"ssn": {"encrypt": {"bsonType": "string"}}, "account": {"encrypt": {"bsonType": "long"}},
	"phone": {"encrypt": {"bsonType": "string", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random"}},
	"secret": {"encrypt": {"keyId": "/keyname", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random"}},
	"card": {"encrypt": {"bsonType": "object", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random"}},
	"address": {"bsonType": "object", "properties": {"zip": {"encrypt": {"bsonType": "string"}}}, "patternProperties": {"^p_": {"encrypt": {"bsonType": "string"}}}},
	"m": {"bsonType": "object", "additionalProperties": {"encrypt": {"bsonType": "string"}}}}}`

// fuzzPlaces is the same schema as a model; see oracle_test.go.
func fuzzPlaces() *place {
	secret := &place{enc: &encryption{algorithm: payload.Deterministic}}
	return &place{children: map[string]*place{
		"ssn": secret, "account": secret, "phone": secret, "secret": secret, "card": secret,
		"address": {children: map[string]*place{"zip": secret}, patterns: []string{"^p_"}, matched: map[string]*place{"^p_": secret}},
		"m":       {rest: secret},
	}}
}

// FuzzCommand runs arbitrary bytes as a command. Whatever is let through holds, at the path of an encrypted field, nothing but
// encrypted values and mere flags.
func FuzzCommand(f *testing.F) {
	for _, seed := range goldenCommands(f) {
		f.Add([]byte(seed))
		f.Add([]byte(seed[:len(seed)/2]))
	}
	for _, hostile := range hostileCommands() {
		f.Add([]byte(hostile))
	}
	compiled, places := parseSchema(f, fuzzSchema), fuzzPlaces()
	f.Fuzz(func(t *testing.T, cmd []byte) {
		before := bytes.Clone(cmd)
		target, err := analyze.Classify("db", cmd)
		if err != nil || target.Disposition != analyze.Analysed {
			return
		}
		schemas := map[string]*schema.Schema{target.Namespaces[0]: compiled}
		for _, rewrite := range []analyze.Rewrite{analyze.Minimal, analyze.Exact} {
			r := &recorder{}
			res, err := analyze.Command(nil, target, cmd, schemas, r, analyze.Options{Rewrite: rewrite})
			if !bytes.Equal(cmd, before) {
				t.Fatal("the input was changed")
			}
			if err != nil {
				continue
			}
			if bsonraw.Validate(cmd) == nil {
				if err := bsonraw.Validate(res.Command); err != nil {
					t.Fatalf("the output is not BSON: %v", err)
				}
				auditor{t, places}.command(res.Command)
			}
		}
	})
}

func FuzzClassify(f *testing.F) {
	for _, seed := range goldenCommands(f) {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, cmd []byte) {
		target, err := analyze.Classify("db", cmd)
		var refused *analyze.RefusedError
		switch {
		case err == nil && (target.Disposition == analyze.Analysed) != (len(target.Namespaces) > 0):
			t.Errorf("%v with %d namespaces", target.Disposition, len(target.Namespaces))
		case err == nil && target.Disposition == analyze.Refused:
			t.Error("refused without an error")
		case err != nil && target.Disposition != analyze.Refused:
			t.Errorf("%v with %v", target.Disposition, err)
		case errors.As(err, &refused) && (refused.Rule == "" || refused.Message == ""):
			t.Errorf("incomplete refusal %#v", refused)
		}
		for _, ns := range target.Namespaces {
			if !strings.Contains(ns, ".") {
				t.Errorf("namespace %q", ns)
			}
		}
	})
}

// goldenCommands are the commands of all golden files.
func goldenCommands(t testing.TB) (commands []bson.Raw) {
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for block := range strings.SplitSeq(string(text), "\n\n") {
			if question, _, asked := strings.Cut(block, "\n----"); asked {
				lines := strings.Split(question, "\n")
				commands = append(commands, extJSON(t, lines[len(lines)-1]))
			}
		}
	}
	return commands
}

// auditor walks a command that was let through and knows nothing of operators: names with a dollar sign lead nowhere.
type auditor struct {
	rapid.TB
	root *place
}

func (a auditor) command(cmd bson.Raw) {
	for _, e := range elements(a, cmd) {
		if !e.IsContainer() {
			continue // the command's name, or an option
		}
		switch string(e.Key) {
		case "explain":
			a.command(e.Value)
		case "updates", "deletes":
			for _, statement := range elements(a, e.Value) {
				a.command(statement.Value)
			}
		case "pipeline":
			a.pipeline(e)
		case "documents":
			a.stored(top(a.root), e)
		case "update", "u":
			a.update(e)
		case "filter", "query", "q", "validator", "min", "max", "$match":
			a.filter(top(a.root), e, true)
		case "sort", "projection", "fields", "hint", "$sort", "$project":
			a.filter(top(a.root), e, false)
		}
	}
}

func (a auditor) pipeline(list bsonraw.Element) {
	for _, stage := range elements(a, list.Value) {
		if name := string(elements(a, stage.Value)[0].Key); name == "$group" || name == "$count" {
			return // nothing encrypted comes out
		}
		a.command(stage.Value)
	}
}

// filter checks everything in e, which stands at w. Where numbers are directions, they may be any.
func (a auditor) filter(w where, e bsonraw.Element, numbers bool) {
	if !e.IsContainer() {
		a.leaf(w, e, numbers)
		return
	}
	for _, inner := range elements(a, e.Value) {
		if name := string(inner.Key); strings.HasPrefix(name, "$") || e.Type == bson.TypeArray {
			a.filter(w, inner, numbers)
		} else {
			a.filter(w.path(name), inner, numbers)
		}
	}
}

func (a auditor) update(e bsonraw.Element) {
	all := elements(a, e.Value)
	if len(all) == 0 || !strings.HasPrefix(string(all[0].Key), "$") {
		a.stored(top(a.root), e)
		return
	}
	for _, operator := range all {
		if string(operator.Key) == "$rename" {
			continue // names, not values
		}
		for _, modification := range elements(a, operator.Value) {
			a.stored(top(a.root).updated(string(modification.Key)), modification)
		}
	}
}

// stored checks a stored value. All its names are literal.
func (a auditor) stored(w where, e bsonraw.Element) {
	if !e.IsContainer() {
		a.leaf(w, e, true)
		return
	}
	for _, inner := range elements(a, e.Value) {
		if e.Type == bson.TypeArray {
			a.stored(w, inner)
		} else {
			a.stored(w.field(string(inner.Key)), inner)
		}
	}
}

func (a auditor) leaf(w where, e bsonraw.Element, numbers bool) {
	if w.secret() && !harmless(e, numbers) {
		a.Errorf("a %v is in clear at %v", e.Type, w)
	}
}

func harmless(e bsonraw.Element, numbers bool) bool {
	v := e.RawValue()
	switch e.Type {
	case bson.TypeNull, bson.TypeBoolean:
		return true
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		n, _ := v.AsInt64OK()
		return !numbers || n == 0 || n == 1
	case bson.TypeString:
		return slices.Contains([]string{"", "hashed", "text", "2d", "2dsphere"}, v.StringValue())
	}
	_, encrypted := bsonraw.EncryptedPayload(e.Type, e.Value)
	return encrypted
}
