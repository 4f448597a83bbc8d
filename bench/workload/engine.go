package workload

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
)

// engine is automatic encryption with the keys of v.
func (v *Vault) engine(schemaMap bson.Raw) (*fieldcrypt.AutoEncryption, error) {
	store := keyvault.NewMemoryStore()
	for _, doc := range v.Documents {
		k, err := keyvault.ParseDataKey(doc)
		if err != nil {
			return nil, err
		}
		if err := store.Insert(context.Background(), k); err != nil {
			return nil, err
		}
	}
	var schemas map[string]any
	if len(schemaMap) > 0 {
		if err := bson.Unmarshal(schemaMap, &schemas); err != nil {
			return nil, err
		}
	}
	return fieldcrypt.NewAutoEncryption(fieldcrypt.AutoEncryptionOptions{
		KmsProviders: map[string]map[string]any{"local": {"key": v.MasterKey}}, SchemaMap: schemas, Undecryptable: fieldcrypt.Fail,
	}, store, nil)
}
