package main

import (
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const (
	deterministic = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"
	random        = "AEAD_AES_256_CBC_HMAC_SHA_512-Random"
)

// schema encrypts 5 fields.
var schema = bson.D{{Key: "bsonType", Value: "object"}, {Key: "properties", Value: bson.D{
	encrypted("ssn", "string", deterministic), encrypted("account", "long", deterministic), encrypted("phone", "string", random),
	encrypted("card", "object", random), encrypted("visits", "array", random),
}}}

func encrypted(name, bsonType, algorithm string) bson.E {
	return bson.E{Key: name, Value: bson.D{{Key: "encrypt", Value: bson.D{
		{Key: "bsonType", Value: bsonType}, {Key: "algorithm", Value: algorithm}, {Key: "keyId", Value: bson.A{bson.Binary{Subtype: 4, Data: make([]byte, 16)}}},
	}}}}
}

// The requests, as libmongocrypt makes them.
var (
	find   = withSchema(bson.D{{Key: "find", Value: "employees"}, {Key: "filter", Value: bson.D{{Key: "ssn", Value: "457-55-5462"}}}})
	insert = withSchema(bson.D{{Key: "insert", Value: "employees"}, {Key: "documents", Value: bson.A{employee()}}})
)

func withSchema(command bson.D) bson.D {
	return append(command, bson.E{Key: "jsonSchema", Value: schema}, bson.E{Key: "isRemoteSchema", Value: false})
}

// employee has 20 fields.
func employee() bson.D {
	doc := bson.D{
		{Key: "ssn", Value: "457-55-5462"}, {Key: "account", Value: int64(7)}, {Key: "phone", Value: "555 1234"},
		{Key: "card", Value: bson.D{{Key: "no", Value: "4000"}}}, {Key: "visits", Value: bson.A{"2026-01-02", "2026-02-03"}},
	}
	for i := range 15 {
		doc = append(doc, bson.E{Key: "field" + strconv.Itoa(i), Value: "some value"})
	}
	return doc
}
