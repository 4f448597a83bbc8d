// Package kms describes key management services: how data keys are wrapped (encrypted) and unwrapped under a master key that never leaves its
// service, and how the services are configured, in the shape of the official MongoDB drivers' kmsProviders option.
//
// Each service is a package of its own (kms/local, …), so that a program links only what it imports: pass its Type to Open.
//
// Master keys are rotated. A Provider that is a Versioner too tells which data keys are still under an old version: by the version in the wrapped key and
// the key's latest one (vault), by what the service says of the version it used (gcp), by the version in the masterKey and the key's latest one
// (azure), or by what an alias points at (aws). A local or KMIP key has no versions.
//
// This package is not for encrypting values: a KMS only ever sees the 96 bytes of a data key. Where data keys are stored is package keyvault.
package kms
