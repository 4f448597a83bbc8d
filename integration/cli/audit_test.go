package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/integration/shim"
	"github.com/fieldcrypt/fieldcrypt/internal/mockkms/vault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// canaryValue is in every plaintext of the audited collections.
const canaryValue = "CANARY-value"

// audited is a user with two collections, hr and free, of which some documents are not as they should be.
type audited struct {
	*user
	client     *mongo.Client
	encryption *fieldcrypt.ClientEncryption
	db         string
	key, other bson.Binary
}

const documents = 40

func newAudited(t *testing.T, intercept func(context.Context, vault.Call) *vault.Answer) *audited {
	t.Helper()
	a := &audited{user: newUser(t, intercept)}
	a.ok(t, "create", "--provider", "local", "--alt-name", "hr")
	var err error
	if a.client, err = mongo.Connect(options.Client().ApplyURI(a.uri)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.client.Disconnect(context.Background()) })
	master, err := os.ReadFile(filepath.Join(a.dir, "two.key"))
	if err != nil {
		t.Fatal(err)
	}
	vaultClient, err := mongo.Connect(options.Client().ApplyURI(a.uri))
	if err != nil {
		t.Fatal(err)
	}
	a.encryption, err = fieldcrypt.NewClientEncryption(vaultClient, fieldcrypt.ClientEncryptionOptions{
		KeyVaultNamespace: a.keyVault, KmsProviders: map[string]map[string]any{"local:two": {"key": master}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.encryption.Close(context.Background()) })
	for _, key := range []*bson.Binary{&a.key, &a.other} {
		if *key, err = a.encryption.CreateDataKey(t.Context(), "local:two", fieldcrypt.DataKeyOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	a.db, _, _ = strings.Cut(a.keyVault, ".")
	a.fill(t)
	return a
}

func (a *audited) id(t *testing.T, key bson.Binary) string {
	t.Helper()
	id, err := payload.KeyIDFromBinary(key)
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}

func (a *audited) encrypt(t *testing.T, key bson.Binary, value any) bson.Binary {
	t.Helper()
	kind, data, err := bson.MarshalValue(value)
	if err != nil {
		t.Fatal(err)
	}
	out, err := a.encryption.Encrypt(t.Context(), bson.RawValue{Type: kind, Value: data}, fieldcrypt.EncryptOptions{
		KeyID: &key, Algorithm: "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic",
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (a *audited) fill(t *testing.T) {
	t.Helper()
	tampered := a.encrypt(t, a.key, canaryValue)
	tampered.Data = bytes.Clone(tampered.Data)
	tampered.Data[40] ^= 1
	odd := map[int]any{
		3: canaryValue, 4: canaryValue, 5: tampered, 6: a.encrypt(t, a.other, canaryValue), 7: a.encrypt(t, a.key, int64(5)),
		8: bson.Binary{Subtype: 6, Data: []byte{1, 2}}, 9: bson.Null{},
	}
	var hr, free []any
	for i := range documents {
		ssn, is := odd[i]
		if !is {
			ssn = a.encrypt(t, a.key, canaryValue)
		}
		hr = append(hr, bson.D{{Key: "_id", Value: int32(i)}, {Key: "ssn", Value: ssn}, {Key: "<img src=x onerror=alert(1)>", Value: canaryValue}})
		free = append(free, bson.D{{Key: "_id", Value: int32(i)}, {Key: "contact", Value: fmt.Sprintf("CANARY%d@example.org", i)}, {Key: "x", Value: a.encrypt(t, a.key, canaryValue)}})
	}
	for coll, docs := range map[string][]any{"hr": hr, "free": free} {
		if _, err := a.client.Database(a.db).Collection(coll).InsertMany(t.Context(), docs); err != nil {
			t.Fatal(err)
		}
	}
	a.write(t, "schemas.json", fmt.Sprintf(`{%q: {"bsonType": "object", "properties": {"ssn": {"encrypt": {"bsonType": "string",
		"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic", "keyId": [{"$uuid": %q}]}}}}}`, a.db+".hr", a.id(t, a.key)))
}

// audit runs fieldcrypt audit.
func (a *audited) audit(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := a.auditCommand(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	code = exitCode(t, cmd.Run())
	a.seen.WriteString(out.String() + errs.String())
	return code, out.String(), errs.String()
}

func (a *audited) auditCommand(args ...string) *exec.Cmd {
	cmd := exec.Command(program, append([]string{"audit", a.db, "--schema-map", "schemas.json"}, args...)...)
	cmd.Dir, cmd.Env = a.dir, a.env
	return cmd
}

type auditReport struct {
	Complete    bool
	Counts      map[string]int
	Collections []struct {
		Namespace, Schema, Error string
		Documents, Total         int
		DrawnByClient            bool
		SchemaError              string
		Fields                   []struct {
			Path                                    string
			Values, Clean, Plaintext, Empty, Proven int
			Problems                                []struct {
				Problem   string
				Documents []any
			}
		}
		Suspects []struct{ Path, Detector string }
	}
	Keys struct{ InVault, Used, Unused, Unknown int }
}

func TestAudit(t *testing.T) {
	a := newAudited(t, nil)
	code, stdout, stderr := a.audit(t, "--key-vault", a.keyVault, "--kms-providers", "kms.json", "--prove", "1000", "--html", "report.html")
	if code != 3 || stderr != "" {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	got := decoded[auditReport](t, stdout)
	want := map[string]int{"plaintext": 2, "not authentic": 1, "wrong key": 1, "wrong type": 1, "malformed ciphertext": 1, "looks sensitive": 1, "not in the schema": documents, "unused key": 1}
	if diff := cmp.Diff(want, got.Counts); diff != "" || !got.Complete {
		t.Error(diff)
	}
	for _, c := range got.Collections {
		switch c.Namespace {
		case a.db + ".hr":
			f := c.Fields[0]
			if c.Schema != "schema map" || c.Documents != documents || f.Values != documents || f.Clean != documents-7 || f.Plaintext != 2 || f.Empty != 1 || f.Proven != documents-5 {
				t.Errorf("got %+v", c)
			}
			if diff := cmp.Diff([]any{3.0, 4.0}, f.Problems[0].Documents); diff != "" {
				t.Error(diff)
			}
		case a.db + ".free":
			if len(c.Suspects) != 1 || c.Suspects[0].Path != "contact" || c.Suspects[0].Detector != "e-mail address" {
				t.Errorf("got %+v", c)
			}
		default:
			t.Errorf("%s was read", c.Namespace)
		}
	}
	if k := got.Keys; k.InVault != 3 || k.Used != 2 || k.Unused != 1 || k.Unknown != 0 {
		t.Errorf("got %+v", k)
	}
	page, err := os.ReadFile(filepath.Join(a.dir, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	a.seen.Write(page)
	for _, words := range []string{"Problems found:", "not authentic: 1", a.id(t, a.key), "e-mail address"} {
		if !bytes.Contains(page, []byte(words)) {
			t.Errorf("the page lacks %q", words)
		}
	}
}

// What is told differs with what is asked for.
func TestAuditFlags(t *testing.T) {
	a := newAudited(t, nil)
	accept := []string{"--accept", a.db + ".free.contact"}
	for _, test := range []struct {
		args []string
		code int
		want map[string]int
	}{
		{[]string{a.db + ".free"}, 3, map[string]int{"plaintext": 2, "wrong key": 1, "wrong type": 1, "malformed ciphertext": 1, "looks sensitive": 1, "not in the schema": documents}},
		{append(accept, "--no-sensitive"), 3, map[string]int{"plaintext": 2, "wrong key": 1, "wrong type": 1, "malformed ciphertext": 1, "not in the schema": documents}},
		{[]string{"--key-vault", a.keyVault, "--detector", "canary=CANARY-.*"}, 3, map[string]int{"plaintext": 2, "wrong key": 1, "wrong type": 1, "malformed ciphertext": 1,
			"looks sensitive": 2, "not in the schema": documents, "unused key": 1}},
	} {
		code, stdout, stderr := a.audit(t, test.args...)
		if diff := cmp.Diff(test.want, decoded[auditReport](t, stdout).Counts); code != test.code || diff != "" {
			t.Errorf("%v: %d %s\n%s", test.args, code, diff, stderr)
		}
	}
	code, stdout, _ := a.audit(t, "--sample", "10")
	got := decoded[auditReport](t, stdout)
	for _, c := range got.Collections {
		if c.Documents > 10 || c.Documents < 1 || !c.DrawnByClient && c.Documents != min(10, c.Total) {
			t.Errorf("a sample of %d, drawn by the client %v (exit code %d)", c.Documents, c.DrawnByClient, code)
		}
	}
	if code, stdout, _ := a.audit(t, "--quiet"); code != 3 || !strings.Contains(stdout, "plaintext: "+a.db+".hr ssn: 2 values\n") {
		t.Errorf("%d %s", code, stdout)
	}
	// Nothing is wrong, but there is no schema to say so.
	if _, err := a.client.Database(a.db+"_ok").Collection("c").InsertOne(t.Context(), bson.D{{Key: "n", Value: 1}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.client.Database(a.db + "_ok").Drop(context.Background()) })
	cmd := exec.Command(program, "audit", a.db+"_ok.c")
	cmd.Dir, cmd.Env = a.dir, a.env
	if out, err := cmd.CombinedOutput(); exitCode(t, err) != 3 || !strings.Contains(string(out), `"counts":{"no schema":1}`) {
		t.Errorf("%v: %s", err, out)
	}
	a.client.Database(a.db).Collection("hr").DeleteMany(t.Context(), bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: bson.A{3, 4, 5, 6, 7, 8}}}}})
	if code, stdout, _ := a.audit(t, append(accept, "--key-vault", a.keyVault)...); code != 0 {
		t.Errorf("%d %s", code, stdout)
	}
	if code, stdout, _ := a.audit(t, append(accept, "--strict")...); code != 3 {
		t.Errorf("%d %s", code, stdout)
	}
}

// A key that is gone makes its values unreadable, and a schema without it useless.
func TestAuditFindsMissingKeys(t *testing.T) {
	a := newAudited(t, nil)
	a.ok(t, "delete", a.id(t, a.key), "--yes")
	code, stdout, _ := a.audit(t, "--key-vault", a.keyVault, "--kms-providers", "kms.json", "--no-sensitive")
	got := decoded[auditReport](t, stdout)
	if want := 2*documents - 5; code != 3 || got.Counts["unknown key"] != want || got.Counts["missing key"] != 1 || got.Keys.Unknown != 1 || got.Counts["cannot decrypt"] != 0 {
		t.Errorf("%d, %+v, want %d", code, got, want)
	}
}

// Without a schema map the collections' own validators count.
func TestAuditValidators(t *testing.T) {
	a := newAudited(t, nil)
	var text bson.Raw
	written, err := os.ReadFile(filepath.Join(a.dir, "schemas.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := bson.UnmarshalExtJSON(written, false, &text); err != nil {
		t.Fatal(err)
	}
	schema := bson.D{{Key: "$jsonSchema", Value: text.Lookup(a.db + ".hr")}}
	for _, test := range []struct {
		validator       bson.D
		source, problem string
		values          int
	}{
		{schema, "validator", "plaintext", 2},
		{append(bson.D{{Key: "x", Value: bson.D{{Key: "$exists", Value: false}}}}, schema...), "validator", "plaintext", 2},
		{bson.D{{Key: "$and", Value: bson.A{schema}}}, "none", "unusable schema", 1},
	} {
		proxy, err := shim.Run(context.Background(), a.uri, shim.Rules{Collections: map[string]shim.Collection{
			a.db + ".hr": {Options: bson.D{{Key: "validator", Value: test.validator}}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(program, "audit", a.db+".hr", "--uri", proxy.URI())
		cmd.Dir, cmd.Env = a.dir, a.env
		out, err := cmd.Output()
		proxy.Stop()
		got := decoded[auditReport](t, string(out))
		if code := exitCode(t, err); code != 3 || got.Collections[0].Schema != test.source || got.Counts[test.problem] != test.values || (test.source == "none") != (got.Collections[0].SchemaError != "") {
			t.Errorf("%v: %d %+v", test.validator, code, got)
		}
	}
}

func TestAuditErrors(t *testing.T) {
	a := newAudited(t, nil)
	code, stdout, stderr := a.audit(t, "--uri", "mongodb://user:"+canaryPassword+"@127.0.0.1:1/?serverSelectionTimeoutMS=200")
	if code != 1 || !strings.Contains(stderr, "hint: is the server running") || stdout != "" {
		t.Errorf("%d %s", code, stderr)
	}
	if code, _, stderr := a.audit(t, "--html", "nosuch/report.html"); code != 1 || !strings.Contains(stderr, "writing nosuch/report.html: no such file or directory") {
		t.Errorf("%d %s", code, stderr)
	}
	if found, _ := filepath.Glob(filepath.Join(a.dir, ".report*")); len(found) > 0 {
		t.Errorf("left behind: %v", found)
	}
}
