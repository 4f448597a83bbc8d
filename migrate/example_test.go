package migrate_test

import (
	"context"
	"fmt"
	"os"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/migrate"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// Encrypt what a collection holds already, while applications use it, and prove it.
func Example() {
	ctx := context.Background()
	client, err := mongo.Connect(options.Client().ApplyURI(os.Getenv("MONGODB_URI")))
	check(err)
	master, err := os.ReadFile("master.key")
	check(err)
	ce, err := fieldcrypt.NewClientEncryption(client, fieldcrypt.ClientEncryptionOptions{
		KeyVaultNamespace: "encryption.dataKeys",
		KmsProviders:      map[string]map[string]any{"local": {"key": master}},
	})
	check(err)
	defer ce.Close(ctx)
	text, err := os.ReadFile("schema.json")
	check(err)
	var doc bson.D
	check(bson.UnmarshalExtJSON(text, false, &doc))
	raw, err := bson.Marshal(doc)
	check(err)
	employees, err := schema.Parse(raw, schema.Local)
	check(err)

	hr := client.Database("hr")
	m, err := migrate.New(migrate.Options{
		Collection: hr.Collection("employees"), Schema: employees, Encryption: ce, Checkpoints: hr.Collection("migration"),
	})
	check(err)
	report, err := m.Run(ctx)
	check(err)
	fmt.Println(report.Changed, "documents encrypted,", report.Found, "values left as they are")
	report, err = m.Verify(ctx)
	check(err)
	fmt.Println("everything is encrypted:", report.OK())
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
