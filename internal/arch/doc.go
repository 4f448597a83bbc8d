// Package arch holds no code, only tests of the source tree itself: which package may import which, and habits that a
// reader relies on. Each rule is one row of the table in arch_test.go, with the reason for it and a source that breaks it.
package arch
