package keyvault_test

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
)

func TestNamespace(t *testing.T) {
	client, err := mongo.Connect(options.Client().ApplyURI("mongodb://127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(t.Context()) })
	for ns, want := range map[string]string{
		"encryption.__keyVault":           "",
		"db.a.b":                          "",
		"admin.datakeys":                  "",
		"":                                "no dot",
		"db":                              "no dot",
		".coll":                           "no database name",
		"db.":                             "no collection name",
		"db..coll":                        "begins or ends with a dot",
		"db.coll.":                        "begins or ends with a dot",
		"d b.coll":                        "a character that database names cannot have",
		"d\x00b.coll":                     "a character that database names cannot have",
		"db/x.coll":                       "a character that database names cannot have",
		"db.co$ll":                        "a character that collection names cannot have",
		"db.coll\x00":                     "a character that collection names cannot have",
		"db.system.keys":                  "a system collection",
		strings.Repeat("d", 64) + ".coll": "longer than 63 bytes",
		"db." + strings.Repeat("c", 253):  "longer than 255 bytes",
	} {
		store, err := keyvault.NewMongoStore(client, ns)
		if want == "" {
			if err != nil {
				t.Errorf("%q: %v", ns, err)
			}
			continue
		}
		if store != nil || err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "<database>.<collection>") {
			t.Errorf("%q: got %v, want %q", ns, err, want)
		}
	}
	if _, err := keyvault.NewMongoStore(nil, "db.coll"); err == nil {
		t.Error("took no client")
	}
}
