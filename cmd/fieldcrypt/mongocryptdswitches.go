package main

import (
	"strings"

	"github.com/spf13/pflag"
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

// sortSwitches splits a command line into what flags knows and the names of switches that it does not.
func sortSwitches(flags *pflag.FlagSet, args []string) (known, ignored []string, err error) {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		name, _, hasValue := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		flag := lookUp(flags, arg, name)
		switch {
		case !strings.HasPrefix(arg, "-") || name == "":
			return nil, nil, badUsage("", "%s takes switches only, got another argument", mongocryptdName)
		case flag == nil:
			if err := refuseSwitch(arg, name); err != nil {
				return nil, nil, err
			}
			ignored = append(ignored, shownSwitch(arg, name))
			if !hasValue && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
				args = args[1:]
			}
		default:
			known = append(known, arg)
			if takesValue := flag.NoOptDefVal == ""; takesValue && !hasValue && len(args) > 0 {
				known, args = append(known, args[0]), args[1:]
			}
		}
	}
	return known, ignored, nil
}

// lookUp finds --name, or -n with n one letter that may be repeated, as in -vvv.
func lookUp(flags *pflag.FlagSet, arg, name string) *pflag.Flag {
	switch {
	case strings.HasPrefix(arg, "--"):
		return flags.Lookup(name)
	case name != "" && strings.Trim(name, name[:1]) == "":
		return flags.ShorthandLookup(name[:1])
	}
	return nil
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
