package analyze_test

import (
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

const exampleSchema = `{
	"bsonType": "object",
	"properties": {
		"ssn": {"encrypt": {
			"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic",
			"bsonType": "string",
			"keyId": [{"$uuid": "2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e"}]
		}}
	}
}`

func Example() {
	var doc bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(exampleSchema), false, &doc); err != nil {
		panic(err)
	}
	people, err := schema.Parse(doc, schema.Local)
	if err != nil {
		panic(err)
	}
	cmd, err := bson.Marshal(bson.D{{Key: "find", Value: "people"}, {Key: "filter", Value: bson.D{{Key: "ssn", Value: "457-55-5462"}}}})
	if err != nil {
		panic(err)
	}

	target, err := analyze.Classify("hr", cmd)
	if err != nil {
		panic(err)
	}
	fmt.Println(target.Command, "needs the schemas of", target.Namespaces)

	schemas := map[string]*schema.Schema{"hr.people": people}
	res, err := analyze.Command(nil, target, cmd, schemas, analyze.Markings{}, analyze.Options{})
	if err != nil {
		panic(err)
	}
	_, content := res.Command.Lookup("filter", "ssn").Binary()
	marking, err := payload.ParseMarking(content)
	if err != nil {
		panic(err)
	}
	fmt.Println("sealed:", res.HasPlaceholders)
	fmt.Println(marking)
	// Output:
	// find needs the schemas of [hr.people]
	// sealed: true
	// marking(AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic, data key 2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e, value of type string)
}

// What cannot run on ciphertext is refused, with the reason and what to do instead.
func ExampleRefusedError() {
	var doc, cmd bson.Raw
	if err := errors.Join(
		bson.UnmarshalExtJSON([]byte(exampleSchema), false, &doc),
		bson.UnmarshalExtJSON([]byte(`{"find": "people", "filter": {"ssn": {"$gt": "4"}}}`), false, &cmd),
	); err != nil {
		panic(err)
	}
	people, err := schema.Parse(doc, schema.Local)
	if err != nil {
		panic(err)
	}
	target, err := analyze.Classify("hr", cmd)
	if err != nil {
		panic(err)
	}
	schemas := map[string]*schema.Schema{"hr.people": people}
	_, err = analyze.Command(nil, target, cmd, schemas, analyze.Markings{}, analyze.Options{})
	if refused := (*analyze.RefusedError)(nil); errors.As(err, &refused) {
		fmt.Println(refused.Rule)
		fmt.Println(refused.Path, refused.Operator)
		fmt.Println(refused.Hint)
	}
	// Output:
	// match-operator-on-encrypted
	// ssn $gt
	// the server sees ciphertext only: use $eq, $ne, $in or $nin on a deterministically encrypted field, or filter after decryption
}
