package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

// key is a key of Transit with the ciphers of its versions.
type key struct {
	versions  []cipher.AEAD
	least     int // version for decryption
	deletable bool
	forbidden bool
}

func (k *key) rotate() *refusal {
	block, err := aes.NewCipher([]byte(rand.Text() + rand.Text())[:32])
	if err != nil {
		return refuse(http.StatusInternalServerError, "internal error")
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return refuse(http.StatusInternalServerError, "internal error")
	}
	k.versions = append(k.versions, aead)
	return nil
}

// Create makes a key with one version.
func (s *Server) Create(mount, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, refused := s.administer(http.MethodPost, mount+"/"+name, "", nil, request{}); refused != nil {
		return fmt.Errorf("making the key %s at %s: %v", name, mount, refused.Errors)
	}
	return nil
}

// Rotate gives a key another version, which is then its latest.
func (s *Server) Rotate(mount, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, refused := s.administer(http.MethodPost, mount+"/"+name, "rotate", s.keys[mount+"/"+name], request{}); refused != nil {
		return fmt.Errorf("rotating the key %s at %s: %v", name, mount, refused.Errors)
	}
	return nil
}

// Forbid makes the key usable to nobody.
func (s *Server) Forbid(mount, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[mount+"/"+name].forbidden = true
}

// transit answers the requests for an engine; it returns nothing for other paths.
func (s *Server) transit(method, asked string, body request) (*reply, *refusal) {
	for _, mount := range s.options.Mounts {
		rest, ok := strings.CutPrefix(asked, mount+"/")
		if !ok {
			continue
		}
		verb, name, _ := strings.Cut(rest, "/")
		name, action, _ := strings.Cut(name, "/")
		at := mount + "/" + name
		k := s.keys[at]
		if verb == "keys" {
			return s.administer(method, at, action, k, body)
		}
		if verb != "encrypt" && verb != "decrypt" || action != "" {
			return nil, nil
		}
		switch {
		case method == http.MethodGet:
			return nil, refuse(http.StatusMethodNotAllowed, "1 error occurred:\n\t* unsupported operation\n\n")
		case k == nil:
			return nil, refuse(http.StatusBadRequest, "encryption key not found")
		case k.forbidden:
			return nil, refuse(http.StatusForbidden, "1 error occurred:\n\t* permission denied\n\n")
		case verb == "encrypt":
			return k.encrypt(body)
		}
		return k.decrypt(body)
	}
	return nil, nil
}

// administer creates, reads, rotates, configures and deletes keys.
func (s *Server) administer(method, at, action string, k *key, body request) (*reply, *refusal) {
	switch {
	case method == http.MethodGet && action != "":
		return nil, refuse(http.StatusMethodNotAllowed, "1 error occurred:\n\t* unsupported operation\n\n")
	case method == http.MethodGet && k == nil:
		return nil, refuse(http.StatusNotFound)
	case method == http.MethodGet && k.forbidden:
		return nil, refuse(http.StatusForbidden, "1 error occurred:\n\t* permission denied\n\n")
	case method == http.MethodGet:
		return k.read(at), nil
	case k == nil && (method == http.MethodDelete || action != ""):
		return nil, refuse(http.StatusBadRequest, "key not found")
	case method == http.MethodDelete && !k.deletable:
		return nil, refuse(http.StatusBadRequest, "deletion is not allowed for this key")
	case method == http.MethodDelete:
		delete(s.keys, at)
	case action == "config":
		k.deletable = k.deletable || body.DeletionAllowed
		k.least = max(k.least, body.MinDecryptionVersion)
	case action == "rotate":
		return nil, k.rotate()
	case k == nil:
		s.keys[at] = &key{}
		return nil, s.keys[at].rotate()
	}
	return nil, nil
}

// read gives no key away.
func (k *key) read(at string) *reply {
	made := map[string]int64{} // in seconds, as Vault has it for symmetric keys
	for i := range k.versions {
		made[strconv.Itoa(i+1)] = 1700000000 + int64(i)
	}
	return &reply{Data: map[string]any{
		"name": path.Base(at), "type": "aes256-gcm96", "keys": made, "latest_version": len(k.versions), "min_available_version": 0,
		"min_decryption_version": max(k.least, 1), "min_encryption_version": 0, "deletion_allowed": k.deletable, "derived": false, "exportable": false,
		"supports_encryption": true, "supports_decryption": true,
	}}
}

func (k *key) encrypt(body request) (*reply, *refusal) {
	plaintext, err := base64.StdEncoding.DecodeString(body.Plaintext)
	if err != nil || body.Plaintext == "" {
		return nil, refuse(http.StatusBadRequest, "failed to base64-decode plaintext")
	}
	version := body.KeyVersion
	switch {
	case version == 0:
		version = len(k.versions)
	case version < 0 || version > len(k.versions):
		return nil, refuse(http.StatusBadRequest, "requested version for encryption is higher than the latest key version")
	}
	sealed := k.versions[version-1].Seal(nil, nil, plaintext, nil)
	return &reply{Data: map[string]any{
		"ciphertext": fmt.Sprintf("vault:v%d:%s", version, base64.StdEncoding.EncodeToString(sealed)), "key_version": version,
	}}, nil
}

func (k *key) decrypt(body request) (*reply, *refusal) {
	rest, ok := strings.CutPrefix(body.Ciphertext, "vault:v")
	digits, blob, found := strings.Cut(rest, ":")
	version, err := strconv.Atoi(digits)
	switch {
	case !ok:
		return nil, refuse(http.StatusBadRequest, "invalid ciphertext: no prefix")
	case !found || err != nil:
		return nil, refuse(http.StatusBadRequest, "invalid ciphertext: version number could not be decoded")
	case version > len(k.versions):
		return nil, refuse(http.StatusBadRequest, "invalid ciphertext: version is too new")
	case version < 1 || version < k.least:
		return nil, refuse(http.StatusBadRequest, "ciphertext or signature version is disallowed by policy (too old)")
	}
	sealed, err := base64.StdEncoding.DecodeString(blob)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "invalid ciphertext: could not decode base64")
	}
	plaintext, err := k.versions[version-1].Open(nil, nil, slices.Clone(sealed), nil)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "invalid ciphertext: unable to decrypt")
	}
	return &reply{Data: map[string]any{"plaintext": base64.StdEncoding.EncodeToString(plaintext)}}, nil
}
