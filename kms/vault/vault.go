// Package vault is the "vault" KMS: the master key is a key of the Transit secrets engine of HashiCorp Vault or OpenBao, and a data key is wrapped
// by the engine's own encrypt operation.
//
// It is an extension: the official MongoDB drivers do not know the provider, and cannot unwrap what it wrapped; rewrap the keys under another
// provider for them. The keyMaterial of a data key is the engine's ciphertext as is, the ASCII text "vault:v<version of the key>:<base64>",
// with no terminator, and masterKey in the key vault is {provider: "vault", keyName, mount?, keyVersion?}. No context is sent: keys made with
// derived=true are not supported.
//
// The package creates no keys. The token's policy needs update, and only that, on <mount>/encrypt/<key> and <mount>/decrypt/<key>: with create,
// Vault would make a key of any name that it is asked for. Whoever writes to the key vault names the mount and the key, so the policy should
// allow no others.
//
// A wrapped key tells the version of the key that made it, and the key itself its latest one: with read on <mount>/keys/<key>, which gives no key away,
// a check of the key vault finds what is wrapped under an old version. Without it the check says that it could not tell. Rewrapping
// leads to the latest version, unless the masterKey asks for another by keyVersion.
//
// A call whose context has no deadline ends after 10 seconds, as in the official Go driver. Within that time a request is sent up to four times while
// Vault is overloaded, fails or cannot be reached.
//
// Vault's client library holds tokens as strings and copies request bodies: they cannot be wiped from memory.
package vault

import (
	"crypto/tls"
	"net/http"
	"time"

	"github.com/openbao/openbao/api/v2"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

var (
	_ kms.Type     = Type{}
	_ kms.Provider = (*provider)(nil)
)

// Type opens vault providers from kmsProviders entries of the form {endpoint, namespace?, mount?, …} with one of
//
//   - token: text
//   - appRole: {roleId, secretId, mount?}, whose mount is "approle" if left out
//   - kubernetes: {role, jwtFile?, mount?}, whose mount is "kubernetes" if left out. The file with the service account's token is read at each
//     login, by default /var/run/secrets/kubernetes.io/serviceaccount/token.
//
// The endpoint is https://host[:port] or host[:port]; http:// is for loopback hosts only, where a Vault Agent may listen. The mount is that of the
// Transit engine, "transit" if left out.
//
// The empty entry {} takes endpoint, token and namespace from the environment: BAO_ADDR, BAO_TOKEN and BAO_NAMESPACE or else VAULT_ADDR, VAULT_TOKEN
// and VAULT_NAMESPACE. No other variable of Vault's is looked at.
//
// A token is renewed, or replaced by another login, when it is used in the last third of its life. One that was given cannot be
// replaced: at its end, which comes early when it is left unused, Vault refuses it, and the error wraps kms.ErrDenied.
//
// The master key is {keyName, mount?, keyVersion?}: the mount where it is not the provider's, and the version of the key to wrap with, an integer; the
// newest one if left out. Unwrapping goes by the version in the wrapped key. The zero value is ready to use.
type Type struct {
	// HTTPClient sends the requests to Vault; nil is the client library's own, which takes the proxy from the environment. Redirects are never
	// followed.
	HTTPClient *http.Client
	// TLS has options by provider id ("vault", "vault:prod"): certificate authorities and client certificates. It replaces those of HTTPClient,
	// whose Transport must then be nil or an *http.Transport. Options that switch verification off or allow less than TLS 1.2 are refused.
	TLS map[string]*tls.Config

	now func() time.Time // nil is time.Now
}

// Name returns "vault".
func (Type) Name() string { return "vault" }

// Open opens a provider. It makes no connection. Fields other than those of Type's comment are refused.
func (t Type) Open(id kms.ID, config bson.Raw) (kms.Provider, error) {
	s, err := readSettings(id, config)
	if err != nil {
		return nil, err
	}
	defaults := api.NewConfig() // unlike DefaultConfig it reads no environment
	if defaults.Error != nil {
		return nil, defaults.Error
	}
	sender, err := kmsconfig.HTTPClient(t.HTTPClient, defaults.HttpClient.Transport, t.TLS[id.String()])
	if err != nil {
		return nil, err
	}
	c, err := newClient(defaults, sender, s.url, s.namespace)
	if err != nil {
		return nil, err
	}
	now := t.now
	if now == nil {
		now = time.Now
	}
	return &provider{id: id.String(), mount: s.mount, endpoint: c.endpoint, send: newTokens(c, now, s.token, s.login).send}, nil
}
