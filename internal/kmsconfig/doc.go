// Package kmsconfig is what the KMS providers have in common: reading kmsProviders entries and masterKey documents strictly, checking endpoints and
// TLS options, an HTTP client that keeps to itself, and making a KMS's words fit for an error.
//
// It is not for users, and knows no KMS.
package kmsconfig
