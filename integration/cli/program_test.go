package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
	"github.com/fieldcrypt/fieldcrypt/internal/mockkms/vault"
)

var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "fieldcrypt-cli-")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "fieldcrypt")
	build := exec.Command("go", "build", "-o", program, "./cmd/fieldcrypt")
	build.Dir = "../.." // the program's own module decides what it is built of
	if out, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("building the program: %v\n%s", err, out))
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// The canaries stand where secrets stand. They are never to be seen.
const (
	canaryToken    = "hvs.CANARY-token"
	canaryPassword = "CANARY-password"
)

// user is a person with a directory, a server and KMSs.
type user struct {
	dir, uri, keyVault string
	kms                *vault.Server
	env                []string
	seen               bytes.Buffer // all output
}

// newUser starts server and KMS and writes kms.json: local, local:two and vault. intercept may be nil.
func newUser(t *testing.T, intercept func(context.Context, vault.Call) *vault.Answer) *user {
	t.Helper()
	u := &user{dir: t.TempDir(), uri: testserver.Start(t), keyVault: testserver.Database(t) + ".datakeys"}
	var err error
	u.kms, err = vault.Run(context.Background(), vault.Options{Tokens: []vault.Token{{ID: canaryToken}}, Intercept: intercept})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.kms.Close)
	if err := u.kms.Create("transit", "fields"); err != nil {
		t.Fatal(err)
	}
	u.write(t, "ca.pem", certificate(t, u.kms))
	u.write(t, "kms.json", fmt.Sprintf(`{"local": {"key": {"$file": "master.key"}}, "local:two": {"key": {"$command": ["cat", "two.key"]}},
		"vault": {"endpoint": %q, "token": {"$env": "VAULT_CANARY"}, "tls": {"ca": "ca.pem"}}}`, u.kms.URL()))
	u.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + u.dir, "FIELDCRYPT_URI=" + u.uri, "VAULT_CANARY=" + canaryToken}
	t.Cleanup(func() {
		if bytes.Contains(u.seen.Bytes(), []byte("CANARY")) {
			t.Errorf("a secret is shown: %s", &u.seen)
		}
	})
	u.ok(t, "generate-local", "master.key", "--quiet")
	u.ok(t, "generate-local", "two.key", "--quiet", "--raw")
	return u
}

// certificate is the server's own, in PEM; who trusts it needs no authority.
func certificate(t *testing.T, s *vault.Server) string {
	t.Helper()
	conn, err := tls.Dial("tcp", s.Addr(), &tls.Config{RootCAs: s.RootCAs(), MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: conn.ConnectionState().PeerCertificates[0].Raw}))
}

func (u *user) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(u.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// command is fieldcrypt keys with these arguments, and those of the flags that the verb has; or fieldcrypt schema.
func (u *user) command(args ...string) *exec.Cmd {
	if args[0] == "schema" {
		cmd := exec.Command(program, args...)
		cmd.Dir, cmd.Env = u.dir, u.env
		return cmd
	}
	if args[0] != "generate-local" {
		args = append(args, "--key-vault", u.keyVault)
	}
	switch args[0] {
	case "create", "rewrap", "check":
		args = append(args, "--kms-providers", "kms.json")
	}
	cmd := exec.Command(program, append([]string{"keys"}, args...)...)
	cmd.Dir, cmd.Env = u.dir, u.env
	return cmd
}

// run gives what the program printed, and its exit code.
func (u *user) run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := u.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	code = exitCode(t, cmd.Run())
	u.seen.WriteString(out.String() + errs.String())
	return code, out.String(), errs.String()
}

func exitCode(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit != nil {
		return exit.ExitCode()
	}
	return 0
}

// ok runs the program, which must succeed, and gives its standard output without the last line end.
func (u *user) ok(t *testing.T, args ...string) string {
	t.Helper()
	code, stdout, stderr := u.run(t, args...)
	if code != 0 {
		t.Fatalf("%v: exit code %d\n%s", args, code, stderr)
	}
	return strings.TrimSuffix(stdout, "\n")
}

// fails runs the program, which must fail with this code and these words.
func (u *user) fails(t *testing.T, code int, words string, args ...string) {
	t.Helper()
	got, stdout, stderr := u.run(t, args...)
	if got != code || !strings.Contains(stderr, words) {
		t.Errorf("%v: exit code %d, want %d with %q\n%s%s", args, got, code, words, stdout, stderr)
	}
}
