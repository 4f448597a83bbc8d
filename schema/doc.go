// Package schema reads encryption schemas: JSON Schemas in MongoDB's dialect ($jsonSchema) whose keywords "encrypt" and
// "encryptMetadata" say which fields a client encrypts, how, and with which data key.
//
// [Parse] checks a schema and compiles it to a tree. Whoever walks documents goes down that tree with [Node.Child]; whoever
// has a dotted path, from a query for example, asks [Schema.Lookup]. Both answer the same question: is this place encrypted, above
// an encrypted field, below one, or plain?
//
// A field can be encrypted only where every document that reaches it is certain to be a document: each schema above it, the
// root included, says bsonType "object", and the way down leads through properties, patternProperties and
// additionalProperties only. A schema that puts "encrypt" elsewhere is refused, and so is everything whose meaning is not
// certain; the [Error] says where, and what to write instead. The rules are those of the MongoDB manual, page "CSFLE
// Encryption Schemas"; where it is silent the answer here is to refuse.
//
// [For] makes a schema of a Go struct type by its tags; [Lint] tells every mistake of one, and [Schema.Advise] what is sound but seldom meant; [Validator]
// makes what has a server refuse plaintext; [Compare] tells in what two schemas differ. Package enforce brings them to a server.
//
// The package is not a validator: it never looks at whether a document fits the schema, and of a collection's validator it
// interprets only what leads to encrypted fields. It holds no keys and does not encrypt.
package schema
