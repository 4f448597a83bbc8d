package main

import (
	"bytes"
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/mongodriver"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

const (
	deterministic = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"
	random        = "AEAD_AES_256_CBC_HMAC_SHA_512-Random"
)

// explicit is the story of the Amazon DocumentDB guide: the application encrypts values by hand, a client decrypts by itself.
func (d *demo) explicit(ctx context.Context) error {
	namespace := d.names.keyVault + ".dataKeys"
	providers := map[string]map[string]any{"local": {"key": masterKey()}}
	if err := d.keyVaultIndex(ctx, namespace); err != nil {
		return err
	}
	vaultClient, err := d.connect()
	if err != nil {
		return err
	}
	ce, err := fieldcrypt.NewClientEncryption(vaultClient, fieldcrypt.ClientEncryptionOptions{KeyVaultNamespace: namespace, KmsProviders: providers})
	if err != nil {
		return errors.Join(err, vaultClient.Disconnect(ctx))
	}
	defer d.closeKeys(ce)
	if err := d.dataKeys(ctx, ce); err != nil {
		return err
	}

	auto := fieldcrypt.AutoEncryptionOptions{KeyVaultNamespace: namespace, KmsProviders: providers, BypassAutoEncryption: true}
	reader, err := mongodriver.Connect(d.options(), auto)
	if err != nil {
		return err
	}
	defer d.disconnect(reader)
	if err := d.player(ctx, ce, reader); err != nil {
		return err
	}
	return d.rangeTrap(ctx, ce, auto)
}

func (d *demo) keyVaultIndex(ctx context.Context, namespace string) error {
	store, err := keyvault.NewMongoStore(d.plain, namespace)
	if err != nil {
		return err
	}
	partial, err := store.EnsureIndex(ctx)
	if err != nil {
		return d.checkErr("key vault "+namespace+" has a unique index on keyAltNames", err)
	}
	kind := "plain: this server has no partial indexes"
	if partial {
		kind = "partial"
	}
	return d.check("key vault "+namespace+" has a unique index on keyAltNames ("+kind+")", true)
}

// dataKeys creates the player's data key, and one from key material that comes from elsewhere.
func (d *demo) dataKeys(ctx context.Context, ce *fieldcrypt.ClientEncryption) error {
	if _, err := ce.CreateDataKey(ctx, "local", fieldcrypt.DataKeyOptions{KeyAltNames: []string{"players", "demo"}}); err != nil {
		return d.checkErr("a data key with the alt names players and demo", err)
	}
	key, err := ce.GetKeyByAltName(ctx, "demo")
	if err := d.check("a data key, wrapped by the local master key, is found by its alt name demo", err == nil && len(key.KeyAltNames) == 2); err != nil {
		return err
	}

	material := masterKey()
	id, err := ce.CreateDataKey(ctx, "local", fieldcrypt.DataKeyOptions{KeyAltNames: []string{"imported"}, KeyMaterial: material})
	if err != nil {
		return d.checkErr("a data key with custom key material", err)
	}
	value := stringValue("the same everywhere")
	got, err := ce.Encrypt(ctx, value, fieldcrypt.EncryptOptions{KeyID: &id, Algorithm: deterministic})
	if err != nil {
		return d.checkErr("encrypting under the imported key", err)
	}
	keyID, err := payload.KeyIDFromBinary(id)
	if err != nil {
		return err
	}
	imported, err := payload.NewKey(material)
	if err != nil {
		return err
	}
	want, err := imported.AppendEncrypt(nil, payload.Deterministic, keyID, value)
	return d.check("a data key with custom 96-byte key material encrypts as that material says", err == nil && bytes.Equal(got.Data, want))
}

// player stores and reads a document with encrypted names and date of birth.
func (d *demo) player(ctx context.Context, ce *fieldcrypt.ClientEncryption, reader *mongo.Client) error {
	encrypt := func(v any, algorithm string) (bson.Binary, error) {
		t, b, err := bson.MarshalValue(v)
		if err != nil {
			return bson.Binary{}, err
		}
		return ce.Encrypt(ctx, bson.RawValue{Type: t, Value: b}, fieldcrypt.EncryptOptions{KeyAltName: "players", Algorithm: algorithm})
	}
	birth := time.Date(1990, 4, 1, 0, 0, 0, 0, time.UTC)
	first, err1 := encrypt("Jane", deterministic)
	last, err2 := encrypt("Doe", deterministic)
	born, err3 := encrypt(birth, random)
	if err := d.checkErr("first and last name encrypted deterministically, date of birth randomly", errors.Join(err1, err2, err3)); err != nil {
		return err
	}
	players := d.plain.Database(d.names.game).Collection("players")
	_, err := players.InsertOne(ctx, bson.D{
		{Key: "gamerTag", Value: "jane_doe90"}, {Key: "firstName", Value: first}, {Key: "lastName", Value: last},
		{Key: "dateOfBirth", Value: born}, {Key: "Favorite_games", Value: bson.A{"Halo", "Age of Empires 2", "Medal of Honor"}},
	})
	if err := d.checkErr("the document is inserted through an ordinary client", err); err != nil {
		return err
	}

	app, errApp := reader.Database(d.names.game).Collection("players").FindOne(ctx, bson.D{{Key: "gamerTag", Value: "jane_doe90"}}).Raw()
	stored, errStored := players.FindOne(ctx, bson.D{{Key: "gamerTag", Value: "jane_doe90"}}).Raw()
	if err := d.checkErr("it is read by a client with the key and by one without", errors.Join(errApp, errStored)); err != nil {
		return err
	}
	d.compare(app, stored)
	if err := d.check("the client with the key sees the names and the date, decrypted automatically", app.Lookup("firstName").Equal(stringValue("Jane")) &&
		app.Lookup("lastName").Equal(stringValue("Doe")) && app.Lookup("dateOfBirth").Time().Equal(birth)); err != nil {
		return err
	}
	if err := d.check("the server stores ciphertext, and neither name in clear", isCiphertext(stored.Lookup("firstName")) &&
		isCiphertext(stored.Lookup("lastName")) && isCiphertext(stored.Lookup("dateOfBirth")) && hides(stored, "Jane", "Doe")); err != nil {
		return err
	}

	again, err := encrypt("Jane", deterministic)
	if err != nil {
		return d.checkErr("encrypting the value to look for", err)
	}
	found, err := players.CountDocuments(ctx, bson.D{{Key: "firstName", Value: again}})
	if err := d.check("an equality query on the encrypted first name finds the document", err == nil && found == 1); err != nil {
		return err
	}
	subtype, data := stored.Lookup("dateOfBirth").Binary()
	value, err := ce.Decrypt(ctx, bson.Binary{Subtype: subtype, Data: data})
	return d.check("decrypting the stored date of birth by hand gives it back", err == nil && value.Time().Equal(birth))
}

// rangeTrap shows why a range query on an encrypted field must not pass: the server would compare ciphertext.
func (d *demo) rangeTrap(ctx context.Context, ce *fieldcrypt.ClientEncryption, auto fieldcrypt.AutoEncryptionOptions) error {
	key, err := ce.GetKeyByAltName(ctx, "players")
	if err != nil {
		return err
	}
	auto.BypassAutoEncryption = false
	auto.SchemaMap = map[string]any{d.names.game + ".scores": bson.D{
		{Key: "bsonType", Value: "object"},
		{Key: "properties", Value: bson.D{{Key: "gamerscore", Value: encrypted(deterministic, "int", key.ID.Binary())}}},
	}}
	client, err := mongodriver.Connect(d.options(), auto)
	if err != nil {
		return err
	}
	defer d.disconnect(client)
	scores := client.Database(d.names.game).Collection("scores")
	_, err = scores.InsertMany(ctx, []any{
		bson.D{{Key: "gamerTag", Value: "jane_doe90"}, {Key: "gamerscore", Value: int32(12000)}},
		bson.D{{Key: "gamerTag", Value: "max_power"}, {Key: "gamerscore", Value: int32(900)}},
	})
	if err := d.checkErr("two gamerscores are inserted, encrypted", err); err != nil {
		return err
	}
	above := bson.D{{Key: "gamerscore", Value: bson.D{{Key: "$gt", Value: int32(1000)}}}}
	wrong, err := d.plain.Database(d.names.game).Collection("scores").CountDocuments(ctx, above)
	if err != nil {
		return d.checkErr("the same range query through an ordinary client", err)
	}
	d.say("    The trap: sent as it is, {gamerscore: {$gt: 1000}} compares with ciphertext; the server finds %d of 2 documents, without an error.", wrong)
	err = scores.FindOne(ctx, above).Err()
	var refused *analyze.RefusedError
	if err := d.check("the automatic path refuses it", errors.As(err, &refused) && refused.Path == "gamerscore" && refused.Operator == "$gt"); err != nil {
		return err
	}
	d.say("      %s (field %s, operator %s)\n      Instead: %s", refused.Message, refused.Path, refused.Operator, refused.Hint)
	n, err := scores.CountDocuments(ctx, bson.D{{Key: "gamerscore", Value: int32(12000)}})
	return d.check("an equality on the encrypted score passes and finds its document", err == nil && n == 1)
}

// encrypted is the schema of one encrypted field.
func encrypted(algorithm, bsonType string, key bson.Binary) bson.D {
	return bson.D{{Key: "encrypt", Value: bson.D{
		{Key: "bsonType", Value: bsonType}, {Key: "algorithm", Value: algorithm}, {Key: "keyId", Value: bson.A{key}},
	}}}
}

func stringValue(s string) bson.RawValue {
	t, b, _ := bson.MarshalValue(s) // a string always marshals
	return bson.RawValue{Type: t, Value: b}
}
