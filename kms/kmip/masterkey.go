package kmip

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
)

const defaultPort = "5696"

// masterKey names a key and where it is.
type masterKey struct {
	endpoint  string // as written; empty for the provider's
	delegated bool
	keyID     string // empty before its creation
}

// parseMasterKey reads the user's document, or the stored one, which has the provider and a keyId.
func parseMasterKey(doc bson.Raw, stored bool) (m masterKey, err error) {
	fields := []kmsconfig.Field{
		{Name: "endpoint", Text: &m.endpoint},
		{Name: "delegated", Bool: &m.delegated},
		{Name: "keyId", Text: &m.keyID, Required: stored},
	}
	var provider string // the caller has chosen by it
	if stored {
		fields = append(fields, kmsconfig.Field{Name: "provider", Text: &provider})
	}
	if err := kmsconfig.Read(doc, "kmip masterKey", fields); err != nil {
		return masterKey{}, err
	}
	if m.endpoint != "" {
		_, err = address(m.endpoint)
	}
	return m, err
}

// address completes host[:port].
func address(endpoint string) (string, error) {
	u, err := url.Parse("kmip://" + endpoint)
	if err != nil || u.Hostname() == "" || *u != (url.URL{Scheme: "kmip", Host: u.Host}) {
		return "", fmt.Errorf("kmip endpoint %.200q is not host[:port]", endpoint)
	}
	port := u.Port()
	if port == "" && !strings.HasSuffix(u.Host, ":") {
		port = defaultPort
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("kmip endpoint %.200q: the port is not a number from 1 to 65535", endpoint)
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}

// isServer knows the server that the kmsProviders entry names.
func isServer(at string) func(host, port string) bool {
	return func(host, port string) bool { return strings.EqualFold(net.JoinHostPort(host, port), at) }
}

// document is what the key vault stores, but for the provider.
func (m masterKey) document() bson.Raw {
	doc, start := bsonraw.Begin(nil)
	if m.endpoint != "" {
		doc = appendText(doc, "endpoint", m.endpoint)
	}
	if m.delegated {
		doc = bsonraw.AppendBool(doc, "delegated", true)
	}
	return bsonraw.End(appendText(doc, "keyId", m.keyID), start)
}

func appendText(doc []byte, name, text string) []byte {
	t, value, _ := bson.MarshalValue(text) // text can always be written
	return bsonraw.AppendValue(doc, name, bson.RawValue{Type: t, Value: value})
}
