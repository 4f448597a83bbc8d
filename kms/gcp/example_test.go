package gcp_test

import (
	"context"
	"crypto/rand"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/gcp"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/gcp"
)

func Example() {
	// A mock stands in for Google here. A program passes gcp.Type{}, and its service account's email and privateKey, or nothing at all on
	// Google's own machines.
	ctx := context.Background()
	server, err := mock.Run(ctx, mock.Options{Tokens: []string{"ya29.example"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	providers, err := kms.Open(map[string]map[string]any{
		"gcp:prod": {"accessToken": "ya29.example"},
	}, gcp.Type{HTTPClient: server.HTTPClient()})
	if err != nil {
		fmt.Println(err)
		return
	}
	provider, err := providers.Provider("gcp:prod")
	if err != nil {
		fmt.Println(err)
		return
	}
	masterKey, err := bson.Marshal(bson.D{
		{Key: "projectId", Value: "devprod-drivers"},
		{Key: "location", Value: "global"},
		{Key: "keyRing", Value: "key-ring-csfle"},
		{Key: "keyName", Value: "key-name-csfle"},
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
	unwrapped, err := provider.UnwrapKey(ctx, wrapped.MasterKey, wrapped.KeyMaterial)
	fmt.Println(len(unwrapped), err)
	// Output: 96 <nil>
}
