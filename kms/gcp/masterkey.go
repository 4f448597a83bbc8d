package gcp

import (
	"fmt"
	"net/url"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
)

const defaultEndpoint = "https://cloudkms.googleapis.com"

// masterKey names a key and where it is.
type masterKey struct {
	projectID, location, keyRing, keyName string
	keyVersion                            string // empty for the primary one
	endpoint                              string // as written; empty for the default
	url                                   string // of the endpoint
}

// parseMasterKey reads the user's document, or the stored one, which has the provider too.
func parseMasterKey(doc bson.Raw, stored bool) (m masterKey, err error) {
	const what = "gcp masterKey"
	fields := []kmsconfig.Field{
		{Name: "projectId", Text: &m.projectID, Required: true},
		{Name: "location", Text: &m.location, Required: true},
		{Name: "keyRing", Text: &m.keyRing, Required: true},
		{Name: "keyName", Text: &m.keyName, Required: true},
		{Name: "keyVersion", Text: &m.keyVersion},
		{Name: "endpoint", Text: &m.endpoint},
	}
	identifiers := fields[:5]
	if stored {
		fields = append(fields, kmsconfig.Field{Name: "provider", Text: new(string)}) // the caller has chosen by it
	}
	if err := kmsconfig.Read(doc, what, fields); err != nil {
		return masterKey{}, err
	}
	for _, f := range identifiers {
		if *f.Text != "" && !isIdentifier(*f.Text) {
			return masterKey{}, fmt.Errorf("%s: invalid character in GCP KMS key identifier: %s", what, f.Name)
		}
	}
	m.url = defaultEndpoint
	if m.endpoint != "" {
		m.url, err = parseEndpoint(m.endpoint, what)
	}
	return m, err
}

// isIdentifier keeps the path of the request to its segments: whoever writes to the key vault must not choose another by them. The characters
// are those that RFC 3986 calls unreserved.
func isIdentifier(s string) bool {
	alien := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._~", r)
	}
	return strings.IndexFunc(s, alien) < 0 && s != "." && s != ".."
}

// parseEndpoint returns the URL of host[:port], without the port where it is the usual one.
func parseEndpoint(endpoint, what string) (string, error) {
	u, err := kmsconfig.Endpoint(endpoint, what)
	return strings.ToLower(strings.TrimSuffix(u, ":443")), err
}

// isGoogle knows the public endpoints of Cloud KMS, the regional ones, and those of Private Service Connect.
func isGoogle(host, _ string) bool {
	return host == "googleapis.com" || strings.HasSuffix(host, ".googleapis.com")
}

// host is who is asked, for errors.
func host(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	return u.Host
}

// name is the key's resource name.
func (m masterKey) name() string {
	return fmt.Sprintf("projects/%s/locations/%s/keyRings/%s/cryptoKeys/%s", m.projectID, m.location, m.keyRing, m.keyName)
}

// wrappingName is the name of what wraps: the key, or the version of it.
func (m masterKey) wrappingName() string {
	if m.keyVersion == "" {
		return m.name()
	}
	return m.name() + "/cryptoKeyVersions/" + m.keyVersion
}

// document is what the key vault stores, but for the provider.
func (m masterKey) document() bson.Raw {
	return kmsconfig.Document("projectId", m.projectID, "location", m.location, "keyRing", m.keyRing, "keyName", m.keyName,
		"keyVersion", m.keyVersion, "endpoint", m.endpoint)
}
