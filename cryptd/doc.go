// Package cryptd answers the analysis requests of MongoDB's drivers, so that automatic encryption works in every language without MongoDB's own
// mongocryptd or crypt_shared: an [Analyzer] takes a request, a command to which libmongocrypt has added the encryption schemas of
// its collections, and answers with the command in which each plaintext value of an encrypted field is a marking. The driver then
// encrypts the markings with its own keys. Nothing here ever sees a key.
//
// The Analyzer works from document to document; two carriers bring the documents: the server of this package, which speaks the wire
// protocol of mongocryptd, and the C library cmd/mongo_crypt_v1, which has the functions of crypt_shared. Both put errors into
// numbers and texts with [Describe].
//
// What is let through, what is refused, and why is the business of package analyze, the language of schemas that of package schema. Of
// requests for Queryable Encryption only those are answered that name no encrypted field, as drivers send them for bulkWrite.
//
// The answers hold plaintext, as the requests do: a carrier must reach programs of this machine only.
package cryptd
