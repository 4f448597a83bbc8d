package kms

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// types are the known kinds of KMS: those of the MongoDB driver specification "Client Side Encryption" and, as an
// extension, vault (HashiCorp Vault and OpenBao).
var types = [...]string{"aws", "azure", "gcp", "kmip", "local", "vault"}

// ID names a configured provider: a type, and a name when there are several of one type. Written "local" or "aws:prod".
type ID struct {
	Type string
	Name string // empty for the unnamed provider of the type
}

// String returns the ID as it stands in kmsProviders and in masterKey.provider.
func (id ID) String() string {
	if id.Name == "" {
		return id.Type
	}
	return id.Type + ":" + id.Name
}

// ParseID parses "type" or "type:name". The type is one of aws, azure, gcp, kmip, local and vault, compared exactly; the name is one or
// more of [A-Za-z0-9_] (MongoDB driver specification "Client Side Encryption", named KMS providers).
func ParseID(s string) (ID, error) {
	kind, name, named := strings.Cut(s, ":")
	if !isType(kind) {
		return ID{}, idError(s, "unrecognized type.")
	}
	if named && name == "" {
		return ID{}, idError(s, "empty name.")
	}
	for _, r := range name {
		if !isNameRune(r) {
			return ID{}, idError(s, fmt.Sprintf("unsupported character %q; a name consists of letters, digits and underscores", r))
		}
	}
	return ID{Type: kind, Name: name}, nil
}

func idError(s, why string) error {
	return fmt.Errorf("unrecognized KMS provider %s: %s", quote(s), why)
}

func isType(s string) bool {
	return slices.Contains(types[:], s)
}

func isNameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_'
}

// quote makes text from outside fit for one line of a log: escaped and at most about 64 bytes.
func quote(s string) string {
	const limit = 64
	if len(s) > limit {
		return strconv.Quote(s[:limit]) + "…"
	}
	return strconv.Quote(s)
}
