package schema_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

// Whatever the bytes: no panic; a refusal is an *Error that helps; and a schema good enough to be local means the same as a remote one.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.txtar")
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, q := range archive.Files {
			f.Add([]byte(document(f, readQuestion(q).schema)), "a.b")
		}
	}
	f.Fuzz(func(t *testing.T, doc []byte, path string) {
		local, localErr := schema.Parse(bson.Raw(doc), schema.Local)
		remote, remoteErr := schema.Parse(bson.Raw(doc), schema.Remote)
		for _, err := range []error{localErr, remoteErr} {
			var refused *schema.Error
			if err != nil && (!errors.As(err, &refused) || refused.Message == "" || refused.Hint == "") {
				t.Fatalf("a refusal that does not help: %#v", err)
			}
		}
		if localErr == nil && (remoteErr != nil || !cmp.Equal(local.Fields(), remote.Fields())) {
			t.Fatalf("local and remote differ: %v", remoteErr)
		}
		if (remote.Encrypts()) != (len(remote.Fields()) > 0) {
			t.Fatal("Encrypts and Fields disagree")
		}
		linted, mistakes := schema.Lint(bson.Raw(doc), schema.Remote)
		if (linted == nil) != (len(mistakes) > 0) || remoteErr != nil && linted != nil {
			t.Fatalf("Parse says %v, Lint %v", remoteErr, mistakes)
		}
		if linted != nil {
			validator, err := schema.Validator(bson.Raw(doc), schema.ValidatorOptions{})
			if err != nil {
				t.Fatalf("no validator of a sound schema: %v", err)
			}
			if differences, err := schema.Compare(bson.Raw(doc), validator.Lookup("$jsonSchema").Document()); err != nil || len(differences) > 0 {
				t.Fatalf("the validator differs: %v %v", err, differences)
			}
			if _, err := schema.EncryptionOnly(validator); err != nil {
				t.Fatal(err)
			}
		}
		m, err := remote.Lookup(path)
		if err == nil && (m.Class == schema.Plain) != (m.Node == nil && m.Field == nil) {
			t.Fatalf("class %s, node %v, field %v", m.Class, m.Node, m.Field)
		}
	})
}
