package integration

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// TestMigrationPagePrograms climbs the ladder of docs/migration.md with its two programs as they stand.
func TestMigrationPagePrograms(t *testing.T) {
	page, err := os.ReadFile("../docs/migration.md")
	if err != nil {
		t.Fatal(err)
	}
	programs := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(programs) != 2 {
		t.Fatalf("the page has %d Go programs, expected the application and the migration", len(programs))
	}
	server, err := testserver.Run(context.Background(), testserver.Options{}) // the programs use fixed names
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(context.Background()) })
	dir, master := t.TempDir(), bytes.Repeat([]byte("master"), 16)
	if err := os.WriteFile(filepath.Join(dir, "master.key"), master, 0o600); err != nil {
		t.Fatal(err)
	}
	client := plainClient(t, server.URI())
	ce, err := fieldcrypt.NewClientEncryption(client, fieldcrypt.ClientEncryptionOptions{
		KeyVaultNamespace: "encryption.__keyVault", KmsProviders: map[string]map[string]any{"local": {"key": master}},
	})
	if err != nil {
		t.Fatal(err)
	}
	id, err := ce.CreateDataKey(t.Context(), "local", fieldcrypt.DataKeyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	key, err := payload.KeyIDFromBinary(id)
	if err != nil {
		t.Fatal(err)
	}
	employees := client.Database("hr").Collection("employees")
	if _, err := employees.InsertOne(t.Context(), bson.D{{Key: "ssn", Value: "0"}, {Key: "seen", Value: 0}}); err != nil {
		t.Fatal(err)
	}
	binaries := []string{buildProgram(t, t.TempDir(), programs[0][1]), buildProgram(t, t.TempDir(), programs[1][1])}
	run := func(program int, step, ssn, want string) {
		t.Helper()
		env := append(os.Environ(), "MONGODB_URI="+server.URI(), "DATA_KEY="+key.String(), "STEP="+step, "SSN="+ssn)
		if out := runBinary(t, binaries[program], dir, env); out != want+"\n" {
			t.Errorf("step %s printed %q of %s, want %q", step, out, ssn, want)
		}
	}
	encrypted := func(want int64) {
		t.Helper()
		if n, err := employees.CountDocuments(t.Context(), bson.D{{Key: "ssn", Value: bson.D{{Key: "$type", Value: "binData"}}}}); err != nil || n != want {
			t.Errorf("%d documents are encrypted, want %d; %v", n, want, err)
		}
	}
	run(0, "1", "0", "0 1")
	run(0, "1", "1", "1 1")
	encrypted(0)
	run(0, "2", "1", "1 2")
	run(0, "2", "2", "2 1")
	encrypted(1)
	run(0, "1", "2", "2 2")
	run(1, "3", "", "2 true")
	encrypted(3)
	run(0, "3", "0", "0 2")
	for _, ssn := range []string{"0", "1", "2"} {
		run(0, "4", ssn, ssn+" 3")
	}
	encrypted(3)
}
