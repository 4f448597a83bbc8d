package main

import (
	"context"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience is for a machine that is busy with other things.
const patience = 60 * time.Second

// freePort sets a variable to a TCP port that nobody has: freeport VARIABLE.
func freePort(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: freeport variable")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	defer l.Close()
	ts.Setenv(args[0], strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
}

// answers waits until a mongocryptd answers at an address: answers tcp|unix ADDRESS.
func answers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: answers network address")
	}
	a := address{network: args[0], at: ts.MkAbs(args[1])}
	if a.network != "unix" {
		a.at = args[1]
	}
	if !answersInTime(a) {
		ts.Fatalf("no mongocryptd at %s", a.at)
	}
}

func answersInTime(a address) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if a.answersAsMongocryptd(context.Background()) {
			return true
		}
	}
	return false
}

func TestSwitches(t *testing.T) {
	for _, tt := range []struct{ args, known, ignored, wrong string }{
		{args: ""},
		{args: "--port=1 --idleShutdownTimeoutSecs=60", known: "--port=1 --idleShutdownTimeoutSecs=60"},
		{args: "--port 1 --idleShutdownTimeoutSecs -1 --logpath x", known: "--port 1 --idleShutdownTimeoutSecs -1 --logpath x"},
		{args: "-v -vvv -h --version", known: "-v -vvv -h --version"},
		{args: "--nounixsocket --quiet --logappend --bind_ip ::1", known: "--nounixsocket --quiet --logappend --bind_ip ::1"},
		{args: "--dbpath /data --fork --setParameter=a=b --port=1", known: "--port=1", ignored: "--dbpath --fork --setParameter"},
		{args: "-f my.conf --fork x -q -v", known: "-v", ignored: "-f --fork -q"},
		{args: "--port", known: "--port"}, // the parser tells that its value is missing
		{args: "--tlsMode=disabled --port=1", known: "--port=1", ignored: "--tlsMode"},
		{args: "--tlsMode requireTLS", wrong: "--tlsMode: there is no TLS"},
		{args: "--sslPEMKeyFile=x", wrong: "--sslPEMKeyFile: there is no TLS"},
		{args: "--auth", wrong: "--auth: there is no authentication"},
		{args: "--keyFile x", wrong: "--keyFile: there is no authentication"},
		{args: "--port=1 SENTINEL", wrong: "another argument"},
		{args: "--port=1 -- --port", wrong: "another argument"},
		{args: "-", wrong: "another argument"},
		{args: `--{"find":"SENTINEL"}`, ignored: "--?"},
	} {
		known, ignored, err := sortSwitches(newMongocryptd(), strings.Fields(tt.args))
		if tt.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), tt.wrong) || strings.Contains(err.Error(), "SENTINEL") {
				t.Errorf("%s: got %v, want %q", tt.args, err, tt.wrong)
			}
			continue
		}
		if err != nil || strings.Join(known, " ") != tt.known || strings.Join(ignored, " ") != tt.ignored {
			t.Errorf("%s: got %q, ignored %q, %v", tt.args, known, ignored, err)
		}
	}
}

func TestCommandLine(t *testing.T) {
	for _, tt := range []struct {
		args, want []string
	}{
		{nil, nil},
		{[]string{"/usr/bin/fieldcrypt", "version"}, []string{"version"}},
		{[]string{"/usr/bin/mongocryptd", "--port=1"}, []string{"mongocryptd", "--port=1"}},
		{[]string{`C:\bin\MongoCryptd.EXE`}, []string{"mongocryptd"}},
		{[]string{"mongocryptd.exe", "--help"}, []string{"mongocryptd", "--help"}},
		{[]string{"mongocryptd/fieldcrypt"}, []string{}},
		{[]string{"notmongocryptd", "x"}, []string{"x"}},
	} {
		if got := commandLine(tt.args); !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %q, want %q", tt.args, got, tt.want)
		}
	}
}

// A command whose analysis does not end does not keep the program from ending.
func TestUntilGrace(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	if ended, err := untilGrace(ctx, time.Hour, func() error { return io.ErrClosedPipe }); !ended || err != io.ErrClosedPipe {
		t.Errorf("by itself: %v, %v", ended, err)
	}
	stop()
	if ended, err := untilGrace(ctx, time.Hour, func() error { return nil }); !ended || err != nil {
		t.Errorf("in time: %v, %v", ended, err)
	}
	forever := make(chan struct{})
	defer close(forever)
	if ended, err := untilGrace(ctx, time.Millisecond, func() error { <-forever; return nil }); ended || err != nil {
		t.Errorf("never: %v, %v", ended, err)
	}
}
