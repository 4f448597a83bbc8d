// Package equivalence holds the tests that compare an encrypted collection with a plain one on a real server.
//
// TestEquivalence draws an encryption schema, documents and a workload, and runs every operation twice through the
// official driver: on an encrypted collection and on its plain twin. What automatic encryption refuses is skipped on
// both; of everything else the results, and in the end the contents, must be equal after decryption, while the server
// holds ciphertext only. This finds what is accepted but answered wrongly. It runs for a few seconds in go test; run it
// long with
//
//	go test ./integration/equivalence -run TestEquivalence -equivalence.for=10m -v
//
// which prints how many operations of each kind were accepted and which rules refused the others. After a failure the
// smallest workload that shows it is printed; -rapid.failfile runs it again.
//
// TestEquivalenceWhileMigrating does the same with a collection that is being migrated, through two clients of which one
// writes plaintext: what is stored is a mixture, and what is let through must not show it.
//
// TestServerSeesNoPlaintext records every byte of a broad workload that reaches the server and searches it.
//
// The package is for tests only and exports nothing. FIELDCRYPT_TEST_URI names a server other than the embedded one.
package equivalence
