package fieldcrypt_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
)

// Explicit encryption: the application says what is encrypted, value by value.
func ExampleClientEncryption() {
	ctx := context.Background()
	masterKey := make([]byte, 96) // from your secret store; here a new one
	if _, err := rand.Read(masterKey); err != nil {
		log.Fatal(err)
	}

	// With a database, give NewClientEncryption a *mongo.Client and KeyVaultNamespace in place of KeyVault.
	ce, err := fieldcrypt.NewClientEncryption(nil, fieldcrypt.ClientEncryptionOptions{
		KeyVault:     keyvault.NewMemoryStore(),
		KmsProviders: map[string]map[string]any{"local": {"key": masterKey}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = ce.Close(ctx) }()

	if _, err := ce.CreateDataKey(ctx, "local", fieldcrypt.DataKeyOptions{KeyAltNames: []string{"patients"}}); err != nil {
		log.Fatal(err)
	}

	t, v, err := bson.MarshalValue("Jane")
	if err != nil {
		log.Fatal(err)
	}
	opts := fieldcrypt.EncryptOptions{KeyAltName: "patients", Algorithm: "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"}
	sealed, err := ce.Encrypt(ctx, bson.RawValue{Type: t, Value: v}, opts)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("stored: binary of subtype", sealed.Subtype, "with", len(sealed.Data), "bytes")

	opened, err := ce.Decrypt(ctx, sealed)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("read:", opened.StringValue())
	// Output:
	// stored: binary of subtype 6 with 82 bytes
	// read: Jane
}

// Automatic encryption: a schema says what is encrypted, and the engine does it. With the official driver, package mongodriver calls the
// engine for every command; this shows what it does to one.
func ExampleNewAutoEncryption() {
	ctx := context.Background()
	masterKey := make([]byte, 96)
	if _, err := rand.Read(masterKey); err != nil {
		log.Fatal(err)
	}
	kms := map[string]map[string]any{"local": {"key": masterKey}}
	vault := keyvault.NewMemoryStore()
	ce, err := fieldcrypt.NewClientEncryption(nil, fieldcrypt.ClientEncryptionOptions{KeyVault: vault, KmsProviders: kms})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = ce.Close(ctx) }()
	key, err := ce.CreateDataKey(ctx, "local", fieldcrypt.DataKeyOptions{})
	if err != nil {
		log.Fatal(err)
	}

	engine, err := fieldcrypt.NewAutoEncryption(fieldcrypt.AutoEncryptionOptions{
		KmsProviders: kms,
		SchemaMap: map[string]any{"hr.employees": bson.M{
			"bsonType": "object",
			"properties": bson.M{"ssn": bson.M{"encrypt": bson.M{
				"bsonType":  "string",
				"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic",
				"keyId":     bson.A{key},
			}}},
		}},
	}, vault, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close()

	find, err := bson.Marshal(bson.D{
		{Key: "find", Value: "employees"},
		{Key: "filter", Value: bson.D{{Key: "ssn", Value: "901-01-0001"}, {Key: "active", Value: true}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	sent, err := engine.Encrypt(ctx, "hr", find)
	if err != nil {
		log.Fatal(err)
	}
	for _, field := range []string{"ssn", "active"} {
		fmt.Println(field+":", bson.Raw(find).Lookup("filter", field).Type, "->", sent.Lookup("filter", field).Type)
	}

	forbidden, err := bson.Marshal(bson.D{
		{Key: "find", Value: "employees"},
		{Key: "filter", Value: bson.D{{Key: "ssn", Value: bson.D{{Key: "$gt", Value: "900"}}}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = engine.Encrypt(ctx, "hr", forbidden)
	fmt.Println("range query refused:", err != nil)
	// Output:
	// ssn: string -> binary
	// active: boolean -> boolean
	// range query refused: true
}
