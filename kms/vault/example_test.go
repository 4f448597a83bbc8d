package vault_test

import (
	"context"
	"crypto/rand"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/vault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/vault"
)

func Example() {
	// A mock stands in for Vault here. A program passes vault.Type{}, and the endpoint and AppRole of its Vault.
	ctx := context.Background()
	server, err := mock.Run(ctx, mock.Options{AppRole: &mock.AppRole{RoleID: "role", SecretID: "secret"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	if err := server.Create("transit", "patients"); err != nil {
		fmt.Println(err)
		return
	}

	providers, err := kms.Open(map[string]map[string]any{
		"vault": {"endpoint": server.URL(), "appRole": map[string]any{"roleId": "role", "secretId": "secret"}},
	}, vault.Type{HTTPClient: server.HTTPClient()})
	if err != nil {
		fmt.Println(err)
		return
	}
	provider, err := providers.Provider("vault")
	if err != nil {
		fmt.Println(err)
		return
	}
	masterKey, err := bson.Marshal(bson.D{{Key: "keyName", Value: "patients"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	dataKey := make([]byte, 96)
	rand.Read(dataKey)
	wrapped, err := provider.WrapKey(ctx, masterKey, dataKey)
	if err != nil {
		fmt.Println(err)
		return
	}
	unwrapped, err := provider.UnwrapKey(ctx, wrapped.MasterKey, wrapped.KeyMaterial)
	fmt.Println(string(wrapped.KeyMaterial[:9]), len(unwrapped), err)
	// Output: vault:v1: 96 <nil>
}
