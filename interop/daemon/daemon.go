// Package daemon runs the daemon that the script interop/run builds, for the tests of the packages beside this one.
package daemon

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// Variable names the environment variable with the path of the program mongocryptd.
const Variable = "FIELDCRYPT_INTEROP_MONGOCRYPTD"

// Run runs the daemon on a free port, with more arguments, until the test ends: terminated, it must exit with 0. It returns host:port. Without a program the
// test is skipped.
func Run(t *testing.T, arguments ...string) string {
	t.Helper()
	program := os.Getenv(Variable)
	if program == "" {
		t.Skipf("%s is not set: use the script run, which builds what this test needs", Variable)
	}
	port := FreePort(t)
	var log bytes.Buffer
	cmd := exec.CommandContext(context.Background(), program, append([]string{"--port=" + port}, arguments...)...)
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Errorf("the daemon ended with %v", err)
		}
		if t.Failed() {
			t.Logf("the daemon said:\n%s", log.Bytes())
		}
	})
	address := net.JoinHostPort("127.0.0.1", port)
	for range 300 {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			return address
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("the daemon does not listen on %s", address)
	return ""
}

// FreePort returns a port of the loopback interface that nobody listens on.
func FreePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String()) // of an address that was just made
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return port
}
