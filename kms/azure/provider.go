package azure

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// provider calls Key Vault under one set of credentials.
type provider struct {
	id        string
	hosts     *kmsconfig.Hosts
	token     tokenFunc
	newClient func(url string) (*azkeys.Client, error)

	mu      sync.Mutex
	clients map[string]*azkeys.Client // by the vault's URL
}

// maxClients bounds the cache: whoever writes to the key vault could name any number of vaults. A client is cheap to make again, and all
// share their connections.
const maxClients = 64

// WrapKey encrypts a data key of 96 bytes with RSA-OAEP-256. The masterKey it returns has the keyVersion that was used. Errors of the KMS and of the
// way to it are of type *kms.Error.
func (p *provider) WrapKey(ctx context.Context, doc bson.Raw, dataKey []byte) (kms.Wrapped, error) {
	m, err := p.parse(doc, false)
	if err != nil {
		return kms.Wrapped{}, err
	}
	if len(dataKey) != payload.KeySize {
		return kms.Wrapped{}, fmt.Errorf("data key must be %d bytes: got %d", payload.KeySize, len(dataKey))
	}
	var out azkeys.WrapKeyResponse
	err = p.ask(ctx, "WrapKey", m, dataKey, func(ctx context.Context, c *azkeys.Client) (err error) {
		out, err = c.WrapKey(ctx, m.name, m.version, parameters(dataKey), nil)
		if err == nil && len(out.Result) == 0 {
			err = wrongAnswer("the answer has no value")
		}
		if err == nil {
			m.version, err = m.usedVersion(out.KID)
		}
		return err
	})
	if err != nil {
		return kms.Wrapped{}, err
	}
	return kms.Wrapped{KeyMaterial: out.Result, MasterKey: m.document()}, nil
}

// UnwrapKey decrypts what WrapKey, or any official driver, made: with the keyVersion of the masterKey, or without one with the latest, which is the one
// that wrapped the data key only if the key has not been rotated since.
func (p *provider) UnwrapKey(ctx context.Context, doc bson.Raw, keyMaterial []byte) ([]byte, error) {
	m, err := p.parse(doc, true)
	if err != nil {
		return nil, err
	}
	if len(keyMaterial) == 0 {
		return nil, errors.New("the wrapped data key is empty")
	}
	var out azkeys.UnwrapKeyResponse
	err = p.ask(ctx, "UnwrapKey", m, nil, func(ctx context.Context, c *azkeys.Client) (err error) {
		out, err = c.UnwrapKey(ctx, m.name, m.version, parameters(keyMaterial), nil)
		if err == nil && len(out.Result) == 0 {
			err = wrongAnswer("the answer has no value")
		}
		return err
	})
	return out.Result, err
}

func (p *provider) parse(doc bson.Raw, stored bool) (masterKey, error) {
	m, err := parseMasterKey(doc, stored)
	if err == nil {
		err = p.hosts.Check(m.endpoint, strings.TrimPrefix(m.url, "https://"), "443")
	}
	return m, err
}

func parameters(value []byte) azkeys.KeyOperationParameters {
	return azkeys.KeyOperationParameters{Algorithm: to.Ptr(azkeys.EncryptionAlgorithmRSAOAEP256), Value: value}
}

// client returns the SDK's client for a vault.
func (p *provider) client(url string) (*azkeys.Client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if client, ok := p.clients[url]; ok {
		return client, nil
	}
	client, err := p.newClient(url)
	if err != nil {
		return nil, err
	}
	if len(p.clients) >= maxClients {
		clear(p.clients)
	}
	p.clients[url] = client
	return client, nil
}
