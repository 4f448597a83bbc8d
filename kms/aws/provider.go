package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// provider calls the KMS under one set of credentials.
type provider struct {
	id          string
	http        *http.Client
	credentials sdk.CredentialsProviderFunc // a func, of which fmt prints an address only, whatever the verb

	mu      sync.Mutex
	clients map[place]*awskms.Client
}

// place is what an SDK client is bound to.
type place struct{ region, endpoint string }

// maxClients bounds the cache: whoever writes to the key vault could name any number of places. A client is cheap to make again, and all
// share their connections.
const maxClients = 64

// WrapKey encrypts a data key of 96 bytes. Errors of the KMS and of the way to it are of type *Error.
func (p *provider) WrapKey(ctx context.Context, doc bson.Raw, dataKey []byte) (kms.Wrapped, error) {
	m, err := parseMasterKey(doc, false)
	if err != nil {
		return kms.Wrapped{}, err
	}
	if len(dataKey) != payload.KeySize {
		return kms.Wrapped{}, fmt.Errorf("data key must be %d bytes: got %d", payload.KeySize, len(dataKey))
	}
	out, err := p.client(m).Encrypt(ctx, &awskms.EncryptInput{KeyId: &m.key, Plaintext: dataKey})
	if err != nil {
		return kms.Wrapped{}, p.failure(ctx, "Encrypt", m, err, dataKey)
	}
	if len(out.CiphertextBlob) == 0 {
		return kms.Wrapped{}, p.failure(ctx, "Encrypt", m, errors.New("the reply has no CiphertextBlob"), dataKey)
	}
	return kms.Wrapped{KeyMaterial: out.CiphertextBlob, MasterKey: m.document()}, nil
}

// UnwrapKey decrypts what WrapKey, or any official driver, made. The KMS is told the key, so that it refuses what another one wrapped,
// unless the key goes by an alias: that may point elsewhere by now, and the wrapped key names its own.
func (p *provider) UnwrapKey(ctx context.Context, doc bson.Raw, keyMaterial []byte) ([]byte, error) {
	m, err := parseMasterKey(doc, true)
	if err != nil {
		return nil, err
	}
	if len(keyMaterial) == 0 {
		return nil, errors.New("the wrapped data key is empty")
	}
	in := &awskms.DecryptInput{CiphertextBlob: keyMaterial}
	if !m.isAlias() {
		in.KeyId = &m.key
	}
	out, err := p.client(m).Decrypt(ctx, in)
	if err != nil {
		return nil, p.failure(ctx, "Decrypt", m, err, nil)
	}
	if len(out.Plaintext) == 0 {
		return nil, p.failure(ctx, "Decrypt", m, errors.New("the reply has no Plaintext"), nil)
	}
	return out.Plaintext, nil
}

// client returns the SDK's client for the key's place.
func (p *provider) client(m masterKey) *awskms.Client {
	at := place{m.region, m.url}
	p.mu.Lock()
	defer p.mu.Unlock()
	if client, ok := p.clients[at]; ok {
		return client
	}
	options := awskms.Options{Region: m.region, Credentials: p.credentials, HTTPClient: p.http, Retryer: newRetryer()}
	if m.url != "" {
		options.BaseEndpoint = &m.url
	}
	if len(p.clients) >= maxClients {
		clear(p.clients)
	}
	client := awskms.New(options)
	p.clients[at] = client
	return client
}
