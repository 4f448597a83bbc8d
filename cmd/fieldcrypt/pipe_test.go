//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

func makePipe(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "providers")
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A providers file may be a pipe, as of a shell's <(…). The first Ctrl-C ends a program that waits for what is to come of it.
func TestInterruptWhileReadingPipe(t *testing.T) {
	file := makePipe(t)
	var stderr bytes.Buffer
	cmd := exec.Command(os.Args[0], "keys", "check", "--uri", "mongodb://127.0.0.1:1/", "--key-vault", "d.c", "--kms-providers", file)
	cmd.Env, cmd.Stderr = append(os.Environ(), asProgram+"=1", "GORACE=atexit_sleep_ms=0"), &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })     // has ended already if the test passed
	writer, err := os.OpenFile(file, os.O_WRONLY, 0) // waits for the program to read
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the code says more
	if got := cmd.ProcessState.ExitCode(); got != exitInterrupted || !bytes.Contains(stderr.Bytes(), []byte("providers: interrupted")) {
		t.Errorf("exit code %d: %s", got, &stderr)
	}
}

// So it is while the pipe has no writer yet.
func TestPipeWithoutWriter(t *testing.T) {
	file := makePipe(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var f *failure
	if _, _, err := readPrivate(ctx, "reading", file); !errors.As(err, &f) || f.code != exitInterrupted {
		t.Errorf("got %v", err)
	}
	writer, err := os.OpenFile(file, os.O_WRONLY, 0) // the reader that is left
	if err != nil {
		t.Fatal(err)
	}
	writer.Close()
}

func TestIsTerminal(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	if isTerminal(read) || isTerminal(write) || isTerminal(new(bytes.Buffer)) || isTerminal(nil) {
		t.Error("a pipe or buffer is a terminal")
	}
	for file, want := range map[string]bool{"/dev/null": false, "/dev/full": false, "/dev/zero": false, os.Args[0]: false, "/dev/ptmx": true} {
		f, err := os.OpenFile(file, os.O_RDWR, 0)
		if errors.Is(err, syscall.ETXTBSY) {
			f, err = os.Open(file)
		}
		if err != nil {
			t.Logf("%s cannot be opened here: %v", file, err)
			continue
		}
		if got := isTerminal(f); got != want || isTerminal(&output{Writer: f}) != want {
			t.Errorf("%s: got %v", file, got)
		}
		f.Close()
	}
}
