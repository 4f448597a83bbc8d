package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// provider calls the KMS under one set of credentials.
type provider struct {
	id          string
	hosts       *kmsconfig.Hosts
	http        *http.Client
	credentials sdk.CredentialsProviderFunc // a func, of which fmt prints an address only, whatever the verb
	settings    *settings
	failover    []string

	mu      sync.Mutex
	clients map[place]*awskms.Client
}

// place is what an SDK client is bound to.
type place struct{ region, endpoint string }

// maxClients bounds the cache: whoever writes to the key vault could name any number of places. A client is cheap to make again, and all
// share their connections.
const maxClients = 64

// WrapKey encrypts a data key of 96 bytes. Errors of the KMS and of the way to it are of type *kms.Error.
func (p *provider) WrapKey(ctx context.Context, doc bson.Raw, dataKey []byte) (kms.Wrapped, error) {
	m, err := p.parse(doc, false)
	if err != nil {
		return kms.Wrapped{}, err
	}
	if len(dataKey) != payload.KeySize {
		return kms.Wrapped{}, fmt.Errorf("data key must be %d bytes: got %d", payload.KeySize, len(dataKey))
	}
	var material []byte
	err = p.ask(ctx, m, request{"Encrypt", dataKey, func(ctx context.Context, to *awskms.Client, key string, as func(*awskms.Options)) error {
		out, err := to.Encrypt(ctx, &awskms.EncryptInput{KeyId: &key, Plaintext: dataKey}, as)
		if err != nil {
			return err
		}
		if material = out.CiphertextBlob; len(material) == 0 {
			return errors.New("the reply has no CiphertextBlob")
		}
		return nil
	}})
	if err != nil {
		return kms.Wrapped{}, err
	}
	return kms.Wrapped{KeyMaterial: material, MasterKey: m.document()}, nil
}

// UnwrapKey decrypts what WrapKey, or any official driver, made. The KMS is told the key, so that it refuses what another one wrapped,
// unless the key goes by an alias: that may point elsewhere by now, and the wrapped key names its own.
func (p *provider) UnwrapKey(ctx context.Context, doc bson.Raw, keyMaterial []byte) ([]byte, error) {
	dataKey, _, err := p.decrypt(ctx, doc, keyMaterial)
	return dataKey, err
}

// decrypt returns the ARN of the key that was used besides.
func (p *provider) decrypt(ctx context.Context, doc bson.Raw, keyMaterial []byte) (dataKey []byte, used string, err error) {
	m, err := p.parse(doc, true)
	if err != nil {
		return nil, "", err
	}
	if len(keyMaterial) == 0 {
		return nil, "", errors.New("the wrapped data key is empty")
	}
	err = p.ask(ctx, m, request{"Decrypt", nil, func(ctx context.Context, to *awskms.Client, key string, as func(*awskms.Options)) error {
		in := &awskms.DecryptInput{CiphertextBlob: keyMaterial}
		if !m.isAlias() {
			in.KeyId = &key
		}
		out, err := to.Decrypt(ctx, in, as)
		if err != nil {
			return err
		}
		if dataKey = out.Plaintext; len(dataKey) == 0 {
			return errors.New("the reply has no Plaintext")
		}
		used = sdk.ToString(out.KeyId)
		return nil
	}})
	if err != nil {
		return nil, "", err
	}
	return dataKey, used, nil
}

func (p *provider) parse(doc bson.Raw, stored bool) (masterKey, error) {
	m, err := parseMasterKey(doc, stored)
	if err == nil && m.endpoint != "" {
		err = p.hosts.Check(m.endpoint, strings.TrimPrefix(m.url, "https://"), "443")
	}
	return m, err
}

// client returns the SDK's client for the key's place.
func (p *provider) client(ctx context.Context, m masterKey) (*awskms.Client, error) {
	at := place{m.region, m.url}
	if client := p.keep(at, nil); client != nil {
		return client, nil
	}
	options := awskms.Options{Region: m.region, HTTPClient: p.http, Retryer: newRetryer()}
	if m.url != "" {
		options.BaseEndpoint = &m.url
		return p.keep(at, awskms.New(options)), nil
	}
	var err error
	if options.EndpointOptions, err = p.settings.endpoints(ctx); err != nil {
		return nil, err
	}
	return p.keep(at, awskms.New(options)), nil
}

// keep returns the client that is kept for a place, or keeps the new one.
func (p *provider) keep(at place, made *awskms.Client) *awskms.Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	if kept, ok := p.clients[at]; ok || made == nil {
		return kept
	}
	if len(p.clients) >= maxClients {
		clear(p.clients)
	}
	p.clients[at] = made
	return made
}
