//go:build cse

// Command libmongocrypt is the other side: the official Go driver's own encryption, which is libmongocrypt by cgo. It serves the protocol of package
// measure. Which libmongocrypt it is the dynamic linker decides.
package main

import (
	"fmt"
	"os"

	"github.com/fieldcrypt/fieldcrypt/bench/measure"
)

func main() {
	if err := measure.Serve(os.Stdin, os.Stdout, side{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
