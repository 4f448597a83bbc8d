package integration

import (
	"context"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// TestReadmePrograms runs the README's two programs as they stand, one after the other, as a newcomer would.
func TestReadmePrograms(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	programs := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(programs) != 2 {
		t.Fatalf("the README has %d Go programs, expected the explicit and the automatic one", len(programs))
	}
	// Always an embedded server: the programs use fixed names, which might be somebody's on another.
	server, err := testserver.Run(context.Background(), testserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(context.Background()) })
	uri, dir := server.URI(), t.TempDir()
	masterKey := make([]byte, payload.KeySize)
	copy(masterKey, base64.StdEncoding.EncodeToString(make([]byte, 64)))
	if err := os.WriteFile(filepath.Join(dir, "master.key"), masterKey, 0o600); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "MONGODB_URI="+uri)

	ssn, key, _ := strings.Cut(runProgram(t, dir, programs[0][1], env), "\n")
	if ssn != "457-55-5462" {
		t.Errorf("the explicit program printed %q and %q", ssn, key)
	}
	env = append(env, "DATA_KEY="+strings.TrimSpace(key))
	if out := runProgram(t, dir, programs[1][1], env); out != "Jane 457-55-5462\n" {
		t.Errorf("the automatic program printed %q", out)
	}
}

// runProgram builds a program here, in the workspace, and runs it in dir.
func runProgram(t *testing.T, dir, source string, env []string) string {
	t.Helper()
	return runBinary(t, buildProgram(t, dir, source), dir, env)
}

func buildProgram(t *testing.T, dir, source string) (binary string) {
	t.Helper()
	file, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "program.exe")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, file).CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	return binary
}

func runBinary(t *testing.T, binary, dir string, env []string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Dir, cmd.Env = dir, env
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("running the program: %v\n%s", err, &errs)
	}
	return string(out)
}

// TestReadmeExplain runs the README's command line: the schema it shows, the command it pipes, the answer it promises.
func TestReadmeExplain(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?s)\\$ cat schema.json\n(.*?)\n\n\\$ echo '(.*?)' \\| go run (\\S+) ([^\n]*)\n(.*?)```").FindSubmatch(readme)
	if shown == nil {
		t.Fatal("the README shows no explain")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "schema.json"), shown[1], 0o600); err != nil {
		t.Fatal(err)
	}
	binary := buildCommandLine(t, dir)
	cmd := exec.CommandContext(t.Context(), binary, strings.Fields(string(shown[4]))...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(string(shown[2]))
	if out, _ := cmd.Output(); string(out) != string(shown[5]) || cmd.ProcessState.ExitCode() != 3 {
		t.Errorf("exit code %d and\n%s\nthe README promises\n%s", cmd.ProcessState.ExitCode(), out, shown[5])
	}
}

func buildCommandLine(t *testing.T, dir string) (binary string) {
	t.Helper()
	binary = filepath.Join(dir, "fieldcrypt.exe")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../cmd/fieldcrypt").CombinedOutput(); err != nil {
		t.Fatalf("building the command line: %v\n%s", err, out)
	}
	return binary
}

// TestReadmeAudit runs the README's audit on a collection of 40 employees, of whom two have an ssn in plaintext.
func TestReadmeAudit(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?s)\\$ fieldcrypt (audit [^\n]*)\n(.*?)```").FindSubmatch(readme)
	if shown == nil {
		t.Fatal("the README shows no audit")
	}
	server, err := testserver.Run(context.Background(), testserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(context.Background()) })
	client, err := mongo.Connect(options.Client().ApplyURI(server.URI()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	sealed := append([]byte{1}, make([]byte, 16+1+64)...) // of a deterministic ciphertext, all that an audit without keys looks at
	sealed[17] = byte(bson.TypeString)
	var employees []any
	for i := range 40 {
		ssn := any(bson.Binary{Subtype: payload.Subtype, Data: sealed})
		if i < 2 {
			ssn = "457-55-5462"
		}
		employees = append(employees, bson.D{{Key: "ssn", Value: ssn}, {Key: "contact", Value: bson.D{{Key: "mail", Value: "jane@example.org"}}}})
	}
	if _, err := client.Database("hr").Collection("employees").InsertMany(t.Context(), employees); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	const schemas = `{"hr.employees": {"bsonType": "object", "properties": {"ssn": {"encrypt": {"bsonType": "string",
		"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic", "keyId": [{"$uuid": "00000000-0000-0000-0000-000000000000"}]}}}}}`
	if err := os.WriteFile(filepath.Join(dir, "schemas.json"), []byte(schemas), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), buildCommandLine(t, dir), strings.Fields(string(shown[1]))...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "FIELDCRYPT_URI="+server.URI())
	if out, _ := cmd.Output(); string(out) != string(shown[2]) || cmd.ProcessState.ExitCode() != 3 {
		t.Errorf("exit code %d and\n%s\nthe README promises\n%s", cmd.ProcessState.ExitCode(), out, shown[2])
	}
	if page, err := os.ReadFile(filepath.Join(dir, "report.html")); err != nil || !strings.Contains(string(page), "<svg") {
		t.Errorf("the page: %v", err)
	}
}
