// Package interop is where fieldcrypt meets other people's programs: libmongocrypt, by which the official drivers encrypt, and key management
// servers and emulators that somebody else wrote. The script run starts them and runs the tests; without it the tests say what they lack, and skip.
//
// It holds tests only. What other servers than those can show is in package integration, and the mocks are in internal/mockkms.
package interop
