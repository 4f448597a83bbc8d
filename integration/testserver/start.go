package testserver

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// URIVariable names the environment variable with the connection string of a server to test against instead of an
// embedded one: a real MongoDB, Amazon DocumentDB or FerretDB v2.
const URIVariable = "FIELDCRYPT_TEST_URI"

// Start returns the URI of a server for one test: the one that FIELDCRYPT_TEST_URI names, else a new embedded one that
// stops when the test ends. Disconnect clients before that (t.Cleanup is early enough), or the end takes three seconds.
func Start(t testing.TB) string {
	t.Helper()
	if uri := os.Getenv(URIVariable); uri != "" {
		return uri
	}
	// Not t.Context(): it is done before the clean-ups run in which clients disconnect.
	s, err := Run(context.Background(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s.URI()
}

// Database returns a database name that no other test uses, now or later, on any server. What is in it is dropped
// when the test ends.
func Database(t testing.TB) string {
	t.Helper()
	letters := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}
	name := strings.Map(letters, strings.ToLower(t.Name()))
	name = name[:min(len(name), 40)] + "_" + strings.ToLower(rand.Text()[:10])
	if uri := os.Getenv(URIVariable); uri != "" { // an embedded server is removed as a whole
		t.Cleanup(func() { drop(t, uri, name) })
	}
	return name
}

func drop(t testing.TB, uri, name string) {
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Error(err)
		return
	}
	if err := client.Database(name).Drop(context.Background()); err != nil {
		t.Errorf("dropping database %s: %v", name, err)
	}
	if err := client.Disconnect(context.Background()); err != nil {
		t.Error(err)
	}
}
