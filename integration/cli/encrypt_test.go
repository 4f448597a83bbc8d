package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// filter runs encrypt or decrypt on stdin.
func (u *user) filter(t *testing.T, stdin []byte, verb string, args ...string) (code int, stdout []byte, stderr string) {
	t.Helper()
	cmd := exec.Command(program, append([]string{verb, "--key-vault", u.keyVault, "--kms-providers", "kms.json"}, args...)...)
	cmd.Dir, cmd.Env = u.dir, u.env
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &out, &errs
	code = exitCode(t, cmd.Run())
	u.seen.WriteString(errs.String())
	return code, out.Bytes(), errs.String()
}

// newSealer is a user with a schema: ssn is deterministic under one key, home.zip random under the one that the document names.
func newSealer(t *testing.T) *user {
	t.Helper()
	u := newUser(t, nil)
	key := u.ok(t, "create", "--provider", "local", "--quiet")
	u.ok(t, "create", "--provider", "local", "--alt-name", "jane")
	text := fmt.Sprintf(`{"bsonType": "object", "properties": {
		"ssn": {"encrypt": {"bsonType": "string", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic", "keyId": [{"$uuid": %q}]}},
		"home": {"bsonType": "object", "properties": {"zip": {"encrypt": {"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random", "keyId": "/owner"}}}}}}`, key)
	u.write(t, "schema.json", text)
	u.write(t, "schemas.json", `{"hr.employees": `+text+`}`)
	return u
}

func employee(i int) bson.D {
	return bson.D{
		{Key: "_id", Value: int32(i)}, {Key: "owner", Value: "jane"}, {Key: "ssn", Value: fmt.Sprintf("CANARY-%07d", i)},
		{Key: "home", Value: bson.D{{Key: "zip", Value: bson.D{{Key: "n", Value: int64(i)}, {Key: "d", Value: 1.0}}}, {Key: "city", Value: "x"}}},
	}
}

func employees(t *testing.T, n int) (asJSON, asBSON []byte) {
	t.Helper()
	for i := range n {
		raw, err := bson.Marshal(employee(i))
		if err != nil {
			t.Fatal(err)
		}
		line, err := bson.MarshalExtJSON(bson.Raw(raw), true, false)
		if err != nil {
			t.Fatal(err)
		}
		asJSON, asBSON = append(append(asJSON, line...), '\n'), append(asBSON, raw...)
	}
	return asJSON, asBSON
}

// What was encrypted and decrypted is what it was, byte for byte, and in between no plaintext is left.
func TestEncryptDecryptFiles(t *testing.T) {
	u := newSealer(t)
	asJSON, asBSON := employees(t, 100)
	for _, form := range []struct {
		name  string
		plain []byte
		args  []string
	}{{"json", asJSON, []string{"--schema", "schema.json"}}, {"bson", asBSON, []string{"--schema-map", "schemas.json", "--ns", "hr.employees"}}} {
		code, sealed, stderr := u.filter(t, form.plain, "encrypt", append(form.args, "--format", form.name)...)
		if code != 0 || !strings.Contains(stderr, "100 documents written") {
			t.Fatalf("exit code %d\n%s", code, stderr)
		}
		if bytes.Contains(sealed, []byte("CANARY")) || !bytes.Contains(sealed, []byte("jane")) {
			t.Error("what is encrypted is not what should be")
		}
		code, plain, stderr := u.filter(t, sealed, "decrypt", "--format", form.name, "--quiet")
		if code != 0 || stderr != "" || !bytes.Equal(plain, form.plain) {
			t.Errorf("exit code %d, %d bytes of %d\n%s", code, len(plain), len(form.plain), stderr)
		}
	}
	u.write(t, "plain.bson", string(asBSON))
	if code, out, stderr := u.filter(t, nil, "encrypt", "--schema", "schema.json", "--format", "bson", "--out", "sealed.bson", "plain.bson"); code != 0 || len(out) > 0 {
		t.Fatalf("%d %s", code, stderr)
	}
	if code, _, stderr := u.filter(t, nil, "decrypt", "--format", "bson", "--out", "again.bson", "sealed.bson"); code != 0 {
		t.Fatalf("%d %s", code, stderr)
	}
	again, err := os.ReadFile(filepath.Join(u.dir, "again.bson"))
	if err != nil || !bytes.Equal(again, asBSON) {
		t.Errorf("%v, %d bytes of %d", err, len(again), len(asBSON))
	}
	var first map[string]any
	if _, sealed, _ := u.filter(t, asJSON[:bytes.IndexByte(asJSON, '\n')], "encrypt", "--schema", "schema.json"); json.Unmarshal(sealed, &first) != nil || first["ssn"].(map[string]any)["$binary"].(map[string]any)["subType"] != "06" {
		t.Errorf("got %s", sealed)
	}
}

// Errors say at which document, leave no file that looks whole, and hold no value.
func TestEncryptFileErrors(t *testing.T) {
	u := newSealer(t)
	asJSON, asBSON := employees(t, 3)
	_, sealed, _ := u.filter(t, asJSON, "encrypt", "--schema", "schema.json")
	_, sealedBSON, _ := u.filter(t, asBSON, "encrypt", "--schema", "schema.json", "--format", "bson")
	tampered := bytes.Clone(sealedBSON)
	at := bytes.Index(tampered, []byte("ssn\x00")) + 4 + 5 + 40
	tampered[at] ^= 1
	schema := []string{"--schema", "schema.json"}
	for _, test := range []struct {
		stdin string
		verb  string
		args  []string
		code  int
		words string
	}{
		{string(asJSON) + `{"ssn": 5}`, "encrypt", schema, 3, "encrypting document 4, at line 4: refused ("},
		{string(sealed), "encrypt", schema, 3, "encrypting document 1, at line 1: refused ("},
		{`{"owner": "nobody", "home": {"zip": "1"}}`, "encrypt", schema, 3, "encrypting document 1, at line 1: "},
		{string(asJSON) + `{"ssn": "CANARY`, "encrypt", schema, 2, "reading document 4: line 4, column 1"},
		{string(asJSON) + `[]`, "encrypt", schema, 2, "expected a document {…}, got an array"},
		{string(asBSON) + "\x05\x00\x00", "encrypt", append(schema, "--format", "bson"), 2, "the input ends in the middle of the document"},
		{string(asBSON) + "\xff\xff\xff\x7f\x00", "encrypt", append(schema, "--format", "bson"), 2, "not BSON: a length of 2147483647 bytes"},
		{string(asBSON) + "\x00\x00\x00\x03\x00", "encrypt", append(schema, "--format", "bson"), 2, fmt.Sprintf("reading document 4, at byte %d: ", len(asBSON))},
		{string(asBSON) + "\x06\x00\x00\x00\x01\x00", "encrypt", append(schema, "--format", "bson"), 2, "not BSON: "},
		{string(tampered), "decrypt", []string{"--format", "bson"}, 3, `decrypting document 1, at byte 0: decrypting field "ssn": decrypting with data key`},
	} {
		code, _, stderr := u.filter(t, []byte(test.stdin), test.verb, append(test.args, "--out", "out")...)
		if code != test.code || !strings.Contains(stderr, test.words) {
			t.Errorf("%s %v: exit code %d, want %d with %q\n%s", test.verb, test.args, code, test.code, test.words, stderr)
		}
		if found, _ := filepath.Glob(filepath.Join(u.dir, "*out*")); len(found) > 0 {
			t.Errorf("%s: left behind: %v", test.words, found)
		}
	}
	if hidden, _ := filepath.Glob(filepath.Join(u.dir, ".out*")); len(hidden) > 0 {
		t.Errorf("left behind: %v", hidden)
	}
}

// dumped writes what mongodump does for two collections, one with a name that no file may have.
func (u *user) dumped(t *testing.T, asBSON []byte) (files map[string]string) {
	t.Helper()
	files = map[string]string{
		"prelude.json": `{"ServerVersion":"7.0.14","ToolVersion":"100.10.0"}`, "hr/prelude.json": `{"ServerVersion":"7.0.14","ToolVersion":"100.10.0"}`,
		"hr/employees.bson": string(asBSON), "hr/employees.metadata.json": `{"indexes":[],"uuid":"5d","collectionName":"employees","type":"collection"}`,
		"hr/a%2Fb.bson": string(asBSON), "hr/a%2Fb.metadata.json": `{"indexes":[]}`, "hr/empty.bson": "", "hr/empty.metadata.json": `{"indexes":[]}`,
		"hr/view.metadata.json": `{"options":{"viewOn":"employees"}}`,
	}
	if err := os.MkdirAll(filepath.Join(u.dir, "dump", "hr"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		u.write(t, "dump/"+name, text)
	}
	return files
}

// A dump is encrypted by the schema map and decrypted again; what no schema names is copied.
func TestEncryptDump(t *testing.T) {
	u := newSealer(t)
	_, asBSON := employees(t, 100)
	files := u.dumped(t, asBSON)
	code, out, stderr := u.filter(t, nil, "encrypt", "--schema-map", "schemas.json", "dump", "--out", "sealed")
	if code != 0 || len(out) > 0 || !strings.Contains(stderr, "hr/employees.bson: 100 documents") || !strings.Contains(stderr, "100 documents of 1 collection written to sealed") {
		t.Fatalf("%d %s", code, stderr)
	}
	if code, _, stderr = u.filter(t, nil, "decrypt", "sealed", "--out", "again"); code != 0 || !strings.Contains(stderr, "200 documents of 3 collections written to again") {
		t.Fatalf("%d %s", code, stderr)
	}
	for name, text := range files {
		sealed, err := os.ReadFile(filepath.Join(u.dir, "sealed", name))
		if err != nil {
			t.Fatal(err)
		}
		if touched := name == "hr/employees.bson"; touched == (string(sealed) == text) || touched && bytes.Contains(sealed, []byte("CANARY")) {
			t.Errorf("sealed/%s is not as it should be", name)
		}
		if again, err := os.ReadFile(filepath.Join(u.dir, "again", name)); err != nil || string(again) != text {
			t.Errorf("again/%s: %v, %d bytes of %d", name, err, len(again), len(text))
		}
	}

	u.write(t, "both.json", strings.TrimSuffix(string(must(os.ReadFile(filepath.Join(u.dir, "schemas.json")))), "}")+`, "hr.a/b": {"bsonType": "object"}, "hr.gone": {"bsonType": "object"}}`)
	if code, _, stderr = u.filter(t, nil, "encrypt", "--schema-map", "both.json", "dump", "--out", "both"); code != 0 || !strings.Contains(stderr, "200 documents of 2 collections") || !strings.Contains(stderr, "hr.gone is in the schema map and not in the dump") {
		t.Errorf("%d %s", code, stderr)
	}
	for _, test := range []struct {
		prepare func()
		args    []string
		code    int
		words   string
	}{
		{nil, []string{"encrypt", "--schema-map", "schemas.json", "dump", "--out", "sealed"}, 2, "writing sealed: it exists"},
		{nil, []string{"encrypt", "--schema-map", "schemas.json", "dump", "--out", "no/such"}, 1, "writing no/such: no such file or directory"},
		{nil, []string{"encrypt", "--schema-map", "schemas.json", "dump"}, 2, "--out: expected it"},
		{nil, []string{"encrypt", "--schema", "schema.json", "dump", "--out", "new"}, 2, "expected --schema-map, without"},
		{nil, []string{"encrypt", "--schema-map", "schemas.json", "dump/hr", "--out", "new"}, 2, "expected the directory that mongodump has made"},
		{nil, []string{"encrypt", "--schema-map", "schemas.json", "sealed", "--out", "new"}, 3, "hr/employees.bson: encrypting document 1, at byte 0: refused"},
		{func() { u.write(t, "dump/oplog.bson", "") }, []string{"encrypt", "--schema-map", "schemas.json", "dump", "--out", "new"}, 2, "reading oplog.bson: it holds documents in plaintext"},
		{func() { u.write(t, "dump/hr/x.bson.gz", "") }, []string{"encrypt", "--schema-map", "schemas.json", "dump", "--out", "new"}, 2, "it is compressed"},
		{func() { u.write(t, "dump/hr/employees.bson", string(asBSON)+"\x05\x00\x00") }, []string{"decrypt", "dump", "--out", "new"}, 2, "hr/employees.bson: reading document 101, at byte"},
	} {
		if test.prepare != nil {
			test.prepare()
		}
		code, out, stderr := u.filter(t, nil, test.args[0], test.args[1:]...)
		if code != test.code || len(out) > 0 || !strings.Contains(stderr, test.words) {
			t.Errorf("%v: exit code %d, want %d with %q\n%s", test.args, code, test.code, test.words, stderr)
		}
		if left, _ := filepath.Glob(filepath.Join(u.dir, "*new*")); len(left) > 0 {
			t.Errorf("%v: left behind: %v", test.args, left)
		}
		if left, _ := filepath.Glob(filepath.Join(u.dir, ".new*")); len(left) > 0 {
			t.Errorf("%v: left behind: %v", test.args, left)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A key that is gone is an error, or leaves its values as they are.
func TestDecryptWithoutKey(t *testing.T) {
	u := newSealer(t)
	asJSON, _ := employees(t, 3)
	_, sealed, _ := u.filter(t, asJSON, "encrypt", "--schema", "schema.json")
	u.ok(t, "shred", "--alt-name", "jane", "--yes")
	if code, out, stderr := u.filter(t, sealed, "decrypt"); code != 3 || len(out) > 0 || !strings.Contains(stderr, `document 1, at line 1: decrypting field "home.zip"`) {
		t.Errorf("%d %s", code, stderr)
	}
	code, out, stderr := u.filter(t, sealed, "decrypt", "--keep")
	if code != 0 || !strings.Contains(stderr, "3 values left encrypted") || bytes.Count(out, []byte(`"subType":"06"`)) != 3 || bytes.Count(out, []byte("CANARY")) != 3 {
		t.Errorf("%d %s", code, stderr)
	}
}
