//go:build unix

package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// process is a running program of which one line was read.
type process struct {
	*exec.Cmd
	stdin  io.WriteCloser
	stdout *os.File
	lines  *bufio.Reader
	stderr bytes.Buffer
}

// start runs analyze, gives it one command and reads the answer, while standard input stays open.
func start(t *testing.T) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0], "analyze", "--schema", schemaFile(t), "--db", "d")}
	p.Env = append(os.Environ(), asProgram+"=1", "GORACE=atexit_sleep_ms=0")
	p.Stderr = &p.stderr
	var err error
	if p.stdin, err = p.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.Stdout, p.stdout, p.lines = write, read, bufio.NewReader(read)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	t.Cleanup(func() {
		_ = p.Process.Kill() // has ended already if the test passed
		read.Close()
	})
	p.exchange(t)
	return p
}

// exchange sends a command without anything after its closing brace and waits for its line.
func (p *process) exchange(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(p.stdin, `{"find": "c", "filter": {"ssn": "x"}}`); err != nil {
		t.Fatal(err)
	}
	line, err := p.lines.ReadString('\n')
	if err != nil {
		t.Fatalf("no line while standard input is open: %v", err)
	}
	if want := `{"hasEncryptionPlaceholders":true,`; !bytes.HasPrefix([]byte(line), []byte(want)) {
		t.Fatalf("got %s, want %s…", line, want)
	}
}

func TestEachLineComesAtOnce(t *testing.T) {
	p := start(t)
	for range 3 {
		p.exchange(t)
	}
	p.stdin.Close()
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

func TestInterruptWhileWaitingForInput(t *testing.T) {
	p := start(t)
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait() // the code says more
	if got := p.ProcessState.ExitCode(); got != exitInterrupted {
		t.Errorf("exit code %d, want %d", got, exitInterrupted)
	}
}

func TestReaderGoesAway(t *testing.T) {
	p := start(t)
	p.stdout.Close()
	_, _ = io.WriteString(p.stdin, `{"ping": 1}`) // the program may be gone before it is written
	_ = p.Wait()
	status, _ := p.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signal() != syscall.SIGPIPE && status.ExitStatus() != exitPipe {
		t.Errorf("ended with %v, want SIGPIPE or %d", p.ProcessState, exitPipe)
	}
	if p.stderr.Len() > 0 {
		t.Errorf("standard error: %s", &p.stderr)
	}
}
