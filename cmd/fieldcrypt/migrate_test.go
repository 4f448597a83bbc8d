package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// migrationPage is docs/migration.md, and a directory with the files that it names.
func migrationPage(t *testing.T) (text, dir string) {
	t.Helper()
	b, err := os.ReadFile("../../docs/migration.md")
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for name, content := range map[string]string{
		"schema.json": `{"bsonType": "object", "properties": {"a": {"encrypt": {"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random",
			"keyId": [{"$uuid": "2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e"}]}}}}`,
		"kms.yaml": "local: {key: " + strings.Repeat("A", 128) + "}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	return string(b), dir
}

// accepted runs the program with arguments that are right, and a server that is not there.
func accepted(t *testing.T, args []string) {
	t.Helper()
	t.Setenv("FIELDCRYPT_URI", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100")
	if code, _, stderr := runWith("", args...); code != exitFailure || !strings.Contains(stderr, "connection refused") {
		t.Errorf("%q: exit code %d\n%s", args, code, stderr)
	}
}

// The container of each index of the page's Job gets arguments that the program takes.
func TestMigrationJob(t *testing.T) {
	text, dir := migrationPage(t)
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(text)
	if block == nil {
		t.Fatal("the page has no manifest")
	}
	var job struct {
		Kind string
		Spec struct {
			CompletionMode string `yaml:"completionMode"`
			Completions    int
			Template       struct {
				Spec struct{ Containers []struct{ Command []string } }
			}
		}
	}
	if err := yaml.Unmarshal([]byte(block[1]), &job); err != nil {
		t.Fatal(err)
	}
	if job.Kind != "Job" || job.Spec.CompletionMode != "Indexed" || job.Spec.Completions < 2 || len(job.Spec.Template.Spec.Containers) != 1 {
		t.Fatalf("%+v", job)
	}
	command := job.Spec.Template.Spec.Containers[0].Command
	if command[0] != "fieldcrypt" {
		t.Fatalf("it runs %s", command[0])
	}
	for i := range job.Spec.Completions {
		here := strings.NewReplacer("$(JOB_COMPLETION_INDEX)", strconv.Itoa(i), "/etc/fieldcrypt", dir)
		var args []string
		for _, arg := range command[1:] {
			args = append(args, here.Replace(arg))
		}
		if partition := args[len(args)-1]; partition != strconv.Itoa(i)+"/"+strconv.Itoa(job.Spec.Completions) {
			t.Errorf("the container of index %d of %d does %s", i, job.Spec.Completions, partition)
		}
		accepted(t, args)
	}
}

// The page's command lines are such as the program takes.
func TestMigrationPage(t *testing.T) {
	text, dir := migrationPage(t)
	t.Chdir(dir)
	lines := regexp.MustCompile(`(?m)^fieldcrypt (migrate (?:[^\n]*\\\n)*[^\n]*)$`).FindAllStringSubmatch(text, -1)
	if len(lines) < 3 {
		t.Fatalf("the page has %d command lines", len(lines))
	}
	for _, line := range lines {
		accepted(t, strings.Fields(strings.ReplaceAll(line[1], "\\\n", " ")))
	}
}
