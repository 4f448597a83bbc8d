// Package migrate encrypts data that is already in a collection while applications go on using it, moves it to other data keys or
// algorithms, and decrypts it again.
//
// A [Migration] goes through a collection in the order of _id. In each document it judges every field that the encryption schema
// encrypts, and changes what its job asks for: [Migration.Run] makes ciphertext of plaintext, [Migration.Rekey] moves ciphertext under
// another key or algorithm to the schema's, [Migration.Decrypt] goes back to plaintext. [Migration.Plan] and [Migration.Verify] only read.
//
// # No write is lost
//
// A document is changed by one update that demands the exact old value, its BSON type included, of each field that it sets, and sets
// nothing else. An application's write in between makes it match nothing; the document is read again and judged anew. Where a server's
// equality is coarser than identity, the update is a findAndModify whose pre-image is compared byte for byte: decimal128 (1.0 equals 1.00),
// the doubles 0, -0 and NaN, documents and arrays (numbers in them), regular expressions and code. A concurrent write of such an equal but not
// identical value is noticed and put back, encrypted. What remains: between those two updates, a millisecond or so, readers see the equal value,
// and a process killed just then leaves it, as does an answer that is lost for good. Strings are compared bytewise whatever the collection's collation.
//
// Every new ciphertext is opened again and compared before it is written. Values are never converted: what does not fit the schema's types is
// reported and left alone, as is what cannot be changed with certainty.
//
// # Stopping and going on
//
// A run can be stopped or killed at any moment and started again: what a document needs is read off the document itself. Checkpoints, in a
// collection of the caller's choosing, only save reading what is done. They also divide a collection into ranges of _id, for a fleet of processes;
// a process that leases a range keeps others from doing the same work, but nothing breaks if two do.
//
// # What a run cannot promise
//
// Clients that still write plaintext do so behind its back. Run therefore repeats its pass until one finds nothing to change, a pass that it has seen from its
// beginning: a pass that an earlier run began is ended, and another one follows. Only when all
// writers encrypt is the result final, and Verify is the proof. Plaintext also stays where the database does not delete it at once: in the
// oplog, in backups, in free pages of the storage engine, in indexes until they are rebuilt. The updates themselves hold it, as the old value that they demand:
// a server that logs or profiles slow operations writes it down, unless it is told to redact them.
//
// The collection must be that of a client without automatic encryption. Another one is noticed, and ends a job with an error, as soon as it shows as
// plaintext what is ciphertext on the server: each range is asked about once. No error, finding or checkpoint holds a value, only ids of documents, paths and
// type names.
package migrate
