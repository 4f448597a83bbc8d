package aws

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// masterKey names a key and where it is.
type masterKey struct {
	region   string
	key      string // ARN, id or alias
	endpoint string // as written; empty for the region's own
	url      string // of the endpoint
}

// parseMasterKey reads the user's document, or the stored one, which has the provider too.
func parseMasterKey(doc bson.Raw, stored bool) (m masterKey, err error) {
	fields := []field{
		{name: "region", to: &m.region, required: true},
		{name: "key", to: &m.key, required: true},
		{name: "endpoint", to: &m.endpoint},
	}
	var provider string // the caller has chosen by it
	if stored {
		fields = append(fields, field{name: "provider", to: &provider})
	}
	if len(doc) == 0 {
		doc = bson.Raw(empty)
	}
	if err := readFields(doc, "masterKey", fields); err != nil {
		return masterKey{}, err
	}
	if !isRegion(m.region) {
		return masterKey{}, fmt.Errorf("aws masterKey: region %.64q is not a region's name, such as us-east-1", m.region)
	}
	if m.endpoint != "" {
		m.url, err = parseEndpoint(m.endpoint)
	}
	return m, err
}

// isRegion keeps the name fit for a label of the host name: whoever writes to the key vault must not choose the host by it.
func isRegion(s string) bool {
	alien := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }
	return len(s) <= 63 && strings.IndexFunc(s, alien) < 0 && strings.Trim(s, "-") == s
}

// parseEndpoint returns the URL of host[:port]. As in the official drivers the scheme https may be written.
func parseEndpoint(endpoint string) (string, error) {
	u, err := url.Parse("https://" + strings.TrimSuffix(strings.TrimPrefix(endpoint, "https://"), "/"))
	if err != nil || u.Host == "" || *u != (url.URL{Scheme: "https", Host: u.Host}) {
		return "", fmt.Errorf("aws masterKey: endpoint %.200q is not host[:port]", endpoint)
	}
	if !strings.Contains(u.Hostname(), ".") {
		return "", fmt.Errorf("aws masterKey: endpoint %.200q has no dot in its host name", endpoint)
	}
	if !validPort(strings.TrimPrefix(u.Host, u.Hostname())) {
		return "", fmt.Errorf("aws masterKey: endpoint %.200q: the port is not a number from 1 to 65535", endpoint)
	}
	return u.String(), nil
}

// validPort takes what follows a host name.
func validPort(s string) bool {
	digits, given := strings.CutPrefix(s, ":")
	port, err := strconv.ParseUint(digits, 10, 16)
	return !given || err == nil && port > 0
}

// isAlias says whether the key goes by an alias, which may be pointed at another key.
func (m masterKey) isAlias() bool {
	return strings.HasPrefix(m.key, "alias/") || strings.Contains(m.key, ":alias/")
}

// document is what the key vault stores, but for the provider.
func (m masterKey) document() bson.Raw {
	doc, start := bsonraw.Begin(nil)
	for _, f := range []struct{ name, value string }{{"region", m.region}, {"key", m.key}, {"endpoint", m.endpoint}} {
		if f.value != "" {
			t, value, _ := bson.MarshalValue(f.value) // text can always be written
			doc = bsonraw.AppendValue(doc, f.name, bson.RawValue{Type: t, Value: value})
		}
	}
	return bsonraw.End(doc, start)
}
