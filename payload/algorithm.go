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

const (
	deterministicName = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"
	randomName        = "AEAD_AES_256_CBC_HMAC_SHA_512-Random"
)

// ParseAlgorithm reads AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic or -Random; as in the drivers, letter case does not matter.
func ParseAlgorithm(s string) (Algorithm, error) {
	switch { // as they are usually written first: to compare without regard to case takes 50 ns
	case s == deterministicName:
		return Deterministic, nil
	case s == randomName:
		return Random, nil
	case s == "":
		return 0, errors.New("algorithm or index type required")
	case len(s) == len(deterministicName) && strings.EqualFold(s, deterministicName):
		return Deterministic, nil
	case len(s) == len(randomName) && strings.EqualFold(s, randomName):
		return Random, nil
	}
	return 0, fmt.Errorf("unsupported algorithm %q: expected %s or %s", s, Deterministic, Random)
}

// String returns the name that ParseAlgorithm reads.
func (a Algorithm) String() string {
	switch a {
	case Deterministic:
		return deterministicName
	case Random:
		return randomName
	}
	return fmt.Sprintf("Algorithm(%d)", int32(a))
}

func (a Algorithm) check() error {
	if a != Deterministic && a != Random {
		return fmt.Errorf("invalid algorithm value: %d", int32(a))
	}
	return nil
}
