package analyze_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

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

// FuzzCommand runs arbitrary bytes as a command under an arbitrary schema. Whatever is let through is as long as the command, but for a
// factor, and with the schema of the seeds it holds, at the path of an encrypted field, nothing but encrypted values and mere flags.
func FuzzCommand(f *testing.F) {
	own := []byte(extJSON(f, fuzzSchema))
	for i, seed := range goldenCommands(f) {
		f.Add(own, []byte(seed))
		if i%2 == 0 {
			f.Add(own, []byte(seed[:len(seed)/2]))
		} else {
			f.Add([]byte(extJSON(f, meaningSchema)), []byte(seed))
		}
	}
	for _, hostile := range hostileCommands() {
		f.Add(own, []byte(hostile))
	}
	places := fuzzPlaces()
	f.Fuzz(func(t *testing.T, schemaDoc, cmd []byte) {
		before := bytes.Clone(cmd)
		compiled, err := schema.Parse(schemaDoc, schema.Remote)
		target, notClassified := analyze.Classify("db", cmd)
		if err != nil || notClassified != nil || target.Disposition != analyze.Analysed {
			return
		}
		schemas := map[string]*schema.Schema{}
		for i, ns := range target.Namespaces { // of several collections, every other one has the schema
			if schemas[ns] = nil; i%2 == 0 {
				schemas[ns] = compiled
			}
		}
		schemas[target.Namespaces[0]] = compiled
		for _, rewrite := range []analyze.Rewrite{analyze.Minimal, analyze.Exact} {
			r := &recorder{}
			res, err := analyze.Command(nil, target, cmd, schemas, r, analyze.Options{Rewrite: rewrite})
			if !bytes.Equal(cmd, before) {
				t.Fatal("the input was changed")
			}
			if len(r.sealed) > len(cmd) || len(res.Command) > 20*len(cmd)+100 {
				t.Fatalf("a command of %d bytes: %d values sealed, %d bytes written", len(cmd), len(r.sealed), len(res.Command))
			}
			if err != nil || bsonraw.Validate(cmd) != nil {
				continue
			}
			if err := bsonraw.Validate(res.Command); err != nil {
				t.Fatalf("the output is not BSON: %v", err)
			}
			if bytes.Equal(schemaDoc, own) {
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
