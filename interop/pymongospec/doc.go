// Package pymongospec runs the MongoDB driver specification's tests of automatic encryption as pymongo does: its own copy of the test files (the unified
// format, a superset of the legacy files that package integration/spec runs), its own runner, its own driver and libmongocrypt. This module gives the daemon
// that analyses the commands, and nothing else.
//
// The server is the embedded one behind the proxy of package shim, as for integration/spec, and the key management services are mocks. It holds tests
// only, which need what the script ../run installs and builds.
package pymongospec
