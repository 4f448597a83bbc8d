package vault

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// provider calls the Transit engine of one Vault.
type provider struct {
	id       string
	mount    string
	endpoint string
	send     func(ctx context.Context, r request, answer any) error // a func, of which fmt prints an address only, whatever the verb
}

// WrapKey encrypts a data key of 96 bytes. Errors of Vault and of the way to it are of type *kms.Error.
func (p *provider) WrapKey(ctx context.Context, doc bson.Raw, dataKey []byte) (kms.Wrapped, error) {
	m, err := parseMasterKey(doc, false)
	if err != nil {
		return kms.Wrapped{}, err
	}
	if len(dataKey) != payload.KeySize {
		return kms.Wrapped{}, fmt.Errorf("data key must be %d bytes: got %d", payload.KeySize, len(dataKey))
	}
	plaintext := base64.StdEncoding.EncodeToString(dataKey)
	r := request{body: map[string]any{"plaintext": plaintext}, secrets: []string{plaintext, string(dataKey)}}
	if m.version != 0 {
		r.body["key_version"] = m.version
	}
	var answer struct {
		Data struct {
			Ciphertext string `json:"ciphertext"`
		} `json:"data"`
	}
	err = p.call(ctx, "encrypt", m, r, &answer, func() error {
		version, err := keyVersion([]byte(answer.Data.Ciphertext))
		switch {
		case err != nil:
			return fmt.Errorf("the ciphertext in the reply %w", err)
		case m.version != 0 && version != m.version:
			return fmt.Errorf("the reply is of version %d of the key, not of version %d", version, m.version)
		}
		return nil
	})
	if err != nil {
		return kms.Wrapped{}, err
	}
	return kms.Wrapped{KeyMaterial: []byte(answer.Data.Ciphertext), MasterKey: m.document()}, nil
}

// UnwrapKey decrypts what WrapKey made. The KMS takes any version of the key that its min_decryption_version allows.
func (p *provider) UnwrapKey(ctx context.Context, doc bson.Raw, keyMaterial []byte) ([]byte, error) {
	m, err := parseMasterKey(doc, true)
	if err != nil {
		return nil, err
	}
	if _, err := keyVersion(keyMaterial); err != nil {
		return nil, fmt.Errorf("KMS provider `%s`: key %.200q: the wrapped data key %w", p.id, m.keyName, err)
	}
	ciphertext := string(keyMaterial)
	r := request{body: map[string]any{"ciphertext": ciphertext}, secrets: []string{ciphertext}}
	var answer struct {
		Data struct {
			Plaintext []byte `json:"plaintext"` // base64
		} `json:"data"`
	}
	err = p.call(ctx, "decrypt", m, r, &answer, func() error {
		if len(answer.Data.Plaintext) == 0 {
			return errors.New("the reply has no plaintext")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return answer.Data.Plaintext, nil
}

// call sends r for a key. check judges the answer.
func (p *provider) call(ctx context.Context, verb string, m masterKey, r request, answer any, check func() error) error {
	ctx, cancel := kmsconfig.WithTimeout(ctx, kmsconfig.Timeout)
	defer cancel()
	mount := m.mount
	if mount == "" {
		mount = p.mount
	}
	r.operation, r.key = mount+"/"+verb, m.keyName
	err := p.send(ctx, r, answer)
	if err == nil {
		err = check()
	}
	if err != nil {
		return p.failure(ctx, r.operation, m, err)
	}
	return nil
}

var errCiphertext = errors.New("is not of the form vault:v<version>:<base64>")

// keyVersion reads the version of the key from a ciphertext of Transit, and checks its form.
func keyVersion(ciphertext []byte) (int32, error) {
	const limit = 4096 // several times that of an RSA key's
	if len(ciphertext) > limit {
		return 0, errCiphertext
	}
	rest, ok := strings.CutPrefix(string(ciphertext), "vault:v")
	digits, blob, _ := strings.Cut(rest, ":")
	version, err := strconv.ParseUint(digits, 10, 31)
	if !ok || err != nil || version == 0 || digits[0] == '0' || blob == "" || strings.ContainsAny(blob, "\r\n") {
		return 0, errCiphertext
	}
	if _, err := base64.StdEncoding.DecodeString(blob); err != nil {
		return 0, errCiphertext
	}
	return int32(version), nil
}
