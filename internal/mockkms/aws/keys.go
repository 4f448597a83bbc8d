package aws

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
)

// Key is a master key of the server. Those with the same id that begins with mrk- are replicas of one multi-Region key.
type Key struct {
	ARN     string
	Aliases []string // "alias/name"
	State   State
}

// State is what a key may be used for.
type State int

// The states of a key.
const (
	Enabled State = iota
	Disabled
	PendingDeletion
	Forbidden // to the caller, by the key's policy
)

// Wrapped is a data key that a real key has wrapped.
type Wrapped struct {
	KeyARN     string // among Options.Keys
	Ciphertext []byte
	Plaintext  []byte
}

// sealedKey is a key with the cipher behind it.
type sealedKey struct {
	Key
	aead cipher.AEAD
}

func newKeys(keys []Key) (all []*sealedKey, err error) {
	for _, k := range keys {
		if i := slices.IndexFunc(all, func(other *sealedKey) bool { return replicas(k.ARN, other.ARN) }); i >= 0 {
			all = append(all, &sealedKey{k, all[i].aead})
			continue
		}
		block, err := aes.NewCipher([]byte(rand.Text() + rand.Text())[:32])
		if err != nil {
			return nil, fmt.Errorf("making the key %s: %w", k.ARN, err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("making the key %s: %w", k.ARN, err)
		}
		all = append(all, &sealedKey{k, aead})
	}
	return all, nil
}

func replicas(arn, other string) bool {
	_, id, _ := strings.Cut(arn, ":key/")
	_, otherID, _ := strings.Cut(other, ":key/")
	return id == otherID && strings.HasPrefix(id, "mrk-")
}

func (s *Server) encrypt(region string, in request) (any, *refusal) {
	if n := len(in.Plaintext); n < 1 || n > 4096 {
		return nil, refuse("ValidationException", "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length from 1 to 4096")
	}
	k, refused := s.usable(region, in.KeyID, "Encrypt")
	if refused != nil {
		return nil, refused
	}
	return &response{KeyID: k.ARN, CiphertextBlob: k.aead.Seal(nil, nil, in.Plaintext, nil), EncryptionAlgorithm: "SYMMETRIC_DEFAULT"}, nil
}

func (s *Server) decrypt(region string, in request) (any, *refusal) {
	maker, plaintext := s.open(region, in.CiphertextBlob)
	if in.KeyID != "" {
		k, refused := s.usable(region, in.KeyID, "Decrypt")
		switch {
		case refused != nil:
			return nil, refused
		case maker != nil && maker != k:
			return nil, refuse("IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.")
		}
	}
	if maker == nil {
		return nil, refuse("InvalidCiphertextException", "")
	}
	if _, refused := s.usable(region, maker.ARN, "Decrypt"); refused != nil {
		return nil, refused
	}
	return &response{KeyID: maker.ARN, Plaintext: plaintext, EncryptionAlgorithm: "SYMMETRIC_DEFAULT"}, nil
}

// describe answers for keys in any state but that of one whose policy forbids it.
func (s *Server) describe(region string, in request) (any, *refusal) {
	k, refused := s.find(region, in.KeyID)
	if refused == nil && k.State == Forbidden {
		refused = k.refuse("DescribeKey")
	}
	if refused != nil {
		return nil, refused
	}
	_, id, _ := strings.Cut(k.ARN, ":key/")
	state := map[State]string{Enabled: "Enabled", Disabled: "Disabled", PendingDeletion: "PendingDeletion"}[k.State]
	return map[string]any{"KeyMetadata": map[string]any{
		"AWSAccountId": strings.Split(k.ARN, ":")[4], "Arn": k.ARN, "KeyId": id, "Enabled": k.State == Enabled, "KeyState": state,
		"KeyUsage": "ENCRYPT_DECRYPT", "KeySpec": "SYMMETRIC_DEFAULT", "KeyManager": "CUSTOMER", "Origin": "AWS_KMS", "MultiRegion": strings.HasPrefix(id, "mrk-"),
	}}, nil
}

// Point makes an alias of a region, "alias/name", lead to the key of an ARN in it.
func (s *Server) Point(alias, arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	account, _, _ := strings.Cut(arn, ":key/")
	for _, k := range s.keys {
		if !strings.HasPrefix(k.ARN, account+":key/") {
			continue
		}
		k.Aliases = slices.DeleteFunc(slices.Clone(k.Aliases), func(a string) bool { return a == alias })
		if k.ARN == arn {
			k.Aliases = append(k.Aliases, alias)
		}
	}
}

// open finds the key that made the blob, or its replica in the region.
func (s *Server) open(region string, blob []byte) (*sealedKey, []byte) {
	for _, k := range s.keys {
		if !k.goesBy(region, k.ARN) {
			continue
		}
		for _, w := range s.options.Wrapped {
			if w.KeyARN == k.ARN && bytes.Equal(w.Ciphertext, blob) {
				return k, w.Plaintext
			}
		}
		if plaintext, err := k.aead.Open(nil, nil, blob, nil); err == nil {
			return k, plaintext
		}
	}
	return nil, nil
}

// usable finds a key, and says in AWS's words why it must not be used.
func (s *Server) usable(region, id, operation string) (*sealedKey, *refusal) {
	k, refused := s.find(region, id)
	if refused != nil {
		return nil, refused
	}
	switch k.State {
	case Disabled:
		return nil, refuse("DisabledException", k.ARN+" is disabled.")
	case PendingDeletion:
		return nil, refuse("KMSInvalidStateException", k.ARN+" is pending deletion.")
	case Forbidden:
		return nil, k.refuse(operation)
	}
	return k, nil
}

// refuse says that the caller must not.
func (k *sealedKey) refuse(operation string) *refusal {
	return refuse("AccessDeniedException", "User: arn:aws:iam::579766882180:user/mock is not authorized to perform: kms:"+operation+
		" on resource: "+k.ARN+" because no identity-based policy allows the kms:"+operation+" action")
}

// find finds a key by its ARN, id or alias in the region.
func (s *Server) find(region, id string) (*sealedKey, *refusal) {
	if parts := strings.Split(id, ":"); len(parts) > 3 && parts[3] != region {
		return nil, refuse("NotFoundException", "Invalid arn "+region)
	}
	for _, k := range s.keys {
		if k.goesBy(region, id) {
			return k, nil
		}
	}
	return nil, refuse("NotFoundException", "Key '"+id+"' does not exist")
}

func (k *sealedKey) goesBy(region, id string) bool {
	account, name, _ := strings.Cut(k.ARN, ":key/")
	if !strings.HasPrefix(account, "arn:aws:kms:"+region+":") {
		return false
	}
	for _, alias := range k.Aliases {
		if id == alias || id == account+":"+alias {
			return true
		}
	}
	return id == k.ARN || id == name
}
