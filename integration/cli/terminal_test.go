//go:build linux

package cli

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"
)

// openTerminal makes a pseudo terminal: what is written to keyboard is typed at tty.
func openTerminal(t *testing.T) (keyboard, tty *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("this machine has no pseudo terminals: ", err)
	}
	t.Cleanup(func() { keyboard.Close() })
	var locked, number int32
	for request, arg := range map[uintptr]*int32{syscall.TIOCSPTLCK: &locked, syscall.TIOCGPTN: &number} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, keyboard.Fd(), request, uintptr(unsafe.Pointer(arg))); errno != 0 {
			t.Fatal(errno)
		}
	}
	if tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return keyboard, tty
}

// screen collects what a terminal shows.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// atTerminal runs the program for a person who answers the question, if there is one.
func (u *user) atTerminal(t *testing.T, answer string, args ...string) (code int, shown string) {
	t.Helper()
	return u.patience(t, answer, nil, args...)
}

// patience is atTerminal for a person who types Ctrl-C when there is no more patience.
func (u *user) patience(t *testing.T, answer string, end <-chan struct{}, args ...string) (code int, shown string) {
	t.Helper()
	keyboard, tty := openTerminal(t)
	cmd := u.command(args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true} // so that Ctrl-C is one
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close() // reading ends when the program does
	var s screen
	read := make(chan struct{})
	go func() {
		defer close(read)
		answered := false
		for b := make([]byte, 4096); ; {
			n, err := keyboard.Read(b)
			s.mu.Lock()
			s.text.Write(b[:n])
			asked := strings.Contains(s.text.String(), "Type yes to go on: ")
			s.mu.Unlock()
			if asked && !answered {
				answered = true
				_, _ = keyboard.WriteString(answer)
			}
			if err != nil {
				return
			}
		}
	}()
	go func() {
		select {
		case <-end:
			_, _ = keyboard.WriteString("\x03")
		case <-read:
		}
	}()
	code = exitCode(t, cmd.Wait())
	<-read
	u.seen.WriteString(s.String())
	return code, strings.ReplaceAll(s.String(), "\r\n", "\n")
}

// On a terminal results are tables, and what destroys or changes many keys is asked about.
func TestTerminal(t *testing.T) {
	u := newUser(t, nil)
	if code, shown := u.atTerminal(t, "", "list"); code != 0 || !strings.Contains(shown, "ID  ") || !strings.Contains(shown, "no data keys in "+u.keyVault) {
		t.Errorf("%d %s", code, shown)
	}
	one := u.ok(t, "create", "--provider", "local", "--quiet", "--alt-name", "hr")
	two := u.ok(t, "create", "--provider", "local:two", "--quiet")
	if code, shown := u.atTerminal(t, "", "list"); code != 0 || !strings.Contains(shown, one+"  local       ") || !strings.Contains(shown, two+"  local:two   ") {
		t.Errorf("%d %s", code, shown)
	}
	if code, shown := u.atTerminal(t, "", "get-by-name", "hr"); code != 0 || !strings.HasPrefix(shown, "id          "+one+"\n") {
		t.Errorf("%d %s", code, shown)
	}
	if _, shown := u.atTerminal(t, "", "show", one, "--json"); !strings.HasPrefix(shown, `{"_id":{"$uuid":`) {
		t.Errorf("%s", shown)
	}
	if code, shown := u.atTerminal(t, "", "rewrap", one); code != 0 || !strings.Contains(shown, "rewrapped  1 of 1 data key\n") {
		t.Errorf("%d %s", code, shown)
	}
	for answer, want := range map[string]struct {
		code int
		text string
	}{
		"y\n": {1, "not confirmed, nothing was changed"}, "\n": {1, "not confirmed"}, "\x04": {1, "not confirmed"}, "\x03": {130, "interrupted, nothing was changed"},
		"yes\n": {0, "rewrapped  2 of 2 data keys"},
	} {
		code, shown := u.atTerminal(t, answer, "rewrap", "--all")
		if code != want.code || !strings.Contains(shown, want.text) || !strings.Contains(shown, "Rewrap 2 data keys of "+u.keyVault+"?") {
			t.Errorf("%q: %d %s", answer, code, shown)
		}
	}
	if code, shown := u.atTerminal(t, "", "check"); code != 3 || !strings.Contains(shown, u.keyVault+": 2 documents, index on keyAltNames: missing, 1 problem found") {
		t.Errorf("%d %s", code, shown)
	}
	if code, shown := u.atTerminal(t, "yes\n", "delete", two); code != 0 || !strings.Contains(shown, "deleted  "+two+" (1 document)") {
		t.Errorf("%d %s", code, shown)
	}
	if code, shown := u.atTerminal(t, "yes\n", "shred", one); code != 0 || !strings.Contains(shown, "shredded       "+one) {
		t.Errorf("%d %s", code, shown)
	}
}

// Long work draws a bar. Ctrl-C ends it with a line of its own, and it can be run again.
func TestProgressAtTerminal(t *testing.T) {
	s := &stuck{waiting: make(chan struct{}, 1)}
	u := newUser(t, s.intercept)
	u.ok(t, "ensure-vault")
	const keys = 6
	for range keys {
		u.ok(t, "create", "--provider", "local")
	}
	move := append([]string{"rewrap", "--filter", `{"masterKey.provider": "local"}`, "--batch", "2", "--yes"}, toVault...)
	for _, tt := range []struct {
		after int64
		args  []string
		told  string
	}{
		{9, move, "of 6 data keys rewrapped; the others can be read as before"},
		{3, []string{"check"}, "stopped after "},
	} {
		select {
		case <-s.waiting: // of the run before
		default:
		}
		s.calls.Store(0)
		s.after.Store(tt.after)
		code, shown := u.patience(t, "", s.waiting, tt.args...)
		s.after.Store(0)
		if code != 130 || !strings.Contains(shown, tt.told) || !strings.Contains(shown, "interrupted") {
			t.Errorf("%v: %d %q", tt.args, code, shown)
		}
		if !strings.Contains(shown, "/6, ") || !strings.Contains(shown, "% |") {
			t.Errorf("%v: no bar in %q", tt.args, shown)
		}
		if code, shown := u.atTerminal(t, "", tt.args...); code != 0 {
			t.Errorf("%v, run again: %d %q", tt.args, code, shown)
		}
	}
	if _, shown := u.atTerminal(t, "", "check", "--quiet"); shown != "" {
		t.Errorf("--quiet shows %q", shown)
	}
}
