package kmip

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/ovh/kmip-go"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// provider uses the keys of one server, or of those that master keys name.
type provider struct {
	id       string
	endpoint string
	hosts    *kmsconfig.Hosts
	dial     func(ctx context.Context, address string) (net.Conn, error)
	idle     *idle
}

// WrapKey encrypts a data key of 96 bytes. Without keyId it first makes a master key; if it then fails, the error names the new key, which
// stays in the server. Errors of the server and of the way to it are of type *kms.Error.
func (p *provider) WrapKey(ctx context.Context, doc bson.Raw, dataKey []byte) (w kms.Wrapped, err error) {
	m, err := p.parse(doc, false)
	if err != nil {
		return kms.Wrapped{}, err
	}
	if len(dataKey) != payload.KeySize {
		return kms.Wrapped{}, fmt.Errorf("data key must be %d bytes: got %d", payload.KeySize, len(dataKey))
	}
	err = p.with(ctx, &m, dataKey, func(c *conn) (err error) {
		if m.delegated {
			w.KeyMaterial, err = wrapDelegated(c, &m, dataKey)
		} else {
			w.KeyMaterial, err = wrapPlain(c, &m, dataKey)
		}
		return err
	})
	if err != nil {
		return kms.Wrapped{}, err
	}
	w.MasterKey = m.document()
	return w, nil
}

func wrapDelegated(c *conn, m *masterKey, dataKey []byte) (_ []byte, err error) {
	if m.keyID == "" {
		if m.keyID, err = c.createKey(); err != nil {
			return nil, err
		}
	}
	return c.encrypt(m.keyID, dataKey)
}

func wrapPlain(c *conn, m *masterKey, dataKey []byte) (_ []byte, err error) {
	if m.keyID == "" {
		if m.keyID, err = c.registerSecret(); err != nil {
			return nil, err
		}
	}
	key, err := c.masterKey(m.keyID) // also of a new key: what cannot be fetched must not be used
	if err != nil {
		return nil, err
	}
	return key.AppendWrap(nil, dataKey)
}

// UnwrapKey decrypts what WrapKey, or any official driver, made. In the plain form the error wraps payload.ErrAuthentication for a key
// that another master key wrapped or that somebody changed; the delegated form has no authentication of its own.
func (p *provider) UnwrapKey(ctx context.Context, doc bson.Raw, keyMaterial []byte) (dataKey []byte, err error) {
	m, err := p.parse(doc, true)
	if err != nil {
		return nil, err
	}
	if m.delegated {
		if len(keyMaterial) != delegatedSize {
			return nil, fmt.Errorf("the wrapped data key must be %d bytes in the delegated form: got %d", delegatedSize, len(keyMaterial))
		}
		err = p.with(ctx, &m, nil, func(c *conn) (err error) {
			dataKey, err = c.decrypt(m.keyID, keyMaterial)
			return err
		})
		return dataKey, err
	}
	var key *payload.Key
	err = p.with(ctx, &m, nil, func(c *conn) (err error) {
		key, err = c.masterKey(m.keyID)
		return err
	})
	if err != nil {
		return nil, err
	}
	dataKey, err = key.AppendUnwrap(nil, keyMaterial)
	if errors.Is(err, payload.ErrAuthentication) {
		return nil, fmt.Errorf("KMS provider `%s`: key %.200q: %w; either another master key wrapped this data key, or it was changed", p.id, m.keyID, err)
	}
	if err != nil {
		return nil, fmt.Errorf("KMS provider `%s`: key %.200q: %w", p.id, m.keyID, err)
	}
	return dataKey, nil
}

func (p *provider) parse(doc bson.Raw, stored bool) (masterKey, error) {
	m, err := parseMasterKey(doc, stored)
	if err == nil && m.endpoint != "" {
		at, _ := address(m.endpoint) // it was read before
		err = p.hosts.Check(m.endpoint, at, defaultPort)
	}
	return m, err
}

// with runs do on a connection to the key's server; sent is what the requests carry and errors must not repeat. Without a key id do makes a key, and
// else it sends one request, which does no harm twice.
func (p *provider) with(ctx context.Context, m *masterKey, sent []byte, do func(*conn) error) error {
	endpoint, version := m.endpoint, kmip.V1_0
	if endpoint == "" {
		endpoint = p.endpoint
	}
	if m.delegated {
		version = kmip.V1_2
	}
	at, err := address(endpoint)
	if err != nil {
		return err
	}
	ctx, cancel := kmsconfig.WithTimeout(ctx, kmsconfig.Timeout)
	defer cancel()
	var c *conn
	if m.keyID != "" {
		c = p.idle.take(at)
	}
	if c == nil {
		c = &conn{address: at}
	}
	c.version = version
	err = p.use(ctx, c, do)
	if err != nil && c.kept && !c.answered && ctx.Err() == nil { // the server had closed it
		c = &conn{address: at, version: version}
		err = p.use(ctx, c, do)
	}
	if err == nil {
		return nil
	}
	return failure(ctx, &kms.Error{Provider: p.id, Operation: c.operation, Key: m.keyID, Endpoint: at}, err, sent)
}

// use runs do on the connection and keeps it while it is in step.
func (p *provider) use(ctx context.Context, c *conn, do func(*conn) error) error {
	stop, err := c.open(ctx, p.dial)
	if err != nil {
		return err
	}
	err = do(c)
	var refused *refusal
	if stop() && (err == nil || errors.As(err, &refused)) {
		p.idle.put(c)
		return err
	}
	c.cut()
	return err
}
