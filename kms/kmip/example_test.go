package kmip_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"os"

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

// A server that knows its clients by certificate, asked at most ten times at once.
func ExampleType() {
	certificate, err := tls.LoadX509KeyPair("client.pem", "client-key.pem")
	if err != nil {
		log.Fatal(err)
	}
	authority, err := os.ReadFile("authority.pem")
	if err != nil {
		log.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	providers, err := kms.Open(
		map[string]map[string]any{"kmip:prod": {"endpoint": "kms.example.org:5696"}},
		kms.Limit(kmip.Type{TLS: map[string]*tls.Config{
			"kmip:prod": {RootCAs: pool, Certificates: []tls.Certificate{certificate}},
		}}, 10),
	)
	fmt.Println(providers, err)
}
