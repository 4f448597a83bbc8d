package azure

import (
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/kms"
)

// A key vault can name any number of vaults; memory does not grow with them.
func TestClientsAreBounded(t *testing.T) {
	config, err := bson.Marshal(bson.D{{Key: "accessToken", Value: "token"}})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := Type{}.Open(kms.ID{Type: "azure"}, config)
	if err != nil {
		t.Fatal(err)
	}
	p := opened.(*provider)
	for i := range 3 * maxClients {
		url := fmt.Sprintf("https://a%d.vault.azure.net", i)
		first, err := p.client(url)
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := p.client(url); again != first {
			t.Fatal("the client was not kept")
		}
		if len(p.clients) > maxClients {
			t.Fatalf("%d clients are kept", len(p.clients))
		}
	}
}
