// Package gcp is the "gcp" KMS: the master key is a symmetric key of Google Cloud KMS, and a data key is wrapped by the service's own encrypt
// operation without additional authenticated data, as the official MongoDB drivers do it.
//
// It is not for keys that sign or that decrypt asymmetrically, and it creates no keys in Cloud KMS: name one that exists, and allow the credentials
// cloudkms.cryptoKeyVersions.useToEncrypt and useToDecrypt on it.
//
// With a data key Cloud KMS says whether the key's primary version was used. One that is wrapped under another version is under an old one to a check
// of the key vault, also where its masterKey asks for that version by keyVersion: it is then to be rewrapped under a master key without.
//
// Whoever can write to the key vault can name an endpoint: requests carry an access token, and a host of theirs could answer with a data key that they
// know. So the endpoint of a master key, stored or given, must be below googleapis.com, a loopback address, or one of Type.Endpoints; any other is an
// error that wraps kms.ErrForeignEndpoint, and nothing is sent. Who writes there can also name a key in a project of theirs that lets your account use it:
// give the account its role on your keys only, and keep it to your projects by a principal access boundary or VPC Service Controls.
//
// What is sent and received carries CRC32C checksums, which both sides verify, as Google asks of clients. Google's client library copies request and
// reply bodies and holds credentials as strings: they cannot be wiped from memory. Its debug log, which would print them, stays off whatever the
// environment says.
package gcp

import (
	"crypto/tls"
	"net/http"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

var (
	_ kms.Type     = Type{}
	_ kms.Provider = (*provider)(nil)
)

// Type opens gcp providers from kmsProviders entries of one of these forms:
//
//   - {accessToken}: an OAuth 2.0 token, until it expires.
//   - {email, privateKey, endpoint?}: a service account and its RSA key of at least 2048 bits, PKCS#8 in DER, as binary or as base64 text: what stands
//     between the lines BEGIN and END of Google's key file. The endpoint is the host[:port] that gives tokens, by default oauth2.googleapis.com.
//   - {}: Google's Application Default Credentials: the file that GOOGLE_APPLICATION_CREDENTIALS names, else the file that gcloud writes, else the
//     metadata server of the machine, at GCE_METADATA_HOST if that is set. The official drivers know the metadata server only. All this is
//     looked up at the first use, not by Open.
//
// The master key is {projectId, location, keyRing, keyName, keyVersion?, endpoint?}. The version is for wrapping, by default the key's primary
// one; a wrapped key names its own. The endpoint is the host[:port] where Cloud KMS is reached otherwise than at cloudkms.googleapis.com, always by
// TLS. The zero value is ready to use.
type Type struct {
	// HTTPClient sends the requests to Cloud KMS and to those who give tokens, but for the metadata server, which is asked directly; nil is
	// http.DefaultTransport, which takes the proxy from the environment. Redirects are never followed.
	HTTPClient *http.Client
	// TLS has options by provider id ("gcp", "gcp:prod"): certificate authorities and client certificates. It replaces those of HTTPClient,
	// whose Transport must then be nil or an *http.Transport. Options that switch verification off or allow less than TLS 1.2 are refused.
	TLS map[string]*tls.Config
	// Endpoints are those that a master key may name besides googleapis.com, the hosts below it and this machine's loopback addresses: host[:port]
	// or *.domain[:port] for all hosts below a domain, any port where none is given.
	Endpoints []string

	metadata http.RoundTripper // for tests; nil asks directly
}

// Name returns "gcp".
func (Type) Name() string { return "gcp" }

// Open opens a provider. It makes no connection. Fields other than those of Type's comment are refused.
func (t Type) Open(id kms.ID, config bson.Raw) (kms.Provider, error) {
	client, err := kmsconfig.HTTPClient(t.HTTPClient, nil, t.TLS[id.String()])
	if err != nil {
		return nil, err
	}
	p := &provider{id: id.String(), http: client}
	if p.hosts, err = kmsconfig.NewHosts("gcp masterKey", "a host of Google's APIs", isGoogle, t.Endpoints); err != nil {
		return nil, err
	}
	fetch, err := t.credentials(id, config, client)
	if err != nil {
		return nil, err
	}
	p.credentials = newCache(fetch)
	return p, nil
}
