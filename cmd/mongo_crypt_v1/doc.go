// The package mongo_crypt_v1 is the query analysis of fieldcrypt as a C library with the functions of MongoDB's crypt_shared. The official
// drivers for C, C++, C#, Java, Node, PHP, Python, Ruby and Rust load it instead, and have automatic encryption without mongocryptd:
//
//	CGO_ENABLED=1 go build -buildmode=c-shared -trimpath -ldflags=-s -o mongo_crypt_v1.so ./cmd/mongo_crypt_v1
//
// The file may have any name, and is mongo_crypt_v1.dylib on macOS and mongo_crypt_v1.dll on Windows by custom. Drivers find it by the options
// of automatic encryption (Python: arguments of AutoEncryptionOpts, others: fields of extraOptions):
//
//	cryptSharedLibPath       the file; in Python crypt_shared_lib_path
//	cryptSharedLibRequired   true: fail when it cannot be loaded, instead of looking for a mongocryptd; in Python crypt_shared_lib_required
//
// A process loads one such library: drivers refuse a second one from another file. The library holds no key and nothing that could
// use one, opens no file and no connection, and starts no thread but those of the Go runtime. Programs in Go need none of this: package
// mongodriver analyses in the process.
//
// # What it answers
//
// It answers as package cryptd does, with the rewrite Minimal and nothing relaxed. It calls itself version 8.2, so that
// libmongocrypt sends it all that it can send, the schemas of several collections too. The functions, and what callers must keep to, are
// in abi.h; the header that go build writes beside the library is of no use to them.
//
// # Forks
//
// The Go runtime does not live through a fork: a child has one thread of its parent's, and none of the runtime's. In a process that forks after
// the library was loaded, every function that would need the runtime fails in the child with an error that says so; it does not hang.
// A child that begins another program (exec) is not concerned, nor is one that loads the library itself. So let servers that fork
// (PHP-FPM, Gunicorn, Puma, Passenger, multiprocessing) make their clients in the children, or use the daemon, fieldcrypt mongocryptd, which
// serves any number of processes.
//
// # Signals
//
// The runtime sets handlers for SIGSEGV, SIGBUS, SIGFPE, SIGPIPE and SIGURG, and hands on what does not come from its own code to the handlers
// that were there: the faults that a JVM lives on, and a SIGPIPE that is ignored or deadly as it was. It leaves SIGINT, SIGTERM, SIGCHLD
// and all others alone. A host that sets handlers for the former after the library was loaded should set SA_ONSTACK.
//
// # Platforms
//
// Linux with glibc is tested. With musl (Alpine), Go's shared libraries cannot be loaded into a running program by every release of Go: use the daemon
// there.
//
// Without cgo, or without -buildmode=c-shared, this is a program that only says how to build the library.
package main
