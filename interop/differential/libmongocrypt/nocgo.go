//go:build !cgo

package libmongocrypt

import (
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
)

var errNoCgo = errors.New("this program was built without cgo, and cannot open libmongocrypt")

// Library is libmongocrypt, opened.
type Library struct{}

// Open is an error.
func Open(string) (*Library, error) { return nil, errNoCgo }

// Version is empty.
func (*Library) Version() string { return "" }

// New is an error.
func (*Library) New(Options) (*Crypt, error) { return nil, errNoCgo }

// Crypt is one handle.
type Crypt struct{}

// Encrypt is an error.
func (*Crypt) Encrypt(Command) (bson.Raw, error) { return nil, errNoCgo }

// Decrypt is an error.
func (*Crypt) Decrypt(bson.Raw) (bson.Raw, error) { return nil, errNoCgo }

// EncryptValue is an error.
func (*Crypt) EncryptValue(bson.Raw, string, Key) (bson.Raw, error) { return nil, errNoCgo }

// DecryptValue is an error.
func (*Crypt) DecryptValue(bson.Raw) (bson.Raw, error) { return nil, errNoCgo }

// Close does nothing.
func (*Crypt) Close() {}
