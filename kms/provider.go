package kms

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Provider wraps and unwraps data keys under one configured account of one KMS. It is safe for concurrent use.
//
// Both methods return promptly when ctx ends. An error that wraps ErrDenied says that the KMS answered and refused; any other
// error says that it could not be reached or asked, or that the wrapped key does not belong to the master key.
type Provider interface {
	// WrapKey encrypts the 96 bytes of a data key under the master key that masterKey names. masterKey is the user's
	// document without "provider"; nil is an empty one. WrapKey does not keep dataKey.
	WrapKey(ctx context.Context, masterKey bson.Raw, dataKey []byte) (Wrapped, error)
	// UnwrapKey decrypts keyMaterial. masterKey is the document in the key vault, with "provider". The caller checks the
	// length of the result and wipes it.
	UnwrapKey(ctx context.Context, masterKey bson.Raw, keyMaterial []byte) ([]byte, error)
}

// Locator is a Provider that can say whom UnwrapKey asks, without asking: for the error about a call that a caller did not wait for.
type Locator interface {
	Provider
	// Locate returns an Error with no more than Operation, Key and Endpoint, as those of UnwrapKey have them; what cannot be read from masterKey, the
	// document in the key vault, is left empty.
	Locate(masterKey bson.Raw) Error
}

// Locate asks p, if it is a Locator. Otherwise it knows the name of the method only.
func Locate(p Provider, masterKey bson.Raw) Error {
	if l, ok := p.(Locator); ok {
		return l.Locate(masterKey)
	}
	return Error{Operation: "UnwrapKey"}
}

// Wrapped is a data key as the key vault stores it.
type Wrapped struct {
	KeyMaterial []byte   // the encrypted data key, in the KMS's own form
	MasterKey   bson.Raw // names the master key, without "provider"; KMIP adds the keyId it created
}

// Type opens the providers of one kind: aws, azure, gcp, kmip, local or vault.
type Type interface {
	// Name is the type part of an ID, such as "local".
	Name() string
	// Open reads the fields of one kmsProviders entry. It copies what it keeps: config is wiped afterwards. Errors name
	// fields, never their values.
	Open(id ID, config bson.Raw) (Provider, error)
}

// ErrDenied is wrapped by a Provider's error when the KMS answered and refused: access denied, key disabled or destroyed.
// Retrying will not help. A wrong master key or a damaged wrapped key is not this.
var ErrDenied = errors.New("access denied by the kms")

// ErrForeignEndpoint is wrapped by the error for a master key, stored or given, whose endpoint is a host that is neither the KMS's own nor allowed by the
// Type's Endpoints: nothing is sent there. It is no denial: whoever can write to the key vault may have named the host.
var ErrForeignEndpoint = errors.New("endpoint is not allowed")

// ErrNotConfigured is wrapped by the error for a provider that is not among the configured ones.
var ErrNotConfigured = errors.New("kms provider is not configured")
