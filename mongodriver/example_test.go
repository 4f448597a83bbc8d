package mongodriver_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/mongodriver"
)

// A client that encrypts hr.employees.ssn. The data key was made before, with fieldcrypt.ClientEncryption.
func ExampleConnect() {
	masterKey := make([]byte, 96) // from your secret store; here a new one
	if _, err := rand.Read(masterKey); err != nil {
		log.Fatal(err)
	}
	dataKey := bson.Binary{Subtype: bson.TypeBinaryUUID, Data: make([]byte, 16)}

	client, err := mongodriver.Connect(options.Client().ApplyURI("mongodb://localhost:27017"), fieldcrypt.AutoEncryptionOptions{
		KeyVaultNamespace: "encryption.dataKeys",
		KmsProviders:      map[string]map[string]any{"local": {"key": masterKey}},
		SchemaMap: map[string]any{"hr.employees": bson.M{
			"bsonType": "object",
			"properties": bson.M{"ssn": bson.M{"encrypt": bson.M{
				"bsonType":  "string",
				"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic",
				"keyId":     bson.A{dataKey},
			}}},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Disconnect(context.Background()) }()

	// From here on the driver's ordinary API encrypts and decrypts.
	employees := client.Database("hr").Collection("employees")
	fmt.Println(employees.Name(), "is ready")
	// Output: employees is ready
}
