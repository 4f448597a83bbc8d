package payload

import (
	"errors"
	"fmt"
	"strings"
)

// Algorithm is how a value is encrypted, with the numbers that markings use.
type Algorithm int32

const (
	// Deterministic gives equal ciphertexts for equal values, so that the server can answer equality queries.
	Deterministic Algorithm = 1
	// Random gives a new ciphertext each time. It accepts more types and shows less; such values cannot be queried.
	Random Algorithm = 2
)

const algorithmPrefix = "AEAD_AES_256_CBC_HMAC_SHA_512-"

// ParseAlgorithm reads AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic or -Random; as in the drivers, letter case does not matter.
func ParseAlgorithm(s string) (Algorithm, error) {
	if s == "" {
		return 0, errors.New("algorithm or index type required")
	}
	for _, a := range []Algorithm{Deterministic, Random} {
		if len(s) == len(a.String()) && strings.EqualFold(s, a.String()) {
			return a, nil
		}
	}
	return 0, fmt.Errorf("unsupported algorithm %q: expected %s or %s", s, Deterministic, Random)
}

// String returns the name that ParseAlgorithm reads.
func (a Algorithm) String() string {
	switch a {
	case Deterministic:
		return algorithmPrefix + "Deterministic"
	case Random:
		return algorithmPrefix + "Random"
	}
	return fmt.Sprintf("Algorithm(%d)", int32(a))
}

func (a Algorithm) check() error {
	if a != Deterministic && a != Random {
		return fmt.Errorf("invalid algorithm value: %d", int32(a))
	}
	return nil
}
