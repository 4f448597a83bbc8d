package enforce_test

import (
	"fmt"
	"log"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/schema"
	"github.com/fieldcrypt/fieldcrypt/schema/enforce"
)

// A collection's other conditions stay in force; what no ciphertext can meet is refused. With a server, MakePlan does this for the validator that a collection
// has, and Plan.Apply sets it.
func ExampleMerge() {
	key := bson.Binary{Subtype: bson.TypeBinaryUUID, Data: make([]byte, 16)}
	type Employee struct {
		SSN string `bson:"ssn" fieldcrypt:"random"`
	}
	doc, err := schema.For[Employee](schema.ForOptions{KeyID: key})
	if err != nil {
		log.Fatal(err)
	}
	existing, err := bson.Marshal(bson.M{"$jsonSchema": bson.M{"required": bson.A{"name"}}})
	if err != nil {
		log.Fatal(err)
	}
	validator, err := enforce.Merge("hr.employees", doc, schema.ValidatorOptions{Existing: existing})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(validator.Lookup("$jsonSchema", "required"), validator.Lookup("$jsonSchema", "properties", "ssn", "encrypt", "bsonType"))

	existing, err = bson.Marshal(bson.M{"ssn": bson.M{"$gt": "1"}})
	if err != nil {
		log.Fatal(err)
	}
	_, err = enforce.Merge("hr.employees", doc, schema.ValidatorOptions{Existing: existing})
	fmt.Println(err != nil)
	// Output:
	// ["name"] "string"
	// true
}
