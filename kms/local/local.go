// Package local is the "local" KMS: the master key is 96 bytes that the program itself holds.
//
// It is for tests, for development, and for programs that get the master key from a secret store of their own. It is not for production
// otherwise: whoever reads the configuration of the program has the master key.
//
// A master key has no versions: to follow its change, rewrap under another local provider, which has the new one.
//
// A data key is wrapped as the official MongoDB drivers do it: AEAD_AES_256_CBC_HMAC_SHA_512 with a random IV and no associated data.
package local

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

var (
	_ kms.Type     = Type{}
	_ kms.Provider = (*Provider)(nil)

	errKey = errors.New("local key must be 96 bytes")
)

// Type opens local providers from kmsProviders entries of the form {key: <96 bytes, as binary, []byte or base64 text>}.
type Type struct{}

// Name returns "local".
func (Type) Name() string { return "local" }

// Open opens a provider. Fields other than key are refused.
func (Type) Open(_ kms.ID, config bson.Raw) (kms.Provider, error) {
	var key []byte
	it := bsonraw.Iterate(config)
	for it.Next() {
		if name := string(it.Element.Key); name != "key" {
			return nil, fmt.Errorf("unexpected field %.64q, expected only \"key\"", name)
		}
		if key != nil {
			return nil, errors.New("field \"key\" given twice")
		}
		var err error
		if key, err = parseKey(it.Element.RawValue()); err != nil {
			return nil, err
		}
		defer clear(key)
	}
	if it.Err != nil {
		return nil, it.Err
	}
	return New(key)
}

// parseKey returns a copy of the key; its length is not checked.
func parseKey(v bson.RawValue) ([]byte, error) {
	if subtype, data, ok := v.BinaryOK(); ok {
		if subtype != bson.TypeBinaryGeneric && subtype != bson.TypeBinaryBinaryOld {
			return nil, fmt.Errorf("%w: got binary of subtype %d, expected subtype 0", errKey, subtype)
		}
		return append([]byte{}, data...), nil
	}
	text, ok := v.StringValueOK()
	if !ok {
		return nil, fmt.Errorf("%w, as binary or base64 text: got %s", errKey, v.Type)
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: the text is not base64", errKey)
	}
	return key, nil
}

// Provider wraps data keys with a master key in memory. It keeps the expanded key only, not the 96 bytes.
type Provider struct {
	key *payload.Key
}

// New returns a provider with this master key of 96 bytes. The caller may wipe key afterwards.
func New(key []byte) (*Provider, error) {
	if len(key) != payload.KeySize {
		return nil, fmt.Errorf("%w: got %d", errKey, len(key))
	}
	prepared, err := payload.NewKey(key)
	if err != nil {
		return nil, fmt.Errorf("preparing the local key: %w", err)
	}
	return &Provider{key: prepared}, nil
}

// WrapKey encrypts a data key of 96 bytes. masterKey must be empty.
func (p *Provider) WrapKey(ctx context.Context, masterKey bson.Raw, dataKey []byte) (kms.Wrapped, error) {
	if err := ctx.Err(); err != nil {
		return kms.Wrapped{}, err
	}
	if err := checkMasterKey(masterKey); err != nil {
		return kms.Wrapped{}, err
	}
	material, err := p.key.AppendWrap(nil, dataKey)
	if err != nil {
		return kms.Wrapped{}, fmt.Errorf("local master key: %w", err)
	}
	return kms.Wrapped{KeyMaterial: material, MasterKey: bson.Raw{5, 0, 0, 0, 0}}, nil
}

// UnwrapKey decrypts what WrapKey made. The error wraps payload.ErrAuthentication for a key that another master key wrapped or that
// somebody changed.
func (p *Provider) UnwrapKey(ctx context.Context, masterKey bson.Raw, keyMaterial []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := checkMasterKey(masterKey); err != nil {
		return nil, err
	}
	dataKey, err := p.key.AppendUnwrap(nil, keyMaterial)
	if errors.Is(err, payload.ErrAuthentication) {
		return nil, fmt.Errorf("local master key: %w; either another master key wrapped this data key, or it was changed", err)
	}
	if err != nil {
		return nil, fmt.Errorf("local master key: %w", err)
	}
	return dataKey, nil
}

// checkMasterKey refuses every field but provider: a field that is silently ignored would look like a choice of key.
func checkMasterKey(doc bson.Raw) error {
	if len(doc) == 0 {
		return nil
	}
	it := bsonraw.Iterate(doc)
	for it.Next() {
		if name := string(it.Element.Key); name != "provider" {
			return fmt.Errorf("unexpected field %.64q in the local masterKey, expected none", name)
		}
	}
	return it.Err
}
