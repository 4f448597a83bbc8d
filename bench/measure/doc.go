// Package measure is what the programs that are compared have in common: the task, which says what is to be done with which bytes, the loop that
// times it, and the protocol by which one program has tasks done by the others in turn.
//
// It is a module of its own, of the standard library alone, because the programs are linked with different versions of the driver.
package measure
