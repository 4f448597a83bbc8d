// Package keyvault keeps data keys: the documents of a key vault collection, the stores that hold them, and a cache of unwrapped keys.
//
// A data key is stored wrapped (encrypted) by a key management service, see package kms. [MongoStore] is the key vault collection of the official
// MongoDB drivers, document for document; [MemoryStore] has the same semantics in memory, for examples, tests and tools.
// [Cache] stands between a store and whoever encrypts: it fetches, unwraps and remembers keys. Caches of one process that shall forget a
// deleted key together are a [Group].
//
// It is made for a key per person. A cached key takes about 3 kB; keys that a command lacks come with one find for each 10,000 of them, are
// unwrapped in parallel, and each once however many callers wait for it. What is not a data key in the collection does not stand in the
// way of the others, see [UnreadableError].
//
// This package is not for encrypting values (that is package payload), nor for making, rewrapping and shredding keys (that is ClientEncryption
// in the root package).
package keyvault
