package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit codes. With several reasons the one that stopped the program counts: a refused command (3) before input that is no
// command (2) gives 2.
const (
	exitOK          = 0   // done; every command was analysed
	exitFailure     = 1   // anything else: a file that cannot be read, output that cannot be written
	exitUsage       = 2   // wrong flags or arguments, a schema that is none, input that is not a command or not a value
	exitRefused     = 3   // at least one command was refused
	exitInterrupted = 130 // interrupted (SIGINT)
	exitPipe        = 141 // whoever read the output went away (SIGPIPE)
)

const exitCodes = `Exit codes:
  0    done; every command was analysed
  1    other failures: a file that cannot be read, output that cannot be written
  2    bad usage, a bad schema, or input that is not a command or not a value
  3    at least one command was refused
  130  interrupted
  141  the reader of the output went away
`

// failure is an error for the person at the terminal. Like every error here it names places, types and sizes, never a value.
type failure struct {
	code  int
	doing string // "reading schema s.json"
	wrong string // "no such file or directory"
	hint  string // what to do; may be empty
	usage bool   // show how the command is used
}

func (f *failure) Error() string { return f.doing + ": " + f.wrong }

// errRefused ends a run in which a command was refused; the refusal itself is output.
var errRefused = &failure{code: exitRefused}

// badInput is input that is not what it should be.
func badInput(doing, hint, format string, args ...any) *failure {
	return &failure{code: exitUsage, doing: doing, wrong: fmt.Sprintf(format, args...), hint: hint}
}

// ioFailure is an error of the operating system. The file's name, if it matters, is in doing.
func ioFailure(doing string, err error) *failure {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		err = path.Err
	}
	return &failure{code: exitFailure, doing: doing, wrong: err.Error()}
}

// output is standard output that remembers its first error: cobra drops those of help, version and completion.
type output struct {
	io.Writer
	err error
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	if err != nil && o.err == nil {
		o.err = err
	}
	return n, err
}

// write writes one whole piece of output.
func write(w io.Writer, b []byte) error {
	_, err := w.Write(b)
	return writeFailure(err)
}

func writeFailure(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrClosedPipe):
		return &failure{code: exitPipe}
	}
	return ioFailure("writing the result", err)
}

// report tells a person what went wrong and gives the exit code. Any error that is no failure is cobra's: it does not know the command.
func report(stderr io.Writer, cmd *cobra.Command, args []string, err error) int {
	if err == nil {
		return exitOK
	}
	var f *failure
	if !errors.As(err, &f) {
		f = unknownCommand(cmd, args)
	}
	if f.wrong != "" {
		fmt.Fprintf(stderr, "fieldcrypt: %s\n", escaped(f.Error()))
	}
	if f.hint != "" {
		fmt.Fprintf(stderr, "hint: %s\n", escaped(f.hint))
	}
	if f.usage {
		fmt.Fprintf(stderr, "\n%s", cmd.UsageString())
	}
	return f.code
}
