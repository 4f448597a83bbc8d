// Package libmongocrypt runs the C library by which MongoDB's official drivers encrypt, for comparison. The library is opened at run time, by
// path, so that any build of it can be asked; nothing of it is needed to compile.
//
// It knows the part of the C interface that client-side field level encryption with local master keys takes. Query analysis is not in the
// library: the marked command is given by the caller.
package libmongocrypt

import "go.mongodb.org/mongo-driver/v2/bson"

// Options are what a Crypt is made with.
type Options struct {
	MasterKey []byte     // of the local KMS provider; 96 bytes
	DataKeys  []bson.Raw // the key vault: documents whose master key is the local one. An alt name must be no part of another key's.
	SchemaMap bson.Raw   // encryption schemas by namespace; nil: none
}

// Command is what Crypt.Encrypt takes.
type Command struct {
	Database    string
	Command     bson.Raw
	Collections []bson.Raw // the server's collections, as listCollections answers; the name comes first
	Analysis    bson.Raw   // what query analysis answers: {ok: 1, result: the marked command, …}
}

// Key names a data key: by id, or by alt name if that is set.
type Key struct {
	ID      []byte
	AltName string
}

// Error is what the library says.
type Error struct{ Text string }

func (e *Error) Error() string { return "libmongocrypt: " + e.Text }
