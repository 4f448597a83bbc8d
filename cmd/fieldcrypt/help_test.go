package main

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every command of ours says what it is for, shows an example, and tells its exit codes; bad flags end with 2 and the usage, and are not repeated.
func TestEveryCommand(t *testing.T) {
	var check func(cmd *cobra.Command)
	check = func(cmd *cobra.Command) {
		name := cmd.Name()
		if name == "help" || name == "completion" {
			return
		}
		path := strings.Fields(cmd.CommandPath())[1:]
		code, stdout, stderr := runWith("", append(path, "--help")...)
		if code != exitOK || stderr != "" || !strings.Contains(stdout, "Usage:") || cmd.Short == "" {
			t.Errorf("%v: help ends with %d %s", path, code, stderr)
		}
		if name != "version" && !cmd.HasSubCommands() && (!strings.Contains(stdout, "Exit codes:") || !strings.Contains(stdout, "Examples:")) {
			t.Errorf("%v: the help lacks exit codes or an example", path)
		}
		if name == mongocryptdName { // it ignores what it does not know, as drivers expect of it
			return
		}
		code, stdout, stderr = runWith("", append(path, "--nosuch=SENTINEL")...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, "unknown flag: --nosuch") || !strings.Contains(stderr, "Usage:") || strings.Contains(stderr, "SENTINEL") {
			t.Errorf("%v: a bad flag ends with %d\n%s%s", path, code, stdout, stderr)
		}
		for _, sub := range cmd.Commands() {
			check(sub)
		}
	}
	check(newRoot(strings.NewReader(""), io.Discard, io.Discard))
}
