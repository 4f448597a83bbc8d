// Package enforce has a server refuse plaintext in encrypted fields, and finds out whether it does.
//
// Clients encrypt by the schema they are given. A client that was started without it writes plaintext, and nobody notices, unless the server looks too:
// MongoDB checks the keyword "encrypt" in a collection's validator. [MakePlan] and [Plan.Apply] put a schema there, beside the conditions that the collection has
// already. [Drift] compares what clients have with what every collection has. [Probe] writes a canary in plaintext and reports whether this very server
// refuses it, since servers differ in what they check, and some accept validators without looking at them.
//
// The package needs no key. It is for clients without automatic encryption.
package enforce
