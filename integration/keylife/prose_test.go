package keylife

import (
	"bytes"
	"encoding/base64"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
)

// TestCustomKeyMaterial is prose test 1.
func TestCustomKeyMaterial(t *testing.T) {
	s := start(t)
	ce := s.explicit(t)
	material, err := base64.StdEncoding.DecodeString("xPTAjBRG5JiPm+d3fj6XLi2q5DMXUS/f1f+SMAlhhwkhDRL0kr8r9GDLIGTAGlvC+HVjSIgdL+RKwZCvpXSyxTICWSXTUYsWYPyu3IoHbuBZdmw2faM3WhcRIgbMReU5")
	if err != nil {
		t.Fatal(err)
	}
	id, err := ce.CreateDataKey(t.Context(), "local", fieldcrypt.DataKeyOptions{KeyMaterial: material})
	if err != nil {
		t.Fatal(err)
	}
	var doc bson.D
	if err := s.keys.FindOneAndDelete(t.Context(), bson.D{{Key: "_id", Value: id}}).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	zero := bson.Binary{Subtype: bson.TypeBinaryUUID, Data: make([]byte, 16)}
	doc[0].Value = zero
	if _, err := s.keys.InsertOne(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
	const want = "AQAAAAAAAAAAAAAAAAAAAAACz0ZOLuuhEYi807ZXTdhbqhLaS2/t9wLifJnnNYwiw79d75QYIZ6M/aYC1h9nCzCjZ7pGUpAuNnkUhnIXM3PjrA=="
	got := encrypt(t, ce, "test", fieldcrypt.EncryptOptions{KeyID: &zero, Algorithm: deterministic})
	if base64.StdEncoding.EncodeToString(got.Data) != want {
		t.Error("the ciphertext is not the published one")
	}
}

// TestDataKeyAndDoubleEncryption is prose test 2, and the same for named providers and vault.
func TestDataKeyAndDoubleEncryption(t *testing.T) {
	s := start(t)
	s.services = allServices(t)
	for _, provider := range s.ids() {
		t.Run(provider, func(t *testing.T) {
			ce := s.explicit(t)
			altName := provider + "_altname"
			id := s.newKey(t, ce, provider, altName)
			if id.Subtype != bson.TypeBinaryUUID || len(id.Data) != 16 {
				t.Errorf("the key id is %d bytes of subtype %d", len(id.Data), id.Subtype)
			}
			if w := s.commands[len(s.commands)-1].Lookup("writeConcern", "w"); w.String() != `"majority"` {
				t.Errorf("inserted with write concern %s", w)
			}
			doc, err := s.keys.FindOne(t.Context(), bson.D{{Key: "_id", Value: id}}).Raw()
			if err != nil || doc.Lookup("masterKey", "provider").StringValue() != provider {
				t.Fatalf("stored with masterKey %s, %v", doc.Lookup("masterKey"), err)
			}

			coll := s.automatic(t, `{"bsonType": "object", "properties": {"encrypted_placeholder": {"encrypt": {"keyId": "/placeholder",
				"bsonType": "string", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random"}}}}`, fieldcrypt.AutoEncryptionOptions{})
			sealed := encrypt(t, ce, "hello "+provider, fieldcrypt.EncryptOptions{KeyID: &id, Algorithm: deterministic})
			if sealed.Subtype != 6 {
				t.Errorf("encrypted to subtype %d", sealed.Subtype)
			}
			if _, err := coll.InsertOne(t.Context(), bson.D{{Key: "_id", Value: provider}, {Key: "value", Value: sealed}}); err != nil {
				t.Fatal(err)
			}
			got, err := coll.FindOne(t.Context(), bson.D{{Key: "_id", Value: provider}}).Raw()
			if err != nil || got.Lookup("value").StringValue() != "hello "+provider {
				t.Errorf("got %s, %v", got, err)
			}
			byName := encrypt(t, ce, "hello "+provider, fieldcrypt.EncryptOptions{KeyAltName: altName, Algorithm: deterministic})
			if !bytes.Equal(byName.Data, sealed.Data) {
				t.Error("by alt name it is another ciphertext")
			}
			_, err = coll.InsertOne(t.Context(), bson.D{{Key: "encrypted_placeholder", Value: sealed}})
			if err == nil {
				t.Error("encrypted twice")
			}
		})
	}
}

// TestUniqueIndexOnKeyAltNames is prose test 13, with the index that EnsureKeyVault makes. Where that is not a partial one (FerretDB 1.x) it compares
// whole lists of names, and the parts of the test in which a list shares one name with another are left out.
func TestUniqueIndexOnKeyAltNames(t *testing.T) {
	s := start(t)
	ce := s.explicit(t)
	index, err := ce.EnsureKeyVault(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ce.EnsureKeyVault(t.Context()); again != index || err != nil {
		t.Errorf("a second time: %q, %v; first %q", again, err, index)
	}
	existing := newKey(t, ce, "local", "def")

	t.Run("createDataKey", func(t *testing.T) {
		newKey(t, ce, "local", "abc")
		for _, name := range []string{"abc", "def"} {
			if _, err := ce.CreateDataKey(t.Context(), "local", fieldcrypt.DataKeyOptions{KeyAltNames: []string{name}}); !mongo.IsDuplicateKeyError(err) {
				t.Errorf("%s again: %v", name, err)
			}
		}
	})
	t.Run("addKeyAltName", func(t *testing.T) {
		id := newKey(t, ce, "local")
		_, err1 := ce.AddKeyAltName(t.Context(), id, "ghi")
		again, err2 := ce.AddKeyAltName(t.Context(), id, "ghi")
		if err1 != nil || err2 != nil || !slices.Contains(again.KeyAltNames, "ghi") {
			t.Errorf("a name twice: %v, %v, %v", again, err1, err2)
		}
		if before, err := ce.AddKeyAltName(t.Context(), existing, "def"); err != nil || !slices.Contains(before.KeyAltNames, "def") {
			t.Errorf("a name that it has: %v, %v", before, err)
		}
		if index == keyvault.IndexPartial {
			if _, err := ce.AddKeyAltName(t.Context(), id, "def"); !mongo.IsDuplicateKeyError(err) {
				t.Errorf("another key's name: %v", err)
			}
		}
	})
}

// TestRewrap is prose test 16, and the same for named providers and vault.
func TestRewrap(t *testing.T) {
	s := start(t)
	s.services = allServices(t)
	for _, from := range s.ids() {
		for _, to := range s.ids() {
			t.Run(from+" to "+to, func(t *testing.T) {
				first, second := s.explicit(t), s.explicit(t)
				id := s.newKey(t, first, from)
				sealed := encrypt(t, first, "test", fieldcrypt.EncryptOptions{KeyID: &id, Algorithm: deterministic})
				res, err := second.RewrapManyDataKey(t.Context(), bson.D{{Key: "_id", Value: id}}, fieldcrypt.RewrapManyDataKeyOptions{
					Provider: to, MasterKey: s.masterKey(to),
				})
				if err != nil || res.BulkWriteResult == nil || res.ModifiedCount != 1 {
					t.Fatalf("got %+v, %v", res, err)
				}
				if key, err := first.GetKey(t.Context(), id); err != nil || key.Provider() != to {
					t.Errorf("stored under %v, %v", key, err)
				}
				for _, ce := range []*fieldcrypt.ClientEncryption{first, second, s.explicit(t)} {
					if got, err := ce.Decrypt(t.Context(), sealed); err != nil || got.StringValue() != "test" {
						t.Errorf("decrypted to %v, %v", got, err)
					}
				}
			})
		}
	}
	t.Run("masterKey without provider", func(t *testing.T) {
		_, err := s.explicit(t).RewrapManyDataKey(t.Context(), bson.D{}, fieldcrypt.RewrapManyDataKeyOptions{MasterKey: bson.D{}})
		checkError(t, err, "expected 'Provider' to be set to identify type of 'MasterKey'")
	})
}
