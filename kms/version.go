package kms

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Versioner is a Provider that can tell whether the master key was rotated since it wrapped a data key. Providers whose KMS has nothing like it are
// none.
type Versioner interface {
	Provider
	// UnwrapKeyVersion does what UnwrapKey does and tells the Version besides, for which it may ask the KMS once more. That it could not be told
	// is no error: the data key is returned all the same.
	UnwrapKeyVersion(ctx context.Context, masterKey bson.Raw, keyMaterial []byte) (dataKey []byte, v Version, err error)
}

// Version is how the version of the master key that wrapped a data key compares with the one that wraps now, where no version is asked for.
type Version struct {
	State VersionState
	// Reason is why the state is VersionUnknown: an error that wraps ErrDenied when the credentials may not ask for it. For VersionOld it
	// says what is old.
	Reason error
}

// VersionState is old or not.
type VersionState int

// The states of a version.
const (
	VersionUnknown VersionState = iota // it could not be told
	VersionCurrent                     // the one that wraps now, as far as the KMS tells its versions apart
	VersionOld                         // not the one that wraps now: what wrapped the data key must be kept until it is rewrapped
)

// String returns "unknown", "current" or "old".
func (s VersionState) String() string {
	switch s {
	case VersionCurrent:
		return "current"
	case VersionOld:
		return "old"
	}
	return "unknown"
}
