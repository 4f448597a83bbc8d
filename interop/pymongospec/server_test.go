package pymongospec

import (
	"context"
	"net/url"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt/integration/shim"
	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
)

// startServer starts the embedded server behind the proxy that remembers validators and fills the gaps, and returns the proxy's address.
func startServer(t *testing.T) *url.URL {
	t.Helper()
	t.Setenv(testserver.URIVariable, "") // the databases have the names that the files say
	uri := testserver.Start(t)
	direct, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = direct.Disconnect(context.Background()) })
	proxy, err := shim.Run(context.Background(), uri, shim.Rules{Intercept: fill(direct)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	address, err := url.Parse(proxy.URI())
	if err != nil {
		t.Fatal(err)
	}
	return address
}
