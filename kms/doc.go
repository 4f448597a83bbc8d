// Package kms describes key management services: how data keys are wrapped (encrypted) and unwrapped under a master key that never leaves its
// service, and how the services are configured, in the shape of the official MongoDB drivers' kmsProviders option.
//
// Each service is a package of its own (kms/local, …), so that a program links only what it imports: pass its Type to Open.
//
// This package is not for encrypting values: a KMS only ever sees the 96 bytes of a data key. Where data keys are stored is package keyvault.
package kms
