//go:build linux

package cli

import (
	"context"
	"os"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt/integration/shim"
	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
)

// Schemas on the embedded server, which has no validators, and behind a proxy that keeps them without enforcing.
func TestSchemas(t *testing.T) {
	if os.Getenv(testserver.URIVariable) != "" {
		t.Skip("a server of the user's may enforce schemas: this is about one that does not")
	}
	u := newUser(t, nil)
	u.write(t, "employees.json", `{"bsonType": "object", "properties": {
		"ssn": {"encrypt": {"bsonType": "string", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic", "keyId": [{"$uuid": "2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e"}]}},
		"home": {"bsonType": "object", "properties": {"street": {"encrypt": {"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random", "keyId": "/key"}}}}}}`)
	schema := []string{"--schema", "employees.json", "--collection", "hr.employees"}
	verb := func(name string, more ...string) []string {
		return append(append([]string{"schema", name}, schema...), more...)
	}

	client, err := mongo.Connect(options.Client().ApplyURI(u.uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	employees := client.Database("hr").Collection("employees")
	if _, err := employees.InsertOne(t.Context(), bson.D{{Key: "ssn", Value: "in clear"}}); err != nil {
		t.Fatal(err)
	}

	u.fails(t, 3, "1 schema: 1 difference", verb("diff")...)
	if code, stdout, _ := u.run(t, verb("probe")...); code != 3 || strings.Count(stdout, `"verdict":"not-enforced","reason":"the collection has no validator"`) != 2 {
		t.Errorf("%d %s", code, stdout)
	}
	u.fails(t, 1, "the server has no validators", verb("apply", "--yes")...)

	proxy, err := shim.Run(context.Background(), u.uri, shim.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	schema = append(schema, "--uri", proxy.URI())
	code, shown := u.atTerminal(t, "no\n", verb("apply")...)
	if code != 1 || !strings.Contains(shown, "fieldcrypt: hr.employees changes:") || !strings.Contains(shown, `+ $jsonSchema: {"bsonType":"object"`) ||
		!strings.Contains(shown, "Change the validators of 1 collection? Type yes to go on: ") || !strings.Contains(shown, "not confirmed, nothing was changed") {
		t.Errorf("%d %s", code, shown)
	}
	if code, shown := u.atTerminal(t, "yes\n", verb("apply")...); code != 0 || !strings.Contains(shown, "hr.employees  changed\n") {
		t.Errorf("%d %s", code, shown)
	}
	if code, shown := u.atTerminal(t, "", verb("apply")...); code != 0 || shown != "hr.employees  as it should be\n" {
		t.Errorf("%d %s", code, shown)
	}
	if code, shown := u.atTerminal(t, "", verb("diff")...); code != 0 || shown != "fieldcrypt: 1 schema: 0 differences\n" {
		t.Errorf("%d %s", code, shown)
	}
	code, shown = u.atTerminal(t, "", verb("probe")...)
	if code != 3 || !strings.Contains(shown, "COLLECTION    FIELD        VERDICT       REASON\n") || !strings.Contains(shown, "hr.employees  home.street  not-enforced  the server took plaintext") {
		t.Errorf("%d %s", code, shown)
	}
	u.write(t, "employees.json", `{"bsonType": "object", "properties": {"ssn": {"encrypt": {"bsonType": "string", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random", "keyId": "/key"}}}}`)
	code, shown = u.atTerminal(t, "", verb("diff")...)
	if code != 3 || !strings.Contains(shown, "COLLECTION    FIELD        DIFFERENCE             LOCAL") ||
		!strings.Contains(shown, "hr.employees  ssn          conflicting-algorithm  Random, string, key /key  Deterministic, string, key 2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e") ||
		!strings.Contains(shown, "hr.employees  home.street  extra                  -                         Random, any type, key /key") {
		t.Errorf("%d %s", code, shown)
	}
	if code, shown := u.atTerminal(t, "", "schema", "lint", "employees.json", "--online", "--collection", "hr.employees"); code != 0 || !strings.Contains(shown, "0 mistakes, 0 pieces of advice") {
		t.Errorf("%d %s", code, shown)
	}
	if code, shown := u.atTerminal(t, "", "schema", "validator", "employees.json", "--approximate"); code != 0 ||
		!strings.Contains(shown, "{\n  \"$jsonSchema\": {\n    \"bsonType\": \"object\",") {
		t.Errorf("%d %s", code, shown)
	}

	names, err := client.Database("hr").ListCollectionNames(t.Context(), bson.D{})
	if err != nil || len(names) != 1 {
		t.Errorf("left behind: %v %v", names, err)
	}
	if n, err := employees.CountDocuments(t.Context(), bson.D{}); err != nil || n != 1 {
		t.Errorf("%d documents, %v", n, err)
	}
}
