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

	if out := runProgram(t, dir, programs[0][1], env); out != "457-55-5462\n" {
		t.Errorf("the explicit program printed %q", out)
	}
	env = append(env, "DATA_KEY="+newestDataKey(t, uri))
	if out := runProgram(t, dir, programs[1][1], env); out != "Jane 457-55-5462\n" {
		t.Errorf("the automatic program printed %q", out)
	}
}

// runProgram builds a program here, in the workspace, and runs it in dir.
func runProgram(t *testing.T, dir, source string, env []string) string {
	t.Helper()
	file, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "program.exe")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, file).CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
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

// newestDataKey is the data key that the explicit program made.
func newestDataKey(t *testing.T, uri string) string {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Disconnect(context.Background())
	keys := client.Database("encryption").Collection("dataKeys")
	var key struct {
		ID bson.Binary `bson:"_id"`
	}
	if err := keys.FindOne(t.Context(), bson.D{}, options.FindOne().SetSort(bson.D{{Key: "creationDate", Value: -1}})).Decode(&key); err != nil {
		t.Fatal(err)
	}
	id, err := payload.KeyIDFromBinary(key.ID)
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}
