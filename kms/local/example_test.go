package local_test

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/local"
)

func Example() {
	masterKey := make([]byte, 96)
	rand.Read(masterKey)

	providers, err := kms.Open(map[string]map[string]any{
		"local":         {"key": masterKey},
		"local:tenant1": {"key": "Mng0NCt4ZHVUYUJCa1kxNkVyNUR1QURhZ2h2UzR2d2RrZzh0cFBwM3R6NmdWMDFBMUN3YkQ5aXRRMkhGRGdQV09wOGVNYUMxT2k3NjZKelhaQmRCZGJkTXVyZG9uSjFk"},
	}, local.Type{})
	if err != nil {
		fmt.Println(err)
		return
	}
	tenant, err := providers.Provider("local:tenant1")
	if err != nil {
		fmt.Println(err)
		return
	}
	dataKey := make([]byte, 96)
	rand.Read(dataKey)
	wrapped, err := tenant.WrapKey(context.Background(), nil, dataKey)
	fmt.Println(len(wrapped.KeyMaterial), wrapped.MasterKey, err)
	// Output: 160 {} <nil>
}
