// Package keyvault keeps data keys: the documents of a key vault collection, the stores that hold them, and a cache of unwrapped keys.
//
// A data key is stored wrapped (encrypted) by a key management service, see package kms. [MongoStore] is the key vault collection of the official
// MongoDB drivers, document for document; [MemoryStore] has the same semantics in memory, for examples, tests and tools.
// [Cache] stands between a store and whoever encrypts: it fetches, unwraps and remembers keys.
//
// This package is not for encrypting values (that is package payload), nor for making keys (that is ClientEncryption in the root package).
package keyvault
