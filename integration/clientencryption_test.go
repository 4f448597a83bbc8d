package integration

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
)

func startExplicit(t *testing.T) (*fieldcrypt.ClientEncryption, *mongo.Collection) {
	t.Helper()
	uri := testserver.Start(t)
	db := testserver.Database(t)
	ce, err := fieldcrypt.NewClientEncryption(plainClient(t, uri), fieldcrypt.ClientEncryptionOptions{
		KeyVaultNamespace: db + ".datakeys", KmsProviders: kmsProviders(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ce.Close(context.Background()) })
	return ce, plainClient(t, uri).Database(db).Collection("datakeys")
}

// TestCustomKeyMaterial is prose test 1 of the driver specification "Client Side Encryption".
func TestCustomKeyMaterial(t *testing.T) {
	ce, vault := startExplicit(t)
	ctx := t.Context()
	material, err := base64.StdEncoding.DecodeString("xPTAjBRG5JiPm+d3fj6XLi2q5DMXUS/f1f+SMAlhhwkhDRL0kr8r9GDLIGTAGlvC+HVjSIgdL+RKwZCvpXSyxTICWSXTUYsWYPyu3IoHbuBZdmw2faM3WhcRIgbMReU5")
	if err != nil {
		t.Fatal(err)
	}
	id, err := ce.CreateDataKey(ctx, "local", fieldcrypt.DataKeyOptions{KeyMaterial: material})
	if err != nil {
		t.Fatal(err)
	}
	var doc bson.D
	if err := vault.FindOneAndDelete(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	zero := bson.Binary{Subtype: 4, Data: make([]byte, 16)}
	doc[0].Value = zero
	if _, err := vault.InsertOne(ctx, doc); err != nil {
		t.Fatal(err)
	}
	got, err := ce.Encrypt(ctx, value(t, "test"), fieldcrypt.EncryptOptions{KeyID: &zero, Algorithm: det})
	if err != nil {
		t.Fatal(err)
	}
	const want = "AQAAAAAAAAAAAAAAAAAAAAACz0ZOLuuhEYi807ZXTdhbqhLaS2/t9wLifJnnNYwiw79d75QYIZ6M/aYC1h9nCzCjZ7pGUpAuNnkUhnIXM3PjrA=="
	if base64.StdEncoding.EncodeToString(got.Data) != want {
		t.Error("the ciphertext is not the published one")
	}
}

// TestKeyManagement goes through the life of a key on a real server.
func TestKeyManagement(t *testing.T) {
	ce, vault := startExplicit(t)
	ctx := t.Context()
	id, err := ce.CreateDataKey(ctx, "local", fieldcrypt.DataKeyOptions{KeyAltNames: []string{"one", "two"}})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := vault.FindOne(ctx, bson.D{}).Raw()
	if err != nil {
		t.Fatal(err)
	}
	var fields []string
	elements, _ := doc.Elements()
	for _, e := range elements {
		fields = append(fields, e.Key())
	}
	if diff := cmp.Diff([]string{"_id", "keyAltNames", "keyMaterial", "creationDate", "updateDate", "status", "masterKey"}, fields); diff != "" {
		t.Error(diff)
	}
	sealed, err := ce.Encrypt(ctx, value(t, "v"), fieldcrypt.EncryptOptions{KeyAltName: "two", Algorithm: random})
	if err != nil {
		t.Fatal(err)
	}

	before, err := ce.AddKeyAltName(ctx, id, "three")
	if err != nil || !cmp.Equal(before.KeyAltNames, []string{"one", "two"}) {
		t.Errorf("add: %v, %v", before, err)
	}
	before, err = ce.RemoveKeyAltName(ctx, id, "one")
	if err != nil || !cmp.Equal(before.KeyAltNames, []string{"one", "two", "three"}) {
		t.Errorf("remove: %v, %v", before, err)
	}
	if _, err := ce.GetKeyByAltName(ctx, "one"); !errors.Is(err, keyvault.ErrNotFound) {
		t.Errorf("a removed name: %v", err)
	}
	now, err := ce.GetKeyByAltName(ctx, "three")
	if err != nil || !cmp.Equal(now.KeyAltNames, []string{"two", "three"}) {
		t.Errorf("get: %v, %v", now, err)
	}

	res, err := ce.RewrapManyDataKey(ctx, bson.D{}, fieldcrypt.RewrapManyDataKeyOptions{Provider: "local:tenant"})
	if err != nil || res.BulkWriteResult == nil || res.ModifiedCount != 1 {
		t.Fatalf("rewrap: %+v, %v", res, err)
	}
	rewrapped, err := ce.GetKey(ctx, id)
	if err != nil || rewrapped.Provider() != "local:tenant" || bytes.Equal(rewrapped.KeyMaterial, now.KeyMaterial) || rewrapped.UpdateDate.Before(now.UpdateDate) {
		t.Errorf("rewrapped: %v, %v", rewrapped, err)
	}
	if got, err := ce.Decrypt(ctx, sealed); err != nil || got.StringValue() != "v" {
		t.Errorf("decrypt after rewrapping: %v, %v", got, err)
	}
	if res, err := ce.RewrapManyDataKey(ctx, bson.D{{Key: "keyAltNames", Value: "nobody"}}, fieldcrypt.RewrapManyDataKeyOptions{}); err != nil || res.BulkWriteResult != nil {
		t.Errorf("rewrap of nothing: %+v, %v", res, err)
	}

	if n, err := ce.DeleteKey(ctx, id); n != 1 || err != nil {
		t.Errorf("delete: %d, %v", n, err)
	}
	if keys, err := ce.GetKeys(ctx); err != nil || len(keys) != 0 {
		t.Errorf("%d keys left, %v", len(keys), err)
	}
	if _, err := ce.Decrypt(ctx, sealed); !errors.Is(err, keyvault.ErrNotFound) {
		t.Errorf("decrypt after delete: %v", err)
	}
}

// TestExplicitQuery: a deterministic ciphertext finds what was stored under the same key; a random one does not.
func TestExplicitQuery(t *testing.T) {
	ce, vault := startExplicit(t)
	ctx := t.Context()
	if _, err := ce.CreateDataKey(ctx, "local:tenant", fieldcrypt.DataKeyOptions{KeyAltNames: []string{"gamers"}}); err != nil {
		t.Fatal(err)
	}
	seal := func(v any, algorithm string) bson.Binary {
		t.Helper()
		sealed, err := ce.Encrypt(ctx, value(t, v), fieldcrypt.EncryptOptions{KeyAltName: "gamers", Algorithm: algorithm})
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	coll := vault.Database().Collection("gamers")
	if _, err := coll.InsertOne(ctx, bson.D{
		{Key: "gamerTag", Value: "jane_doe90"}, {Key: "firstName", Value: seal("Jane", det)}, {Key: "born", Value: seal("1990-05-01", random)},
	}); err != nil {
		t.Fatal(err)
	}
	raw, err := coll.FindOne(ctx, bson.D{{Key: "firstName", Value: seal("Jane", det)}}).Raw()
	if err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]string{"firstName": "Jane", "born": "1990-05-01"} {
		subtype, data := raw.Lookup(field).Binary()
		if v, err := ce.Decrypt(ctx, bson.Binary{Subtype: subtype, Data: data}); err != nil || v.StringValue() != want {
			t.Errorf("%s: %v, %v", field, v, err)
		}
	}
	if err := coll.FindOne(ctx, bson.D{{Key: "born", Value: seal("1990-05-01", random)}}).Err(); !errors.Is(err, mongo.ErrNoDocuments) {
		t.Errorf("a randomly encrypted value was found: %v", err)
	}
}
