package keylife

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
)

// Each person has a key of their own, named in the document. One asks to be forgotten.
func TestShreddingAPerson(t *testing.T) {
	s := start(t)
	officer := s.explicit(t)
	if _, err := officer.EnsureKeyVault(t.Context()); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bson.Binary{}
	for _, name := range []string{"Ada", "Bob"} {
		ids[name] = newKey(t, officer, "local", "person "+name)
	}
	schema := `{"bsonType": "object", "properties": {"diagnosis": {"encrypt": {"keyId": "/key", "bsonType": "string",
		"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random"}}}}`
	application := s.automatic(t, schema, fieldcrypt.AutoEncryptionOptions{})
	none := time.Duration(-1)
	expired := s.automatic(t, schema, fieldcrypt.AutoEncryptionOptions{KeyExpiration: &none}) // a process whose memory has run out
	for name := range ids {
		doc := bson.D{{Key: "_id", Value: name}, {Key: "key", Value: "person " + name}, {Key: "diagnosis", Value: "of " + name}}
		if _, err := application.InsertOne(t.Context(), doc); err != nil {
			t.Fatal(err)
		}
	}
	sealed := encrypt(t, officer, "note", fieldcrypt.EncryptOptions{KeyAltName: "person Ada", Algorithm: random})

	stored, err := s.keys.FindOne(t.Context(), bson.D{{Key: "_id", Value: ids["Ada"]}}).Raw()
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(stored) // as somebody else can compute it, from a backup
	receipt, err := officer.ShredKey(t.Context(), ids["Ada"], fieldcrypt.ShredOptions{RequestedBy: "Ada, letter of 3 May"})
	if err != nil || !receipt.Verified || receipt.CachesExpire == nil {
		t.Fatalf("got %+v, %v", receipt, err)
	}
	if receipt.DocumentSHA256 != hex.EncodeToString(hash[:]) {
		t.Errorf("the receipt is about a document of hash %s", receipt.DocumentSHA256)
	}
	if n, err := s.keys.CountDocuments(t.Context(), bson.D{{Key: "_id", Value: ids["Ada"]}}); n != 0 || err != nil {
		t.Errorf("%d key documents left, %v", n, err)
	}
	if _, err := s.plain.Database(s.db).Collection("receipts").InsertOne(t.Context(), receipt); err != nil {
		t.Errorf("storing the receipt: %v", err)
	}
	if _, err := officer.Decrypt(t.Context(), sealed); !errors.Is(err, keyvault.ErrNotFound) {
		t.Errorf("the officer's own client: %v", err)
	}

	for who, tc := range map[string]struct {
		coll *mongo.Collection
		ada  bson.Type
	}{
		"the application, until its memory expires": {application, bson.TypeString},
		"a process without her key in memory":       {expired, bson.TypeBinary},
		"a process started later":                   {s.automatic(t, schema, fieldcrypt.AutoEncryptionOptions{}), bson.TypeBinary},
	} {
		for name, want := range map[string]bson.Type{"Ada": tc.ada, "Bob": bson.TypeString} {
			doc, err := tc.coll.FindOne(t.Context(), bson.D{{Key: "_id", Value: name}}).Raw()
			if got := doc.Lookup("diagnosis"); err != nil || got.Type != want {
				t.Errorf("%s: the diagnosis of %s is a %s, %v", who, name, got.Type, err)
			}
		}
	}
	doc := bson.D{{Key: "_id", Value: "late"}, {Key: "key", Value: "person Ada"}, {Key: "diagnosis", Value: "x"}}
	if _, err := expired.InsertOne(t.Context(), doc); err == nil {
		t.Error("encrypted with a shredded key")
	}
}
