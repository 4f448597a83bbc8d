package kmip

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/kms"
)

var _ kms.Locator = (*provider)(nil)

// Locate says whom UnwrapKey asks.
func (p *provider) Locate(doc bson.Raw) kms.Error {
	m, _ := parseMasterKey(doc, true) // UnwrapKey tells what is wrong with it
	e := kms.Error{Operation: "Get", Key: m.keyID, Endpoint: p.endpoint}
	if m.delegated {
		e.Operation = "Decrypt"
	}
	if m.endpoint != "" {
		e.Endpoint = m.endpoint
	}
	if at, err := address(e.Endpoint); err == nil {
		e.Endpoint = at
	}
	return e
}
