//go:build unix

package cli

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fieldcrypt/fieldcrypt/internal/mockkms/vault"
)

// stuck is a KMS that does not answer any more after some calls.
type stuck struct {
	calls   atomic.Int64
	after   atomic.Int64 // 0: it answers
	waiting chan struct{}
}

func (s *stuck) intercept(ctx context.Context, _ vault.Call) *vault.Answer {
	if after := s.after.Load(); after > 0 && s.calls.Add(1) > after {
		select {
		case s.waiting <- struct{}{}:
		default:
		}
		<-ctx.Done()
	}
	return nil
}

// interrupted runs the program until the KMS is stuck, then sends what Ctrl-C sends.
func (u *user) interrupted(t *testing.T, s *stuck, after int64, args ...string) (stdout, stderr string) {
	t.Helper()
	select {
	case <-s.waiting: // of a run before
	default:
	}
	s.calls.Store(0)
	s.after.Store(after)
	defer s.after.Store(0)
	return interrupt(t, s, u.command(args...))
}

// interrupt lets a command run until the KMS is stuck, then sends what Ctrl-C sends.
func interrupt(t *testing.T, s *stuck, cmd *exec.Cmd) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-s.waiting
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := exitCode(t, cmd.Wait()); code != 130 {
		t.Errorf("%v: exit code %d\n%s", cmd.Args, code, &errs)
	}
	return out.String(), errs.String()
}

// Rewrapping and checking can be interrupted: they say how far they came, every key can be read, and they can be run again.
func TestInterrupt(t *testing.T) {
	s := &stuck{waiting: make(chan struct{}, 1)}
	u := newUser(t, s.intercept)
	u.ok(t, "ensure-vault")
	const keys = 6
	for range keys {
		u.ok(t, "create", "--provider", "local")
	}
	move := append([]string{"rewrap", "--filter", `{"masterKey.provider": "local"}`, "--batch", "2", "--yes"}, toVault...)
	stdout, stderr := u.interrupted(t, s, 9, move...) // 2 calls wrap and prove a key, besides those about the token
	if !strings.Contains(stderr, "interrupted") || !strings.Contains(stderr, "of 6 data keys rewrapped; the others can be read as before") ||
		!strings.Contains(stderr, "hint: it can be run again") {
		t.Errorf("%s", stderr)
	}
	done := decoded[map[string]any](t, stdout)["rewrapped"].(float64)
	moved := len(strings.Fields(u.ok(t, "list", "--quiet", "--filter", `{"masterKey.provider": "vault"}`)))
	if float64(moved) != done || moved == 0 || moved == keys {
		t.Errorf("%d moved, told %v", moved, done)
	}
	u.ok(t, "check")
	if got := decoded[map[string]any](t, u.ok(t, move...))["rewrapped"]; got != keys-done {
		t.Errorf("the second run rewrapped %v", got)
	}
	stdout, stderr = u.interrupted(t, s, 3, "check")
	if got := decoded[map[string]any](t, stdout); got["complete"] != false || !strings.Contains(stderr, "interrupted") {
		t.Errorf("%s%s", stdout, stderr)
	}
	u.ok(t, "check")
}

// An interrupted audit tells what it found, in every form, marked as incomplete.
func TestInterruptAudit(t *testing.T) {
	s := &stuck{waiting: make(chan struct{}, 1)}
	a := newAudited(t, s.intercept)
	a.ok(t, append([]string{"rewrap", a.id(t, a.other), "--yes"}, toVault...)...)
	s.after.Store(1)
	defer s.after.Store(0)
	stdout, stderr := interrupt(t, s, a.auditCommand("--key-vault", a.keyVault, "--kms-providers", "kms.json", "--html", "report.html"))
	a.seen.WriteString(stdout + stderr)
	got := decoded[auditReport](t, stdout)
	if got.Complete || got.Counts["plaintext"] != 2 || !strings.Contains(stderr, "the report is incomplete") || !strings.Contains(stderr, "interrupted") {
		t.Errorf("%+v\n%s", got, stderr)
	}
	page, err := os.ReadFile(a.dir + "/report.html")
	if err != nil || !bytes.Contains(page, []byte("<b>Incomplete.</b>")) {
		t.Errorf("%v: %s", err, page)
	}
}

// An interrupted encrypt that waits for its input ends, and leaves no file, whether a person or the system ends it.
func TestInterruptEncrypt(t *testing.T) {
	u := newSealer(t)
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		u.interruptedEncrypt(t, signal)
	}
}

func (u *user) interruptedEncrypt(t *testing.T, signal os.Signal) {
	t.Helper()
	cmd := exec.Command(program, "encrypt", "--schema", "schema.json", "--key-vault", u.keyVault, "--kms-providers", "kms.json", "--out", "out.json")
	cmd.Dir, cmd.Env = u.dir, u.env
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	begun := func() int {
		files, _ := filepath.Glob(filepath.Join(u.dir, "*out.json*"))
		hidden, _ := filepath.Glob(filepath.Join(u.dir, ".out.json*"))
		return len(files) + len(hidden)
	}
	asJSON, _ := employees(t, 1)
	if _, err := stdin.Write(asJSON); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); begun() == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing was begun")
		}
	}
	if err := cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	if code := exitCode(t, cmd.Wait()); code != 130 || begun() != 0 {
		t.Errorf("%s: exit code %d, %d files", signal, code, begun())
	}
}
