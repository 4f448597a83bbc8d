package aws

import (
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
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
	fields := []kmsconfig.Field{
		{Name: "region", Text: &m.region, Required: true},
		{Name: "key", Text: &m.key, Required: true},
		{Name: "endpoint", Text: &m.endpoint},
	}
	var provider string // the caller has chosen by it
	if stored {
		fields = append(fields, kmsconfig.Field{Name: "provider", Text: &provider})
	}
	if err := kmsconfig.Read(doc, "aws masterKey", fields); err != nil {
		return masterKey{}, err
	}
	if !isRegion(m.region) {
		return masterKey{}, fmt.Errorf("aws masterKey: region %.64q is not a region's name, such as us-east-1", m.region)
	}
	if m.endpoint != "" {
		m.url, err = kmsconfig.Endpoint(m.endpoint, "aws masterKey")
	} else if !regionName.MatchString(m.region) {
		err = fmt.Errorf("aws masterKey: region %.64q is not the name of a region of AWS, such as us-east-1, and there is no endpoint", m.region)
	}
	return m, err
}

// isRegion keeps the name fit for a label of the host name: whoever writes to the key vault must not choose the host by it.
func isRegion(s string) bool {
	alien := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }
	return s != "" && len(s) <= 63 && strings.IndexFunc(s, alien) < 0 && strings.Trim(s, "-") == s
}

// isAlias says whether the key goes by an alias, which may be pointed at another key.
func (m masterKey) isAlias() bool {
	return strings.HasPrefix(m.key, "alias/") || strings.Contains(m.key, ":alias/")
}

// isMultiRegion says whether the key may have replicas, which have its id, in other regions.
func (m masterKey) isMultiRegion() bool {
	_, id, isARN := strings.Cut(m.key, ":key/")
	if !isARN {
		id = m.key
	}
	return strings.HasPrefix(id, "mrk-")
}

// in returns the key's replica in another region.
func (m masterKey) in(region string) masterKey {
	if parts := strings.Split(m.key, ":"); len(parts) > 3 { // arn:aws:kms:region:account:key/id
		parts[3] = region
		m.key = strings.Join(parts, ":")
	}
	m.region = region
	return m
}

// document is what the key vault stores, but for the provider.
func (m masterKey) document() bson.Raw {
	return kmsconfig.Document("region", m.region, "key", m.key, "endpoint", m.endpoint)
}
