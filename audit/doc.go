// Package audit looks at what a database really stores and says whether it is encrypted: evidence for an auditor, and a check for CI.
//
// Run reads documents, all or a sample, with an ordinary client that encrypts and decrypts nothing, and compares what it sees with the
// encryption schema of each collection. For each field of the schema the Report says how many values are ciphertexts, under which data keys,
// with which algorithm and of which BSON types, and what is wrong: plaintext, another key, algorithm or type than the schema's, data keys that
// are not in the key vault, bytes that are no ciphertext. It also finds ciphertexts where no schema asks for them, and fields that no schema
// names but that look sensitive (package sensitive). With a Decrypter it proves that a sample of the ciphertexts is authentic.
//
// A report counts values, and names places, data keys and the _id of some documents. It never holds a value, nor a ciphertext; an _id that
// itself looks sensitive is left out, and so are field names that do.
//
// What an audit cannot see: what was written after a document was read, backups, logs, indexes and change streams, and whether whoever
// wrote a ciphertext meant the plaintext in it. Without a Decrypter a ciphertext is judged by its unencrypted header and its length.
//
// Memory does not grow with the documents, except by about 50 bytes for each data key in use. Package page makes an HTML page of a Report.
package audit
