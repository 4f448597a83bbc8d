// Package analyze is the query analysis of client-side field level encryption: it takes a database command and the encryption
// schemas of the collections that the command touches, and gives the same command with every plaintext value that belongs to
// an encrypted field sealed.
//
// It works in one walk over the raw BSON and does not know what sealing means: a [Sealer] turns a value into a marking
// ([Markings], for a driver to encrypt) or straight into a ciphertext (in process). It never sees a key.
//
// Two promises hold for every command, and whatever is not known to keep them is refused with a [RefusedError]:
//
//   - no constant that belongs to an encrypted field is in the result in clear;
//   - a command that passes gives the same result as it would on plaintext.
//
// What no analysis can see, and what therefore stays the application's business: a collation does not reach into ciphertext, so that
// equality on an encrypted field is always byte by byte; a view may lie over an encrypted collection; documents stored before
// encryption hold plaintext that no encrypted constant equals, unless the schema says that the collection is migrated ([schema.Schema.During]):
// then both are asked for, and in one of its steps values are written in clear. The first promise has no other exception.
//
// What is decided, and how, stands in tables: commands and their fields in commands.go and bulk.go, options of indexes in index.go, operators
// that stand in the place of a field name in filter.go, match operators in match.go, update operators in update.go, expressions in
// expressions.go, pipeline stages in stages.go, the rules that refuse in rules.go and beside what they are about, and what nobody has published
// in open.go.
//
// The package is not for encrypting documents by hand (use ClientEncryption of the root package), and it does not validate
// commands: a command that touches no encrypting schema passes as it is, right or wrong.
package analyze
