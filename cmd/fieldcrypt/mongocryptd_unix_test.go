//go:build unix

package main

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// mongocryptd starts the daemon on a free port.
func mongocryptd(t *testing.T, args ...string) (*exec.Cmd, address, *bytes.Buffer) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := address{network: "tcp", at: l.Addr().String()}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	p := exec.Command(os.Args[0], append([]string{"mongocryptd", "--port", strconv.Itoa(port)}, args...)...)
	p.Env = append(os.Environ(), asProgram+"=1", "GORACE=atexit_sleep_ms=0")
	var stderr bytes.Buffer
	p.Stderr = &stderr
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() }) // has ended already if the test passed
	if !answersInTime(a) {
		t.Fatalf("does not answer: %s", &stderr)
	}
	return p, a, &stderr
}

func TestMongocryptdSignals(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		pid := filepath.Join(t.TempDir(), "pid")
		p, a, stderr := mongocryptd(t, "--pidfilepath", pid)
		if text, err := os.ReadFile(pid); err != nil || strings.TrimSpace(string(text)) != strconv.Itoa(p.Process.Pid) {
			t.Errorf("pid file: %q, %v; want %d", text, err, p.Process.Pid)
		}
		conn, err := net.Dial(a.network, a.at)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := p.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		if err := p.Wait(); err != nil {
			t.Errorf("%v: %v, %s", s, err, stderr)
		}
		if _, err := os.Stat(pid); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v: the pid file is left: %v", s, err)
		}
	}
}

// Of several that drivers start at the same moment, one stays and the others leave without an error.
func TestMongocryptdRace(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := address{network: "tcp", at: l.Addr().String()}
	_, port, _ := net.SplitHostPort(a.at)
	l.Close()
	pid := filepath.Join(t.TempDir(), "pid")
	const racers = 5
	ended := make(chan error, racers)
	processes := map[int]*os.Process{}
	for range racers {
		p := exec.Command(os.Args[0], "mongocryptd", "--port", port, "--pidfilepath", pid, "--idleShutdownTimeoutSecs=0")
		p.Env = append(os.Environ(), asProgram+"=1", "GORACE=atexit_sleep_ms=0")
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Process.Kill() }) // has ended already if the test passed
		processes[p.Process.Pid] = p.Process
		go func() { ended <- p.Wait() }()
	}
	for range racers - 1 {
		if err := <-ended; err != nil {
			t.Errorf("a loser: %v", err)
		}
	}
	if !answersInTime(a) {
		t.Error("nobody answers")
	}
	text, _ := os.ReadFile(pid)
	winner, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	if processes[winner] == nil {
		t.Fatalf("pid file: %q", text)
	}
	_ = processes[winner].Signal(syscall.SIGTERM)
	if err := <-ended; err != nil {
		t.Errorf("the winner: %v", err)
	}
}

// A daemon whose log nobody reads any more goes on, and so does one without standard streams.
func TestMongocryptdWithoutStreams(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := exec.Command("/bin/sh", "-c", `exec "$0" mongocryptd --port 0 -v "$@" <&- >&-`, os.Args[0], "--socket", filepath.Join(t.TempDir(), "s"))
	p.Env = append(os.Environ(), asProgram+"=1", "GORACE=atexit_sleep_ms=0")
	p.Stderr = write
	read.Close()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	t.Cleanup(func() { _ = p.Process.Kill() }) // has ended already if the test passed
	a := address{network: "unix", at: p.Args[len(p.Args)-1]}
	for range 3 { // each connection is logged
		if !answersInTime(a) {
			t.Fatal("does not answer")
		}
	}
	_ = p.Process.Signal(syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

// An address that something else has is told of: the driver would find no mongocryptd there.
func TestMongocryptdAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	code, stdout, stderr := runWith("", "mongocryptd", "--port", port)
	if code != exitAddressInUse || stdout != "" || !strings.Contains(stderr, "hint: another program listens there") {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
}

// A UNIX socket is for its owner only, and one that was left behind is no obstacle; another file is.
func TestMongocryptdSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	p, _, stderr := mongocryptd(t, "--socket", path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info, err)
	}
	if !answersInTime(address{network: "unix", at: path}) {
		t.Error("it does not answer")
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("beside the socket: %v, %v", files, err)
	}
	_ = p.Process.Signal(syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		t.Errorf("%v, %s", err, stderr)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := runWith("", "mongocryptd", "--port", "0", "--socket", path); code != exitAddressInUse {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	if text, _ := os.ReadFile(path); string(text) != "mine" {
		t.Error("the file was removed")
	}
}

// At no moment has the socket a name and a mode that lets others in, and of several that take one name at once, one gets it.
func TestSocketNeverOpen(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	path := filepath.Join(t.TempDir(), "s")
	stop, watched := make(chan bool), make(chan bool)
	var open atomic.Int32
	go func() {
		defer close(watched)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if info, err := os.Lstat(path); err == nil && info.Mode().Perm() != 0o600 {
				open.Add(1)
			}
		}
	}()
	for range 200 {
		listeners := make(chan net.Listener, 2)
		for range 2 {
			go func() {
				l, err := listenSocket(t.Context(), path)
				if err != nil && !errors.Is(err, syscall.EADDRINUSE) {
					t.Error(err)
				}
				listeners <- l
			}()
		}
		a, b := <-listeners, <-listeners
		if (a == nil) == (b == nil) {
			t.Fatalf("got %v and %v", a, b)
		}
		for _, l := range []net.Listener{a, b} {
			if l != nil {
				_ = l.Close()
			}
		}
	}
	close(stop)
	<-watched
	if n := open.Load(); n > 0 {
		t.Errorf("others could have connected, %d times", n)
	}
}
