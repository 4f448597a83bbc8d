package keyvault

import (
	"errors"
	"fmt"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// Request asks a Cache for data keys, by _id, by alt name or both. Asking twice for the same is fine.
type Request struct {
	IDs      []payload.KeyID
	AltNames []string
}

// want is one data key as it was asked for: by alt name if that is set, else by id.
type want struct {
	id      payload.KeyID
	altName string
	named   bool // alt names may be empty
}

func (r Request) wants() []want {
	wants := make([]want, 0, len(r.IDs)+len(r.AltNames))
	for _, id := range r.IDs {
		wants = append(wants, want{id: id})
	}
	for _, name := range r.AltNames {
		wants = append(wants, want{altName: name, named: true})
	}
	return wants
}

// answer is a key, or a *KeyError that says why it cannot be had.
type answer struct {
	id  payload.KeyID
	key *payload.Key
	err *KeyError
}

// Keys is the answer to one Request. It stays as it is however the cache changes, and is safe for concurrent use.
type Keys struct {
	answers map[want]answer
}

// Key returns the data key with this id. The error is a *KeyError.
func (k *Keys) Key(id payload.KeyID) (*payload.Key, error) {
	_, key, err := k.get(want{id: id})
	return key, err
}

// KeyByAltName returns the data key that has this alt name, and its id. The error is a *KeyError.
func (k *Keys) KeyByAltName(name string) (payload.KeyID, *payload.Key, error) {
	return k.get(want{altName: name, named: true})
}

// errNotRequested is not ErrNotFound: whether the key exists is not known.
var errNotRequested = errors.New("the key was not part of the request")

func (k *Keys) get(w want) (payload.KeyID, *payload.Key, error) {
	a, ok := k.answers[w]
	if !ok {
		return payload.KeyID{}, nil, w.fail(errNotRequested)
	}
	if a.err != nil {
		return payload.KeyID{}, nil, a.err
	}
	return a.id, a.key, nil
}

// KeyError says which data key cannot be had and why. Err is ErrNotFound, or wraps kms.ErrDenied (the KMS refused) or
// kms.ErrNotConfigured (this client does not have the KMS that wrapped the key); it is something else for a key that was not in the Request.
type KeyError struct {
	ID      payload.KeyID // zero when the key was asked for by AltName and not found
	AltName string        // empty when the key was asked for by ID
	Err     error
}

func (w want) fail(err error) *KeyError { return &KeyError{ID: w.id, AltName: w.altName, Err: err} }

func (e *KeyError) Error() string {
	name := "data key " + e.ID.String()
	if e.ID == (payload.KeyID{}) && e.AltName != "" {
		name = fmt.Sprintf("data key with alt name \"%s\"", printable(e.AltName))
	}
	if errors.Is(e.Err, ErrNotFound) {
		return name + ": not all keys requested were satisfied. Verify that key vault DB/collection name was correctly specified."
	}
	return fmt.Sprintf("%s: %v", name, e.Err)
}

// Unwrap returns Err.
func (e *KeyError) Unwrap() error { return e.Err }
