package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// refusedSwitches are those of mongod that ask for a protection which is not there: to ignore them would be a lie. A name here stands for
// all that begin with it.
var refusedSwitches = []struct{ prefix, wrong string }{
	{"tls", "there is no TLS"},
	{"ssl", "there is no TLS"},
	{"auth", "there is no authentication"},
	{"keyFile", "there is no authentication"},
	{"clusterAuthMode", "there is no authentication"},
}

// sortSwitches splits a command line into what cmd has flags for and the names of switches for which it has none.
func sortSwitches(cmd *cobra.Command, args []string) (known, ignored []string, err error) {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		name, _, hasValue := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		isKnown, takesValue := lookUp(cmd, arg, name)
		switch {
		case !strings.HasPrefix(arg, "-") || name == "":
			return nil, nil, badUsage("", "%s takes switches only, got another argument", mongocryptdName)
		case !isKnown:
			if err := refuseSwitch(arg, name); err != nil {
				return nil, nil, err
			}
			ignored = append(ignored, shownSwitch(arg, name))
			if !hasValue && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
				args = args[1:]
			}
		default:
			known = append(known, arg)
			if takesValue && !hasValue && len(args) > 0 {
				known, args = append(known, args[0]), args[1:]
			}
		}
	}
	return known, ignored, nil
}

// lookUp finds --name, or -n with n one letter that may be repeated, as in -vvv.
func lookUp(cmd *cobra.Command, arg, name string) (isKnown, takesValue bool) {
	flag := cmd.Flags().Lookup(name)
	if !strings.HasPrefix(arg, "--") {
		if flag = nil; name != "" && strings.Trim(name, name[:1]) == "" {
			flag = cmd.Flags().ShorthandLookup(name[:1])
		}
	}
	return flag != nil, flag != nil && flag.NoOptDefVal == ""
}

func refuseSwitch(arg, name string) error {
	for _, r := range refusedSwitches {
		if strings.HasPrefix(name, r.prefix) && !strings.HasSuffix(arg, "=disabled") {
			return badUsage("leave the switch out; keep the daemon on this machine, on loopback or a UNIX socket", "--%s: %s", shownName(name), r.wrong)
		}
	}
	return nil
}

// shownSwitch is a switch without its value.
func shownSwitch(arg, name string) string {
	return arg[:len(arg)-len(strings.TrimLeft(arg, "-"))] + shownName(name)
}

// shownName is the name of a switch if it looks like one.
func shownName(name string) string {
	for _, r := range name {
		if !strings.ContainsRune("-_.", r) && !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9') {
			return "?"
		}
	}
	return name[:min(len(name), 40)]
}
