package main

import (
	"fmt"
	"os"
)

// main does not run in a library.
func main() {
	fmt.Fprintln(os.Stderr, "mongo_crypt_v1 is a library: build it with CGO_ENABLED=1 go build -buildmode=c-shared -o mongo_crypt_v1.so ./cmd/mongo_crypt_v1")
	os.Exit(2)
}
