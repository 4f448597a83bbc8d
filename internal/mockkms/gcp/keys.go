package gcp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"
)

// Key is a master key of the server.
type Key struct {
	Name      string  // projects/…/cryptoKeys/…
	Versions  []State // the last one is the primary; nil is an enabled one
	Forbidden bool    // to the caller
}

// State is what a version of a key may be used for.
type State string

// The states of a version.
const (
	Enabled   State = "ENABLED"
	Disabled  State = "DISABLED"
	Destroyed State = "DESTROYED"
)

// sealedKey is a key with the ciphers behind its versions.
type sealedKey struct {
	Key
	aeads []cipher.AEAD
}

func newKeys(keys []Key) (all []*sealedKey, err error) {
	for _, k := range keys {
		if k.Versions == nil {
			k.Versions = []State{Enabled}
		}
		sealed := &sealedKey{Key: k}
		for range k.Versions {
			if err := sealed.add(); err != nil {
				return nil, err
			}
		}
		all = append(all, sealed)
	}
	return all, nil
}

// add makes the cipher of one more version.
func (k *sealedKey) add() error {
	block, err := aes.NewCipher([]byte(rand.Text() + rand.Text())[:32])
	if err != nil {
		return fmt.Errorf("making the key %s: %w", k.Name, err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return fmt.Errorf("making the key %s: %w", k.Name, err)
	}
	k.aeads = append(k.aeads, aead)
	return nil
}

// Rotate gives the key of this name another version, which is then its primary one.
func (s *Server) Rotate(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keys {
		if k.Name == name {
			k.Versions = append(k.Versions[:len(k.Versions):len(k.Versions)], Enabled)
			return k.add()
		}
	}
	return fmt.Errorf("rotating the key %s: there is none", name)
}

// Seal returns what the key's primary version, whatever its state, makes of a plaintext; nil when there is no such key.
func (s *Server) Seal(name string, plaintext []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keys {
		if k.Name == name {
			return k.aeads[len(k.aeads)-1].Seal(nil, nil, plaintext, []byte(name))
		}
	}
	return nil
}

func (s *Server) encrypt(name string, in request) (*response, *refusal) {
	if n := len(in.Plaintext); n < 1 || n > 64<<10 {
		return nil, refuse(http.StatusBadRequest, "INVALID_ARGUMENT", "The plaintext must be from 1 byte to 64 KiB.")
	}
	keyName, version, pinned := strings.Cut(name, "/cryptoKeyVersions/")
	k, refused := s.find(keyName, "useToEncrypt")
	if refused != nil {
		return nil, refused
	}
	n := len(k.Versions)
	if pinned {
		var err error
		if n, err = strconv.Atoi(version); err != nil || n < 1 || n > len(k.Versions) {
			return nil, refuse(http.StatusNotFound, "NOT_FOUND", "CryptoKeyVersion "+name+" not found.")
		}
	}
	if refused := k.usable(n); refused != nil {
		return nil, refused
	}
	if in.PlaintextCRC32C != nil && *in.PlaintextCRC32C != checksum(in.Plaintext) {
		return nil, refuse(http.StatusBadRequest, "INVALID_ARGUMENT", "The checksum in field plaintext_crc32c did not match the data in field plaintext.")
	}
	sealed := k.aeads[n-1].Seal(nil, nil, in.Plaintext, []byte(k.Name))
	return &response{Name: k.version(n), Ciphertext: sealed, CiphertextCRC32C: checksum(sealed), VerifiedCRC32C: in.PlaintextCRC32C != nil, ProtectionLevel: software}, nil
}

func (s *Server) decrypt(name string, in request) (*response, *refusal) {
	k, refused := s.find(name, "useToDecrypt")
	if refused != nil {
		return nil, refused
	}
	if in.CiphertextCRC32C != nil && *in.CiphertextCRC32C != checksum(in.Ciphertext) {
		return nil, refuse(http.StatusBadRequest, "INVALID_ARGUMENT", "The checksum in field ciphertext_crc32c did not match the data in field ciphertext.")
	}
	for i, aead := range k.aeads {
		plaintext, err := aead.Open(nil, nil, in.Ciphertext, []byte(k.Name))
		if err != nil {
			continue
		}
		if refused := k.usable(i + 1); refused != nil {
			return nil, refused
		}
		return &response{Plaintext: plaintext, PlaintextCRC32C: checksum(plaintext), UsedPrimary: i+1 == len(k.Versions), ProtectionLevel: software}, nil
	}
	return nil, refuse(http.StatusBadRequest, "INVALID_ARGUMENT", "Decryption failed: verify that 'name' refers to the correct CryptoKey.")
}

func (s *Server) find(name, permission string) (*sealedKey, *refusal) {
	for _, k := range s.keys {
		switch {
		case k.Name != name:
		case k.Forbidden:
			return nil, refuse(http.StatusForbidden, "PERMISSION_DENIED", "Permission 'cloudkms.cryptoKeyVersions."+permission+"' denied on resource '"+name+"' (or it may not exist).")
		default:
			return k, nil
		}
	}
	return nil, refuse(http.StatusNotFound, "NOT_FOUND", "CryptoKey "+name+" not found.")
}

func (k *sealedKey) version(n int) string {
	return k.Name + "/cryptoKeyVersions/" + strconv.Itoa(n)
}

func (k *sealedKey) usable(n int) *refusal {
	state := k.Versions[n-1]
	if state == Enabled {
		return nil
	}
	name := k.version(n)
	return refuse(http.StatusBadRequest, "FAILED_PRECONDITION", name+" is not enabled, current state is: "+string(state)+".").because("KEY_"+string(state), name)
}

func checksum(b []byte) int64 {
	return int64(crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}
