package azure

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/kms"
)

var _ kms.Locator = (*provider)(nil)

// Locate says whom UnwrapKey asks.
func (p *provider) Locate(doc bson.Raw) kms.Error {
	m, _ := parseMasterKey(doc, true) // UnwrapKey tells what is wrong with it
	return kms.Error{Operation: "UnwrapKey", Key: m.key(), Endpoint: m.endpoint}
}
