package audit_test

import (
	"context"
	"fmt"
	"os"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt/audit"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
)

// A nightly check that nothing sensitive is stored in clear.
func ExampleRun() {
	ctx := context.Background()
	client, err := mongo.Connect(options.Client().ApplyURI(os.Getenv("MONGODB_URI")))
	if err != nil {
		panic(err)
	}
	defer client.Disconnect(ctx)
	vault, err := keyvault.NewMongoStore(client, "encryption.dataKeys")
	if err != nil {
		panic(err)
	}
	report, err := audit.Run(ctx, client, audit.Options{Namespaces: []string{"hr"}, Sample: 10_000, KeyVault: vault, KeyVaultNamespace: "encryption.dataKeys"})
	if err != nil {
		panic(err)
	}
	for _, f := range report.Findings() {
		fmt.Println(f.Problem, f.Namespace, f.Path, f.Values)
	}
}
