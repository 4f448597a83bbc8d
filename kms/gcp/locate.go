package gcp

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/kms"
)

var _ kms.Locator = (*provider)(nil)

// Locate says whom UnwrapKey asks.
func (p *provider) Locate(doc bson.Raw) kms.Error {
	m, err := parseMasterKey(doc, true)
	if err != nil {
		return kms.Error{Operation: "Decrypt"} // UnwrapKey tells what is wrong with it
	}
	return kms.Error{Operation: "Decrypt", Key: m.name(), Endpoint: host(m.url)}
}
