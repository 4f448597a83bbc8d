package keyvault_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/local"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// Example stores a data key and gets it back ready for use. Programs let ClientEncryption.CreateDataKey do the first half.
func Example() {
	ctx := context.Background()
	masterKey, dataKey := make([]byte, 96), make([]byte, payload.KeySize)
	rand.Read(masterKey)
	rand.Read(dataKey)
	providers, err := kms.Open(map[string]map[string]any{"local": {"key": masterKey}}, local.Type{})
	if err != nil {
		fmt.Println(err)
		return
	}
	provider, err := providers.Provider("local")
	if err != nil {
		fmt.Println(err)
		return
	}
	wrapped, err := provider.WrapKey(ctx, nil, dataKey)
	if err != nil {
		fmt.Println(err)
		return
	}
	id, err := payload.ParseKeyID("2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e")
	if err != nil {
		fmt.Println(err)
		return
	}
	masterKeyDoc, err := bson.Marshal(bson.D{{Key: "provider", Value: "local"}})
	if err != nil {
		fmt.Println(err)
		return
	}

	store := keyvault.NewMemoryStore() // or NewMongoStore(client, "encryption.__keyVault")
	now := time.Now()
	err = store.Insert(ctx, &keyvault.DataKey{
		ID: id, KeyAltNames: []string{"patients"}, KeyMaterial: wrapped.KeyMaterial,
		CreationDate: now, UpdateDate: now, MasterKey: masterKeyDoc,
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	cache := keyvault.NewCache(store, providers, keyvault.CacheOptions{})
	defer cache.Close()
	keys, err := cache.Load(ctx, keyvault.Request{AltNames: []string{"patients", "doctors"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	id, _, err = keys.KeyByAltName("patients")
	fmt.Println(id, err)
	_, _, err = keys.KeyByAltName("doctors")
	fmt.Println(err)
	// Output:
	// 2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e <nil>
	// data key with alt name "doctors": not all keys requested were satisfied. Verify that key vault DB/collection name was correctly specified.
}
