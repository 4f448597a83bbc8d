package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
)

var kills = flag.Int("kills", 10, "how often TestMigrateKilled kills the program")

// migrator is a user with a collection to migrate.
type migrator struct {
	*user
	db, key string
	people  *mongo.Collection
}

func newMigrator(t *testing.T) *migrator {
	t.Helper()
	m := &migrator{user: newUser(t, nil), db: testserver.Database(t)}
	client, err := mongo.Connect(options.Client().ApplyURI(m.uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	m.people = client.Database(m.db).Collection("people")
	m.key = m.ok(t, "create", "--provider", "local", "--quiet")
	m.schema(t, "schema.json", m.key)
	return m
}

func (m *migrator) schema(t *testing.T, file, key string) {
	t.Helper()
	m.write(t, file, fmt.Sprintf(`{"bsonType": "object", "encryptMetadata": {"keyId": [{"$uuid": %q}]}, "properties": {
		"ssn": {"encrypt": {"bsonType": "string", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"}},
		"salary": {"encrypt": {"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random"}}}}`, key))
}

// migrate is fieldcrypt migrate with these arguments and those that all verbs have.
func (m *migrator) migrate(verb, schema string, args ...string) *exec.Cmd {
	all := []string{"migrate", verb, "--collection", m.db + ".people", "--schema", schema, "--key-vault", m.keyVault, "--kms-providers", "kms.json"}
	if verb != "plan" && verb != "verify" {
		all = append(all, "--yes")
	}
	cmd := exec.Command(program, append(all, args...)...)
	cmd.Dir, cmd.Env = m.dir, m.env
	return cmd
}

type migration struct {
	Report struct {
		OK, Complete, Settled                bool
		Documents, Changed, Conflicts, Found int64
		RunSeconds                           float64
		Counts                               []struct {
			Field, State string
			Values       int64
		}
		Findings []struct {
			ID                any `json:"_id"`
			Path, State, Type string
		}
	}
}

// migrates runs the program, which must end with this code, and gives its report.
func (m *migrator) migrates(t *testing.T, code int, verb, schema string, args ...string) migration {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := m.migrate(verb, schema, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if got := exitCode(t, cmd.Run()); got != code {
		t.Fatalf("%s: exit code %d, want %d\n%s%s", verb, got, code, &out, &errs)
	}
	m.seen.WriteString(out.String() + errs.String())
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	return decoded[migration](t, lines[len(lines)-1])
}

func (r migration) values(field, state string) (n int64) {
	for _, c := range r.Report.Counts {
		if c.Field == field && c.State == state {
			n += c.Values
		}
	}
	return n
}

// insert adds documents from..to-1. The values are canaries: no output may hold them.
func (m *migrator) insert(t *testing.T, from, to int) {
	t.Helper()
	var docs []any
	for i := from; i < to; i++ {
		docs = append(docs, person(i))
	}
	if _, err := m.people.InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
}

func person(i int) bson.D {
	return bson.D{{Key: "_id", Value: i}, {Key: "name", Value: "x"}, {Key: "ssn", Value: fmt.Sprintf("CANARY-%d", i)}, {Key: "salary", Value: 1000.5 + float64(i)}}
}

// The whole way there, to another key, and back.
func TestMigrate(t *testing.T) {
	m := newMigrator(t)
	m.insert(t, 0, 50)
	if _, err := m.people.InsertOne(t.Context(), bson.D{{Key: "_id", Value: "odd"}, {Key: "ssn", Value: 5}, {Key: "salary", Value: bson.A{1, 2.5}}}); err != nil {
		t.Fatal(err)
	}
	r := m.migrates(t, 3, "plan", "schema.json")
	if r.values("ssn", "plaintext") != 50 || r.values("salary", "plaintext") != 51 || r.Report.Changed != 51 || len(r.Report.Findings) != 1 {
		t.Errorf("plan: %+v", r)
	}
	if slow := m.migrates(t, 3, "plan", "schema.json", "--docs-per-second", "102"); slow.Report.RunSeconds != 1 || r.Report.RunSeconds <= 0 { // 51 twice
		t.Errorf("a run takes %g seconds at least, %g at 102 documents a second", r.Report.RunSeconds, slow.Report.RunSeconds)
	}
	if f := r.Report.Findings[0]; f.ID != "odd" || f.Path != "ssn" || f.State != "wrong type" || f.Type != "int" {
		t.Errorf("plan: %+v", f)
	}
	if r := m.migrates(t, 3, "run", "schema.json", "--dry-run"); r.Report.Changed != 51 {
		t.Errorf("dry run: %+v", r)
	}
	m.migrates(t, 3, "verify", "schema.json")
	if r := m.migrates(t, 3, "run", "schema.json", "--checkpoints", m.db+".checkpoints"); r.Report.Changed != 51 || !r.Report.Settled || r.values("ssn", "encrypted") != 50 {
		t.Errorf("run: %+v", r)
	}
	if _, err := m.people.DeleteOne(t.Context(), bson.D{{Key: "_id", Value: "odd"}}); err != nil {
		t.Fatal(err)
	}
	if r := m.migrates(t, 0, "verify", "schema.json"); r.values("salary", "encrypted") != 50 {
		t.Errorf("verify: %+v", r)
	}
	m.schema(t, "new.json", m.ok(t, "create", "--provider", "local", "--quiet"))
	if r := m.migrates(t, 3, "verify", "new.json"); r.values("ssn", "other key") != 50 {
		t.Errorf("verify with other keys: %+v", r)
	}
	if r := m.migrates(t, 0, "rekey", "new.json"); r.Report.Changed != 50 {
		t.Errorf("rekey: %+v", r)
	}
	m.migrates(t, 0, "verify", "new.json")
	if r := m.migrates(t, 0, "decrypt", "new.json"); r.Report.Changed != 50 || r.values("ssn", "plaintext") != 50 {
		t.Errorf("decrypt: %+v", r)
	}
	for i := range 50 {
		var got bson.D
		if err := m.people.FindOne(t.Context(), bson.D{{Key: "_id", Value: i}}).Decode(&got); err != nil || fmt.Sprint(got) != fmt.Sprint(bsonOf(t, person(i))) {
			t.Fatalf("document %d came back as %v, %v", i, got, err)
		}
	}
}

func bsonOf(t *testing.T, d bson.D) (same bson.D) {
	t.Helper()
	raw, err := bson.Marshal(d)
	if err == nil {
		err = bson.Unmarshal(raw, &same)
	}
	if err != nil {
		t.Fatal(err)
	}
	return same
}

// Killed at any moment and started again, the program ends with every document converted once, and none damaged.
func TestMigrateKilled(t *testing.T) {
	m := newMigrator(t)
	const documents = 300
	m.insert(t, 0, documents)
	args := []string{"--checkpoints", m.db + ".checkpoints", "--lease", "300ms", "--ranges", "6", "--workers", "2", "--batch", "20"}
	began := time.Now()
	m.migrates(t, 0, "plan", "schema.json") // how long a start takes here
	start := time.Since(began)
	killed, next := 0, documents
	for range *kills {
		cmd := m.migrate("run", "schema.json", args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(start/4+rand.N(3*start), func() { _ = cmd.Process.Kill() })
		if err := cmd.Wait(); err != nil {
			killed++
		}
		timer.Stop()
		if cmd.ProcessState.ExitCode() == 0 { // done: it would be no test of anything
			m.insert(t, next, next+100)
			next += 100
		}
	}

	r := m.migrates(t, 0, "run", "schema.json", args...)
	t.Logf("killed %d of %d times; the last run had %d of %d documents to change", killed, *kills, r.Report.Changed, next)
	if !r.Report.Settled {
		t.Errorf("%+v", r)
	}
	m.migrates(t, 0, "verify", "schema.json")
	m.decrypted(t)
}

// decrypted reads every document and decrypts it value by value.
func (m *migrator) decrypted(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(m.dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	master, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	ce, err := fieldcrypt.NewClientEncryption(m.people.Database().Client(), fieldcrypt.ClientEncryptionOptions{
		KeyVaultNamespace: m.keyVault, KmsProviders: map[string]map[string]any{"local": {"key": master}},
	})
	if err != nil {
		t.Fatal(err)
	}
	cursor, err := m.people.Find(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	defer cursor.Close(t.Context())
	n := 0
	for ; cursor.Next(t.Context()); n++ {
		var doc struct {
			ID          int `bson:"_id"`
			SSN, Salary bson.Binary
		}
		if err := cursor.Decode(&doc); err != nil {
			t.Fatal(err)
		}
		ssn, err := ce.Decrypt(t.Context(), doc.SSN)
		if err != nil || ssn.StringValue() != fmt.Sprintf("CANARY-%d", doc.ID) {
			t.Fatalf("document %d: ssn %v, %v", doc.ID, ssn, err)
		}
		salary, err := ce.Decrypt(t.Context(), doc.Salary)
		if err != nil || salary.Double() != 1000.5+float64(doc.ID) {
			t.Fatalf("document %d: salary %v, %v", doc.ID, salary, err)
		}
	}
	if err := cursor.Err(); err != nil || n == 0 {
		t.Fatal(n, err)
	}
}
