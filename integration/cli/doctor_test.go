package cli

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// doctor runs fieldcrypt doctor and gives the status of each check, and all that was said.
func (u *user) doctor(t *testing.T, args ...string) (code int, statuses map[string]string, said string) {
	t.Helper()
	cmd := exec.Command(program, append([]string{"doctor"}, args...)...)
	cmd.Dir, cmd.Env = u.dir, u.env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	code = exitCode(t, cmd.Run())
	u.seen.WriteString(out.String() + errs.String())
	statuses = map[string]string{}
	for line := range strings.Lines(out.String()) {
		d := decoded[struct{ Check, About, Status, Detail string }](t, line)
		statuses[strings.TrimSpace(d.Check+" "+strings.TrimPrefix(d.About, u.keyVault))] = d.Status
	}
	return code, statuses, out.String() + errs.String()
}

// A chain that is whole, and one link after the other broken.
func TestDoctor(t *testing.T) {
	if os.Getenv("FIELDCRYPT_TEST_URI") != "" {
		t.Skip("what doctor says of tls and enforcement depends on the server")
	}
	u := newUser(t, nil)
	u.ok(t, "ensure-vault")
	key := u.ok(t, "create", "--provider", "local", "--quiet")
	u.ok(t, append([]string{"create"}, toVault...)...)
	u.write(t, "schemas.json", fmt.Sprintf(`{"d.c": {"bsonType": "object", "properties": {"ssn": {"encrypt": {"bsonType": "string",
		"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic", "keyId": [{"$uuid": %q}]}}}}}`, key))
	args := []string{"--key-vault", u.keyVault, "--kms-providers", "kms.json", "--schema-map", "schemas.json"}
	code, got, said := u.doctor(t, args...)
	want := map[string]string{
		"connection": "ok", "tls": "ok", "server": "ok", "server abilities": "ok", "clock": "ok", "key vault": "ok", "kms local": "ok", "kms local:two": "note", "kms vault": "ok",
		"schema d.c": "note", "enforcement d.c": "skipped", "analysis mongocryptd": got["analysis mongocryptd"], "analysis running": got["analysis running"], "analysis crypt_shared": got["analysis crypt_shared"],
	}
	if diff := cmp.Diff(want, got); diff != "" || code != 0 {
		t.Errorf("%d %s\n%s", code, diff, said)
	}

	if !strings.Contains(said, "FerretDB 1, version") || !strings.Contains(said, "it does not know transactions") {
		t.Errorf("of the server: %s", said)
	}

	u.kms.Forbid("transit", "fields")
	u.ok(t, "delete", key, "--yes")
	code, got, said = u.doctor(t, args...)
	want["kms vault"], want["schema d.c"], want["kms local"] = "failed", "failed", "note"
	if diff := cmp.Diff(want, got); diff != "" || code != 3 {
		t.Errorf("%d %s\n%s", code, diff, said)
	}
	u.write(t, "fewer.json", `{"vault": {"endpoint": "`+u.kms.URL()+`", "token": {"$env": "VAULT_CANARY"}, "tls": {"ca": "ca.pem"}}}`)
	u.ok(t, "create", "--provider", "local", "--quiet")
	if code, got, said := u.doctor(t, "--key-vault", u.keyVault, "--kms-providers", "fewer.json"); code != 3 || got["kms local"] != "note" || !strings.Contains(said, "the providers file does not name it") {
		t.Errorf("%d %s", code, said)
	}
	for _, words := range []string{"the KMS refuses these credentials", "data key " + key + " of field ssn is not in the key vault", "2 checks failed"} {
		if !strings.Contains(said, words) {
			t.Errorf("lacks %q in %s", words, said)
		}
	}
	if code, got, said := u.doctor(t); code != 0 || got["key vault"] != "skipped" || got["kms"] != "skipped" || got["schema"] != "skipped" {
		t.Errorf("%d %s", code, said)
	}
}
