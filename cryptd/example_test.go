package cryptd_test

import (
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/cryptd"
)

// A driver asks what of a query must be encrypted: the command, and behind it the schema of the collection.
func ExampleAnalyzer() {
	encryptSSN := bson.D{{Key: "bsonType", Value: "object"}, {Key: "properties", Value: bson.D{{Key: "ssn", Value: bson.D{{Key: "encrypt", Value: bson.D{
		{Key: "bsonType", Value: "string"},
		{Key: "algorithm", Value: "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"},
		{Key: "keyId", Value: bson.A{bson.Binary{Subtype: 4, Data: make([]byte, 16)}}},
	}}}}}}}
	for _, filter := range []bson.D{{{Key: "ssn", Value: "457-55-5462"}}, {{Key: "ssn", Value: bson.D{{Key: "$gt", Value: "457-55-5462"}}}}} {
		request, err := bson.Marshal(bson.D{
			{Key: "find", Value: "people"}, {Key: "filter", Value: filter},
			{Key: "jsonSchema", Value: encryptSSN}, {Key: "isRemoteSchema", Value: false},
		})
		if err != nil {
			panic(err)
		}
		var a cryptd.Analyzer
		answer, err := a.Analyze(nil, "db", request)
		if err != nil {
			failure := cryptd.Describe(err)
			fmt.Println(failure.CodeName, failure.Message)
			continue
		}
		fmt.Println(answer)
	}
	// Output:
	// {"hasEncryptionPlaceholders": true,"schemaRequiresEncryption": true,"result": {"find": "people","filter": {"ssn": {"$binary":{"base64":"ADgAAAAQYQABAAAABWtpABAAAAAEAAAAAAAAAAAAAAAAAAAAAAJ2AAwAAAA0NTctNTUtNTQ2MgAA","subType":"06"}}}}}
	// FieldcryptRefused Invalid match expression operator on encrypted field, field "ssn", in $gt [rule match-operator-on-encrypted]; the server sees ciphertext only: use $eq, $ne, $in or $nin on a deterministically encrypted field, or filter after decryption
}
