// Package kms describes key management services: how data keys are wrapped (encrypted) and unwrapped under a master key that never leaves its
// service, and how the services are configured, in the shape of the official MongoDB drivers' kmsProviders option.
//
// Each service is a package of its own (kms/local, …), so that a program links only what it imports: pass its Type to Open.
//
// Master keys are rotated. A Provider that is a Versioner too tells which data keys are still under an old version: by the version in the wrapped key and
// the key's latest one (vault), by what the service says of the version it used (gcp), by the version in the masterKey and the key's latest one
// (azure), or by what an alias points at (aws). A local or KMIP key has no versions.
//
// # The way to a KMS
//
// A KMS behind a tunnel is reached with a dialler of the caller's own, what the official drivers call kmsConnectCallback: where it is reached by HTTP
// (aws, azure, gcp, vault) give the Type an HTTPClient with an http.Transport that has a DialContext, and kmip.Type has a field DialContext. In any case
// TLS is made on the connection that the dialler returns, with the options of the Type's TLS, and the certificate is verified against the host name of
// the KMS, not that of the tunnel. A dialler that fails is an *Error like any other failure to reach the KMS; one that hangs holds up nobody
// beyond the deadline.
//
// Where a KMS is stands in the masterKey of each data key, which whoever can write to the key vault can change. So the Types for aws, azure, gcp and kmip send
// requests to the KMS's own hosts and to loopback addresses only, and to those that their field Endpoints adds; a master key, stored or given,
// that names any other is an error that wraps ErrForeignEndpoint. A vault's master key names no host.
//
// A nil HTTPClient takes an HTTP proxy from the environment: HTTPS_PROXY, but for hosts that NO_PROXY lists. An http.Transport does it if its
// Proxy is http.ProxyFromEnvironment. KMIP is no HTTP: the environment says nothing about the way to it.
//
// This package is not for encrypting values: a KMS only ever sees the 96 bytes of a data key. Where data keys are stored is package keyvault.
package kms
