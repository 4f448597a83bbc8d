package schema_test

import (
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

func Example() {
	const text = `{
	  "bsonType": "object",
	  "encryptMetadata": {"keyId": [{"$uuid": "11d58b8a-0c6c-4d69-a0bd-70c6d9befae9"}]},
	  "properties": {
	    "ssn": {"encrypt": {"bsonType": "string", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"}},
	    "insurance": {
	      "bsonType": "object",
	      "properties": {"policy": {"encrypt": {"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random"}}}
	    }
	  }
	}`
	var doc bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(text), false, &doc); err != nil {
		panic(err)
	}
	s, err := schema.Parse(doc, schema.Local)
	if err != nil {
		panic(err)
	}
	for _, f := range s.Fields() {
		fmt.Println(f.Path, f.Algorithm, f.KeyID)
	}
	for _, path := range []string{"ssn", "insurance", "insurance.policy.number", "name"} {
		m, err := s.Lookup(path)
		if err != nil {
			panic(err)
		}
		fmt.Println(path, "is", m.Class)
	}

	// Without "bsonType" at the root, nothing makes certain that there is a field to encrypt.
	untyped, _ := bson.Marshal(bson.D{{Key: "properties", Value: bson.D{{Key: "ssn", Value: bson.D{{Key: "encrypt", Value: bson.D{}}}}}}})
	_, err = schema.Parse(untyped, schema.Local)
	fmt.Println(err)

	// Output:
	// ssn AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic 11d58b8a-0c6c-4d69-a0bd-70c6d9befae9
	// insurance.policy AEAD_AES_256_CBC_HMAC_SHA_512-Random 11d58b8a-0c6c-4d69-a0bd-70c6d9befae9
	// ssn is deterministic
	// insurance is prefix
	// insurance.policy.number is below
	// name is plain
	// encryption schema, at properties.ssn.encrypt: Invalid schema containing the 'encrypt' keyword. 'encrypt' cannot stand here: the root, above it, is not limited to documents by bsonType 'object'; hint: write bsonType: "object" (the string, not an array of types) at the root
}
