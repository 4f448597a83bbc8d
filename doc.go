// Package fieldcrypt is client-side field level encryption for MongoDB-compatible databases: chosen fields are encrypted before
// a document leaves the application and decrypted after it comes back. The server stores BSON binary subtype 6 and never sees a
// key or a plaintext. The stored bytes are those of MongoDB's own drivers, so either side reads what the other wrote.
//
// There are two ways to use it, and they mix:
//
//   - Explicit: [ClientEncryption] encrypts and decrypts single values and manages data keys. Nothing happens by itself.
//   - Automatic: package mongodriver plugs an [AutoEncryption] into the official Go driver. It reads every command, seals the
//     fields that an encryption schema names, refuses what cannot be answered on encrypted fields, and opens the replies.
//
// A data key encrypts fields. It lives in the key vault, an ordinary collection (package keyvault), wrapped by a master key that
// a key management service holds (package kms). Whoever can read the key vault but not the master key reads nothing.
//
// What encryption does not hide: field names, the shape of documents, BSON types, the lengths of values in steps of 16 bytes, which
// data key was used, and, for deterministic encryption, which values are equal. Deterministic encryption of a value with
// few possible contents (a gender, a grade) is guessable by frequency; encrypt such fields randomly.
//
// This package does not do Queryable Encryption and does not replace access control or TLS.
package fieldcrypt
