// Package aggregation holds the end-to-end tests of what the embedded server cannot do: aggregation over several
// collections, and the server's bulkWrite command.
//
// The official driver and automatic encryption are the real ones, and so are the wire and the stored documents. Only the two
// commands are answered in front of the server: aggregate by the model of aggregation in internal/aggmodel over the documents that
// the server has, bulkWrite by sending it the insert, update and delete commands that the operations stand for. Neither sees
// more than a server would: a value that left the client as ciphertext is ciphertext to them.
//
// The package is for tests only and exports nothing. FIELDCRYPT_TEST_URI names a server other than the embedded one.
package aggregation
