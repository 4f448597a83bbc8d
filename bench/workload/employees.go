package workload

import (
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/cryptd"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

const (
	database   = "hr"
	collection = "employees"

	deterministic = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"
	random        = "AEAD_AES_256_CBC_HMAC_SHA_512-Random"
)

// employee has 20 fields; schema encrypts the 5 after the _id, which is where servers want it.
func employee(i int) bson.D {
	return bson.D{
		{Key: "_id", Value: int32(i)},
		{Key: "ssn", Value: fmt.Sprintf("%09d", 100000000+i)},
		{Key: "account", Value: int64(7000000000 + i)},
		{Key: "insurer", Value: fmt.Sprintf("insurer number %d", i%50)},
		{Key: "salary", Value: int32(50000 + i)},
		{Key: "address", Value: bson.D{{Key: "street", Value: fmt.Sprintf("%d Long Street", i)}, {Key: "zip", Value: "10115"}, {Key: "city", Value: "Berlin"}}},
		{Key: "name", Value: fmt.Sprintf("employee number %d", i)},
		{Key: "title", Value: "engineer"},
		{Key: "department", Value: "research and development"},
		{Key: "active", Value: true},
		{Key: "hired", Value: time.Date(2020, 1, 1+i%365, 0, 0, 0, 0, time.UTC)},
		{Key: "level", Value: int32(i % 7)},
		{Key: "rating", Value: 4.5},
		{Key: "languages", Value: bson.A{"German", "English"}},
		{Key: "manager", Value: int32(i / 10)},
		{Key: "desk", Value: bson.D{{Key: "floor", Value: int32(3)}, {Key: "no", Value: int32(i)}}},
		{Key: "phone", Value: "+49 30 555 0100"},
		{Key: "email", Value: fmt.Sprintf("number%d@example.org", i)},
		{Key: "notes", Value: "likes long walks and short meetings"},
		{Key: "version", Value: int64(1)},
	}
}

func employees(n int) bson.A {
	docs := make(bson.A, n)
	for i := range docs {
		docs[i] = employee(i)
	}
	return docs
}

func schema(key payload.KeyID) bson.D {
	encrypted := func(name, bsonType, algorithm string) bson.E {
		return bson.E{Key: name, Value: bson.D{{Key: "encrypt", Value: bson.D{
			{Key: "bsonType", Value: bsonType}, {Key: "algorithm", Value: algorithm}, {Key: "keyId", Value: bson.A{key.Binary()}},
		}}}}
	}
	return bson.D{{Key: "bsonType", Value: "object"}, {Key: "properties", Value: bson.D{
		encrypted("ssn", "string", deterministic), encrypted("account", "long", deterministic), encrypted("insurer", "string", deterministic),
		encrypted("salary", "int", random), encrypted("address", "object", random),
	}}}
}

func insertCommand(n int) bson.D {
	return bson.D{{Key: "insert", Value: collection}, {Key: "ordered", Value: true}, {Key: "documents", Value: employees(n)}}
}

// findReply is what a server answers to a find.
func findReply(docs any) bson.D {
	return bson.D{{Key: "cursor", Value: bson.D{
		{Key: "firstBatch", Value: docs}, {Key: "id", Value: int64(0)}, {Key: "ns", Value: database + "." + collection},
	}}, {Key: "ok", Value: 1.0}}
}

// analysis is what query analysis answers for a command: the markings that the other side encrypts.
func analysis(command, schema bson.D) (bson.Raw, error) {
	request, err := bson.Marshal(append(command[:len(command):len(command)], bson.E{Key: "jsonSchema", Value: schema}, bson.E{Key: "isRemoteSchema", Value: false}))
	if err != nil {
		return nil, err
	}
	return (&cryptd.Analyzer{OK: true}).Analyze(nil, database, request)
}
