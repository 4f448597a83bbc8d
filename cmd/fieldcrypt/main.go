// Command fieldcrypt shows what client-side field level encryption (CSFLE) stores and does: it names the parts of stored
// ciphertexts (inspect), says what query analysis makes of a command, for scripts (analyze) and for people (explain), manages data keys
// (keys) and schemas (schema), encrypts data that is in a collection already (migrate), shows whether what a database stores is
// encrypted (audit), encrypts and decrypts files (encrypt, decrypt), finds out what is wrong (doctor), and is the daemon that drivers of other
// languages ask (mongocryptd, also when that is the program's name).
//
// inspect, analyze and explain need neither a server nor a KMS. None prints the plaintext of a marking unless asked to, and none a data key
// or a credential at all.
package main

import (
	"io"
	"os"
	"os/signal"
)

func main() {
	exitOnInterrupt()
	os.Exit(run(commandLine(os.Args), os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program; it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out := &output{Writer: stdout}
	root := newRoot(stdin, out, stderr)
	root.SetArgs(args)
	cmd, err := root.ExecuteC()
	if out.err != nil {
		err = writeFailure(out.err)
	}
	return report(stderr, cmd, args, err)
}

// exitOnInterrupt ends the program at once, also while it waits for input. A shell that started it with SIGINT ignored wants it to go on.
func exitOnInterrupt() {
	if signal.Ignored(os.Interrupt) {
		return
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	go func() {
		<-interrupted
		os.Exit(exitInterrupted)
	}()
}
