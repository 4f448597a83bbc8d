package spec

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// release is the version of the official driver whose test data is run. Only its test data: nothing is compiled from it.
const release = "go.mongodb.org/mongo-driver@v1.17.10"

// testFile is one file of the specification's tests.
type testFile struct {
	name  string     // without extension
	keys  []bson.Raw // that it puts into the key vault
	tests []specTest
}

type specTest struct {
	name       string
	skipReason string // the file's own
	run        func(t *testing.T, s *server)
}

type parser func(t *testing.T, doc bson.Raw) (keys []bson.Raw, tests []specTest)

// load reads every file of one format; there is a YAML twin beside each, and nothing else.
func load(t *testing.T, format string, parse parser) []testFile {
	t.Helper()
	dir := filepath.Join(moduleDir(t), "testdata", "client-side-encryption", format)
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		t.Fatalf("%d tests, %v", len(entries), err)
	}
	var files []testFile
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), filepath.Ext(e.Name()))
		switch {
		case strings.HasSuffix(e.Name(), ".yml"):
			if _, err := os.Stat(filepath.Join(dir, name+".json")); err != nil {
				t.Errorf("%s has no JSON twin: it is not run", e.Name())
			}
			continue
		case !strings.HasSuffix(e.Name(), ".json"):
			t.Errorf("%s is of an unknown kind: it is not run", e.Name())
			continue
		case isQueryableEncryption(name):
			files = append(files, testFile{name: name})
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		var doc bson.Raw
		if err := bson.UnmarshalExtJSON(text, false, &doc); err != nil {
			t.Fatalf("%s: %v", e.Name(), err)
		}
		keys, tests := parse(t, doc)
		files = append(files, testFile{name, keys, tests})
	}
	return files
}

func moduleDir(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "mod", "download", "-json", release).Output()
	if err != nil {
		t.Skipf("needs the module %s in the module cache or a module proxy: %v", release, err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	return module.Dir
}

// strictly decodes doc and refuses a field that v, a pointer to a struct, does not know: what a file says must not be ignored.
func strictly(doc bson.Raw, v any) error {
	var known []string
	for _, field := range reflect.VisibleFields(reflect.TypeOf(v).Elem()) {
		name := field.Tag.Get("bson")
		if name == "" {
			name = strings.ToLower(field.Name)
		}
		known = append(known, name)
	}
	elements, err := doc.Elements()
	if err != nil {
		return err
	}
	for _, e := range elements {
		if !slices.Contains(known, e.Key()) {
			return errHarness("field " + e.Key())
		}
	}
	return bson.Unmarshal(doc, v)
}

// errHarness is an error that no file expects, whatever text it asks for.
type errHarness string

func (e errHarness) Error() string { return "the harness does not know the " + string(e) }
