// Package faults tests what becomes of keys and data while a KMS, or the server of the key vault, is slow, gone or an impostor: the documented
// errors within the caller's deadline, nothing lost or half-written, and no stampede when it comes back.
package faults
