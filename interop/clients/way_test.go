package clients

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fieldcrypt/fieldcrypt/interop/daemon"
)

// way is one way in which a driver gets its commands analysed.
type way struct {
	name  string
	start func(t *testing.T) (environment []string) // until the test ends
}

var (
	// spawned: the driver starts the daemon itself, when it finds none.
	spawned = way{"spawn", func(t *testing.T) []string {
		dir := t.TempDir()
		pid, program := filepath.Join(dir, "pid"), filepath.Join(dir, "mongocryptd")
		// drivers never say whom they started, and leave it running
		script := fmt.Sprintf("#!/bin/sh\nexec '%s' --pidfilepath='%s' \"$@\"\n", setting(t, "MONGOCRYPTD"), pid)
		if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { endSpawned(t, pid) })
		return []string{"MONGOCRYPTD_SPAWN=" + program, "MONGOCRYPTD_PORT=" + daemon.FreePort(t)}
	}}

	// running: the daemon runs already.
	running = way{"daemon", func(t *testing.T) []string {
		return []string{"MONGOCRYPTD_URI=mongodb://" + daemon.Run(t)}
	}}

	// library: loaded into the driver's process.
	library = way{"library", func(t *testing.T) []string {
		return []string{"CRYPT_SHARED_LIB=" + setting(t, "CRYPT_SHARED")}
	}}

	// none: for clients that encrypt explicitly only.
	none = way{"explicit", func(*testing.T) []string { return nil }}
)

// setting returns what the script run says of what it built and started.
func setting(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv("FIELDCRYPT_INTEROP_" + name)
	if value == "" {
		t.Skipf("FIELDCRYPT_INTEROP_%s is not set: use the script run, which builds and starts what this test needs", name)
	}
	return value
}

// endSpawned ends the daemon that the driver must have started, and waits until it has removed its file.
func endSpawned(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Errorf("the driver started no daemon: %v", err)
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 2 {
		t.Errorf("process id %q: %v", text, err)
		return
	}
	process, err := os.FindProcess(pid)
	if err == nil {
		err = process.Signal(syscall.SIGTERM)
	}
	if err != nil {
		t.Error(err)
		return
	}
	for range 300 {
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("the daemon with the process id %d does not end", pid)
}
