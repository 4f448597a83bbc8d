package kmip_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/kmip"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/kmip"
)

func Example() {
	// A mock stands in for the server here. A program loads its certificate with tls.LoadX509KeyPair and the authority's into a pool.
	ctx := context.Background()
	server, err := mock.Run(ctx, mock.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	providers, err := kms.Open(map[string]map[string]any{
		"kmip": {"endpoint": server.Addr()},
	}, kmip.Type{TLS: map[string]*tls.Config{"kmip": server.ClientTLS()}})
	if err != nil {
		fmt.Println(err)
		return
	}
	provider, err := providers.Provider("kmip")
	if err != nil {
		fmt.Println(err)
		return
	}
	dataKey := make([]byte, 96)
	rand.Read(dataKey)
	wrapped, err := provider.WrapKey(ctx, nil, dataKey) // makes a master key
	if err != nil {
		fmt.Println(err)
		return
	}
	unwrapped, err := provider.UnwrapKey(ctx, wrapped.MasterKey, wrapped.KeyMaterial)
	fmt.Println(wrapped.MasterKey, len(unwrapped), err)
	// Output: {"keyId": "new-2"} 96 <nil>
}
