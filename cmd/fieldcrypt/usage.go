package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// badUsage is a command line that makes no sense.
func badUsage(hint, format string, args ...any) *failure {
	return &failure{code: exitUsage, doing: "reading the command line", wrong: fmt.Sprintf(format, args...), hint: hint, usage: true}
}

var commandName = regexp.MustCompile(`^[a-z][a-z-]{0,19}$`)

// unknownCommand repeats the name only if it looks like one: it might be a value whose command was forgotten.
func unknownCommand(cmd *cobra.Command, args []string) *failure {
	for _, arg := range args {
		if strings.HasPrefix(arg, "-") {
			continue
		}
		if !commandName.MatchString(arg) {
			return badUsage("to inspect a value: fieldcrypt inspect VALUE", "the first argument (%d bytes) is not a command", len(arg))
		}
		hint := `"fieldcrypt help" lists the commands`
		if like := cmd.SuggestionsFor(arg); len(like) > 0 {
			hint = "did you mean " + strings.Join(like, " or ") + "?"
		}
		return badUsage(hint, "unknown command %q", arg)
	}
	return badUsage("", "not understood")
}

// flagError keeps values out of what the flag parser says.
func flagError(cmd *cobra.Command, err error) error {
	hint := fmt.Sprintf(`"%s --help" lists the flags`, cmd.CommandPath())
	var short interface{ GetSpecifiedShortnames() string }
	var long interface{ GetSpecifiedName() string }
	var bad interface{ GetValue() string }
	switch {
	case errors.As(err, &bad):
		return badValue(cmd, err)
	case errors.As(err, &short) && short.GetSpecifiedShortnames() != "":
		return badUsage(hint+"; arguments that begin with '-' stand after --", "unknown shorthand flag")
	case errors.As(err, &long) && commandName.MatchString(long.GetSpecifiedName()):
		return badUsage(hint, "%v", err)
	}
	return badUsage(hint, "unknown or malformed flag")
}

var flagOfValue = regexp.MustCompile(`for "(?:-., )?--([a-zA-Z][a-zA-Z_-]{0,29})" flag`)

// badValue tells which flag has a value of another kind than it should, without the value.
func badValue(cmd *cobra.Command, err error) *failure {
	for _, match := range flagOfValue.FindAllStringSubmatch(err.Error(), -1) {
		flag := cmd.Flags().Lookup(match[1])
		switch {
		case flag == nil:
		case slices.Contains([]string{"int", "int64", "float64"}, flag.Value.Type()):
			return badUsage("", "--%s: expected a number", flag.Name)
		case flag.Value.Type() == "duration":
			return badUsage("", "--%s: expected a duration such as 90s or 5m", flag.Name)
		}
	}
	return badUsage("write --flag or --flag=false", "a flag that is on or off has another value")
}

// noArgs refuses arguments without repeating them.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if cmd.Flags().Lookup("schema-map") != nil {
		hint = "commands are read from standard input"
	}
	return badUsage(hint, "%s takes no arguments, got %d", cmd.CommandPath(), len(args))
}
