package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestYAML(t *testing.T) {
	for _, test := range []struct{ name, yaml, json, err string }{
		{name: "block and flow", yaml: "aws:\n  key: {$env: A}\n  list: [a, 'b']\n", json: `{"aws":{"key":{"$env":"A"},"list":["a","b"]}}`},
		{name: "scalars", yaml: "a: x\nb: 12\nc: true\nd: null\ne: '12'\nf: {}\n", json: `{"a":"x","b":12,"c":true,"d":null,"e":"12","f":{}}`},
		{name: "text over lines", yaml: "k: |\n  one\n  two\n", json: `{"k":"one\ntwo\n"}`},
		{name: "binary", yaml: "k: !!binary |\n  AAEC\n  AwQF\n", json: `{"k":{"$binary":{"base64":"AAECAwQF","subType":"00"}}}`},
		{name: "alias", yaml: "a: &x SENTINEL\nb: *x\n", err: "line 1: anchors and aliases are not supported"},
		{name: "merge", yaml: "b:\n  <<: {c: SENTINEL}\n", err: "line 2: expected names of fields that are strings"},
		{name: "float", yaml: "a: 1.5\n", err: "line 1: expected text, an integer, true, false or binary"},
		{name: "date", yaml: "a: 2026-11-22\n", err: "line 1: expected text"},
		{name: "name that is a number", yaml: "1: SENTINEL\n", err: "line 1: expected names of fields that are strings"},
		{name: "not YAML", yaml: "a: SENTINEL\n b: c: d\n", err: "line 2: not YAML"},
		{name: "two", yaml: "a: SENTINEL\n---\nb: c\n", err: "expected one document, got more"},
		{name: "nothing", yaml: "# comment\n", err: "expected a document"},
		{name: "deep", yaml: "a: " + strings.Repeat("[", 300) + strings.Repeat("]", 300), err: "nests deeper"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := yamlToJSON([]byte(test.yaml))
			if test.err == "" {
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.json, string(got)); diff != "" {
					t.Error(diff)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.err) || strings.Contains(err.Error(), "SENTINEL") {
				t.Errorf("got %v, want %q", err, test.err)
			}
		})
	}
}

// Names that YAML lets stand twice are found when the JSON is read.
func TestYAMLDuplicateName(t *testing.T) {
	_, f := providersDocument("reading", []byte("a: {b: 1, b: 2}\n"))
	if f == nil || !strings.Contains(f.wrong, "twice") {
		t.Errorf("got %v", f)
	}
}

func FuzzYAML(f *testing.F) {
	f.Add([]byte("aws: {key: {$env: A}}\nlocal:\n- 1\n- true\n- !!binary AAEC\n"))
	f.Add([]byte("a: &x [*x]"))
	f.Fuzz(func(_ *testing.T, text []byte) {
		if out, err := yamlToJSON(text); err == nil {
			_, _ = providersDocument("reading", out)
		}
	})
}

func TestYAMLProviders(t *testing.T) {
	t.Setenv("SECRET", "SENTINEL")
	dir := t.TempDir()
	writeFile(t, dir, "token", 0o600, []byte("from a file\n"))
	file := writeFile(t, dir, "kms.yaml", 0o644, []byte(`# comment
aws:prod:
  accessKeyId: id
  secretAccessKey: {$env: SECRET}
azure: {}
vault:
  endpoint: vault.example.org:8200
  token: {$command: [cat, token]}
`))
	p, err := readProviders(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]any{
		"aws:prod": {"accessKeyId": "id", "secretAccessKey": "SENTINEL"}, "azure": {},
		"vault": {"endpoint": "vault.example.org:8200", "token": "from a file"},
	}
	if diff := cmp.Diff(want, p.config); diff != "" {
		t.Error(diff)
	}
	if _, err := readProviders(t.Context(), writeFile(t, dir, "open.yaml", 0o644, []byte("aws: {accessKeyId: a, secretAccessKey: SENTINEL}\n"))); err == nil ||
		strings.Contains(err.Error(), "SENTINEL") {
		t.Errorf("got %v", err)
	}
}
