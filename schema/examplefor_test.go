package schema_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// The struct that the application stores anyway says what is encrypted.
func ExampleFor() {
	type Patient struct {
		Name      string
		SSN       string    `bson:"ssn" fieldcrypt:"deterministic"` // can be searched
		Born      time.Time `bson:"born" fieldcrypt:"random"`
		Insurance *struct {
			Provider string
			Policy   int64 `bson:"policy" fieldcrypt:"random"`
		} `bson:"insurance,omitempty"`
		Notes []string `bson:"notes,omitempty" fieldcrypt:"random"`
	}

	ctx := context.Background()
	masterKey := make([]byte, 96) // from your secret store; here a new one
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

	patients, err := schema.For[Patient](schema.ForOptions{KeyID: key})
	if err != nil {
		log.Fatal(err) // names the field, at start-up
	}
	// With the official driver, the same options go to mongodriver.Connect.
	engine, err := fieldcrypt.NewAutoEncryption(fieldcrypt.AutoEncryptionOptions{
		KmsProviders: kms,
		SchemaMap:    map[string]any{"hospital.patients": patients},
	}, vault, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close()

	insert, err := bson.Marshal(bson.D{{Key: "insert", Value: "patients"}, {Key: "documents", Value: []Patient{{Name: "Jane", SSN: "457-55-5462"}}}})
	if err != nil {
		log.Fatal(err)
	}
	sent, err := engine.Encrypt(ctx, "hospital", insert)
	if err != nil {
		log.Fatal(err)
	}
	stored := sent.Lookup("documents", "0").Document()
	for _, field := range []string{"name", "ssn", "born"} {
		fmt.Println(field, "is stored as", stored.Lookup(field).Type)
	}

	// What the server may be told, so that it refuses plaintext: see also "fieldcrypt schema apply".
	validator, err := schema.Validator(patients, schema.ValidatorOptions{})
	fmt.Println(len(validator) > 0, err)

	type Wrong struct {
		Age int `fieldcrypt:"deterministic"`
	}
	_, err = schema.For[Wrong](schema.ForOptions{KeyID: key})
	fmt.Println(err)
	// Output:
	// name is stored as string
	// ssn is stored as binary
	// born is stored as binary
	// true <nil>
	// encryption schema of schema_test.Wrong: field Age: the driver writes a int as int or long, by value; the deterministic algorithm needs one BSON type, since equal numbers of different types encrypt differently; hint: use int32 or int64 without minsize, or the random algorithm
}
