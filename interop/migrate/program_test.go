//go:build unix

package migrate

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "fieldcrypt-migrate-")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "fieldcrypt")
	build := exec.Command("go", "build", "-o", program, "./cmd/fieldcrypt")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("building the program: %v\n%s", err, out))
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// operator has the files that the program needs to migrate the people of a world.
type operator struct {
	*world
	dir string
}

func newOperator(t *testing.T, w *world) *operator {
	t.Helper()
	o := &operator{world: w, dir: t.TempDir()}
	text, err := bson.MarshalExtJSON(w.schema(), true, false)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"schema.json": string(text), "kms.json": `{"local": {"key": {"$file": "master.key"}}}`, "master.key": base64.StdEncoding.EncodeToString(w.master),
	} {
		if err := os.WriteFile(filepath.Join(o.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func (o *operator) command(verb string, args ...string) *exec.Cmd {
	ns := o.people.Database().Name() + "." + o.people.Name()
	cmd := exec.Command(program, append([]string{
		"migrate", verb, "--collection", ns, "--schema", "schema.json", "--key-vault", o.vault, "--kms-providers", "kms.json",
	}, args...)...)
	cmd.Dir, cmd.Env = o.dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + o.dir, "FIELDCRYPT_URI=" + o.uri}
	return cmd
}

// outcome is how a run of the program ended.
type outcome struct {
	code   int
	peak   int64 // of its memory, in bytes
	stderr string
	report struct {
		OK, Complete, Settled                bool
		Passes                               int
		Documents, Changed, Conflicts, Found int64
		Seconds                              float64
	}
}

func (o *operator) run(t *testing.T, verb string, args ...string) outcome {
	t.Helper()
	cmd := o.command(verb, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run() // an exit code is no surprise
	return ended(t, cmd, out.String(), errs.String())
}

func ended(t *testing.T, cmd *exec.Cmd, stdout, stderr string) (o outcome) {
	t.Helper()
	if cmd.ProcessState == nil {
		t.Fatalf("%v did not start", cmd.Args)
	}
	o.code, o.stderr = cmd.ProcessState.ExitCode(), stderr
	o.peak = cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
	if runtime.GOOS == "linux" { // where it is in KiB
		o.peak <<= 10
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	var last struct{ Report any }
	last.Report = &o.report
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatalf("%v: exit code %d, no report: %v\n%s%s", cmd.Args[1:3], o.code, err, stdout, stderr)
	}
	return o
}
