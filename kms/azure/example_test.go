package azure_test

import (
	"context"
	"crypto/rand"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/azure"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/azure"
)

func Example() {
	// A mock stands in for Azure here. A program passes azure.Type{}.
	ctx := context.Background()
	server, err := mock.Run(ctx, mock.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	providers, err := kms.Open(map[string]map[string]any{
		"azure": {"tenantId": mock.TenantID, "clientId": mock.ClientID, "clientSecret": mock.ClientSecret},
	}, azure.Type{HTTPClient: server.HTTPClient()})
	if err != nil {
		fmt.Println(err)
		return
	}
	provider, err := providers.Provider("azure")
	if err != nil {
		fmt.Println(err)
		return
	}
	masterKey, err := bson.Marshal(bson.D{
		{Key: "keyVaultEndpoint", Value: "mock.vault.azure.net"},
		{Key: "keyName", Value: "master-key"},
	})
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
	fmt.Println(wrapped.MasterKey)
	unwrapped, err := provider.UnwrapKey(ctx, wrapped.MasterKey, wrapped.KeyMaterial)
	fmt.Println(len(unwrapped), err)
	// Output:
	// {"keyVaultEndpoint": "mock.vault.azure.net","keyName": "master-key","keyVersion": "00000000000000000000000000000001"}
	// 96 <nil>
}
