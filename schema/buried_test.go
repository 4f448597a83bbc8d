package schema_test

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

// An encryption schema that clients do not find is found, wherever it stands; others are not.
func TestBuried(t *testing.T) {
	const encrypts, plain = `{"bsonType": "object", "properties": {"ssn": {"encrypt": @enc}}}`, `{"required": ["name"]}`
	for text, want := range map[string]bool{
		`{}`:                                false,
		`{"$jsonSchema": ` + encrypts + `}`: false, // where it belongs
		`{"$and": [{"$jsonSchema": ` + plain + `}]}`:                                                false,
		`{"$and": [{"a": 1}, {"$jsonSchema": ` + encrypts + `}]}`:                                   true,
		`{"$jsonSchema": ` + encrypts + `, "$or": [{"$nor": [{"$jsonSchema": ` + encrypts + `}]}]}`: true,
		`{"$and": [{"$jsonSchema": {"properties": {"ssn": {"encrypt": 5}}}}]}`:                      true, // nobody knows what it was to be
		`{"a": {"$elemMatch": {"$jsonSchema": ` + encrypts + `}}}`:                                  true,
		`{"a": "$jsonSchema", "b": {"$eq": {"c": 1}}}`:                                              false,
	} {
		if got, err := schema.Buried(document(t, text)); got != want || err != nil {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
	deep := document(t, strings.Repeat(`{"$and": [`, 150)+`{}`+strings.Repeat(`]}`, 150))
	for _, bad := range []bson.Raw{deep, {9, 0, 0, 0, 3, 'a'}} {
		if _, err := schema.Buried(bad); err == nil {
			t.Errorf("%d bytes: no error", len(bad))
		}
	}
}
