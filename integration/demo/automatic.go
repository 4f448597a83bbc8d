package main

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/mongodriver"
)

// employee is what the application works with. Nothing in it tells that fields are encrypted.
type employee struct {
	ID      int32    `bson:"_id"`
	Name    string   `bson:"name"`
	Address address  `bson:"address"`
	Phone   string   `bson:"phone"`
	SSN     string   `bson:"ssn"`
	Bank    bank     `bson:"bank"`
	Reviews []string `bson:"reviews"`
}

type address struct {
	Street string `bson:"street"`
	City   string `bson:"city"`
	Zip    string `bson:"zip"`
}

type bank struct {
	IBAN string `bson:"iban"`
	BIC  string `bson:"bic"`
}

// automatic is the story of MongoDB's manual: a schema says which fields are encrypted, and the driver's ordinary API does the rest.
func (d *demo) automatic(ctx context.Context) error {
	h := &hr{demo: d, auto: fieldcrypt.AutoEncryptionOptions{
		KeyVaultNamespace: d.names.keyVault + ".hrKeys",
		KmsProviders:      map[string]map[string]any{"local": {"key": masterKey()}},
	}}
	vaultClient, err := d.connect()
	if err != nil {
		return err
	}
	h.ce, err = fieldcrypt.NewClientEncryption(vaultClient, fieldcrypt.ClientEncryptionOptions{
		KeyVaultNamespace: h.auto.KeyVaultNamespace, KmsProviders: h.auto.KmsProviders,
	})
	if err != nil {
		return errors.Join(err, vaultClient.Disconnect(ctx))
	}
	defer h.closeKeys(h.ce)
	if err := h.schema(ctx); err != nil {
		return err
	}
	client, err := mongodriver.Connect(d.options(), h.auto)
	if err != nil {
		return err
	}
	defer d.disconnect(client)
	h.employees = client.Database(d.names.hr).Collection("employees")
	h.stored = d.plain.Database(d.names.hr).Collection("employees")
	for _, act := range []func(context.Context) error{h.insert, h.find, h.change, h.count, h.replaceAndDelete, h.shred} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	return nil
}

// hr is the state of the automatic story.
type hr struct {
	*demo
	auto      fieldcrypt.AutoEncryptionOptions
	ce        *fieldcrypt.ClientEncryption
	phoneKey  bson.Binary
	employees *mongo.Collection // with keys
	stored    *mongo.Collection // without
}

var jane = employee{
	ID: 1, Name: "Jane Doe", Address: address{"1 Main Street", "Seattle", "98101"}, Phone: "+1 206 555 0100", SSN: "457-55-5462",
	Bank: bank{"GB33BUKB20201555555555", "BUKBGB22"}, Reviews: []string{"2025: exceeds", "2026: meets"},
}

var secrets = []string{"555 0100", "555 0199", "555 0142", "457-55-5462", "901-65-4321", "GB33BUKB", "BUKBGB22", "exceeds"}

// schema creates two data keys and the schema map: phone has a key of its own.
func (h *hr) schema(ctx context.Context) error {
	key, err := h.ce.CreateDataKey(ctx, "local", fieldcrypt.DataKeyOptions{KeyAltNames: []string{"hr"}})
	if err != nil {
		return h.checkErr("a data key", err)
	}
	if h.phoneKey, err = h.ce.CreateDataKey(ctx, "local", fieldcrypt.DataKeyOptions{KeyAltNames: []string{"hr-phone"}}); err != nil {
		return h.checkErr("a data key for phones", err)
	}
	h.auto.SchemaMap = map[string]any{h.names.hr + ".employees": bson.D{
		{Key: "bsonType", Value: "object"},
		{Key: "properties", Value: bson.D{
			{Key: "phone", Value: encrypted(random, "string", h.phoneKey)},
			{Key: "ssn", Value: encrypted(deterministic, "string", key)},
			{Key: "bank", Value: encrypted(random, "object", key)},
			{Key: "reviews", Value: encrypted(random, "array", key)},
		}},
	}}
	return h.check("a schema map: phone random, ssn deterministic, bank (an object) and reviews (an array) whole and random", true)
}

func (h *hr) insert(ctx context.Context) error {
	john := employee{ID: 2, Name: "John Roe", Phone: "+1 206 555 0199", SSN: "901-65-4321", Reviews: []string{}}
	_, err1 := h.employees.InsertOne(ctx, jane)
	_, err2 := h.employees.InsertMany(ctx, []any{john})
	return h.checkErr("InsertOne, InsertMany", errors.Join(err1, err2))
}

func (h *hr) find(ctx context.Context) error {
	var got employee
	result := h.employees.FindOne(ctx, bson.D{{Key: "ssn", Value: jane.SSN}})
	err := result.Decode(&got)
	if err := h.checkErr("FindOne by ssn", err); err != nil {
		return err
	}
	app, _ := result.Raw()
	stored, err := h.stored.FindOne(ctx, bson.D{{Key: "_id", Value: jane.ID}}).Raw()
	if err != nil {
		return h.checkErr("reading through a client without keys", err)
	}
	h.compare(app, stored)
	same := got.Name == jane.Name && got.Phone == jane.Phone && got.SSN == jane.SSN && got.Bank == jane.Bank && len(got.Reviews) == 2
	if err := h.check("the application gets the employee as it was inserted", same); err != nil {
		return err
	}
	return h.check("a client without keys sees BinData subtype 6 for all four fields, and no secret in clear",
		isCiphertext(stored.Lookup("phone")) && isCiphertext(stored.Lookup("ssn")) && isCiphertext(stored.Lookup("bank")) &&
			isCiphertext(stored.Lookup("reviews")) && hides(stored, secrets...))
}

func (h *hr) change(ctx context.Context) error {
	bySSN := bson.D{{Key: "ssn", Value: jane.SSN}}
	set := func(field, v string) bson.D { return bson.D{{Key: "$set", Value: bson.D{{Key: field, Value: v}}}} }
	updated, err := h.employees.UpdateOne(ctx, bySSN, set("phone", "+1 206 555 0142"))
	if err := h.check("UpdateOne by ssn sets the encrypted phone", err == nil && updated.ModifiedCount == 1); err != nil {
		return err
	}
	var after employee
	err = h.employees.FindOneAndUpdate(ctx, bySSN, set("address.city", "Tacoma"), options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&after)
	return h.check("FindOneAndUpdate by ssn returns the changed employee, decrypted",
		err == nil && after.Address.City == "Tacoma" && after.Phone == "+1 206 555 0142")
}

func (h *hr) count(ctx context.Context) error {
	n, err := h.employees.CountDocuments(ctx, bson.D{{Key: "ssn", Value: bson.D{{Key: "$in", Value: bson.A{jane.SSN, "000-00-0000"}}}}})
	if err := h.check("CountDocuments with $in on ssn counts 1", err == nil && n == 1); err != nil {
		return err
	}
	if n, err = h.employees.EstimatedDocumentCount(ctx); err != nil || n != 2 {
		return h.check("EstimatedDocumentCount counts 2", false)
	}
	var numbers []string
	err = h.employees.Distinct(ctx, "ssn", bson.D{}).Decode(&numbers)
	return h.check("Distinct on ssn gives the two numbers, decrypted", err == nil && len(numbers) == 2 && len(numbers[0]) == len(jane.SSN))
}

func (h *hr) replaceAndDelete(ctx context.Context) error {
	changed := jane
	changed.Name = "Jane Smith"
	replaced, err := h.employees.ReplaceOne(ctx, bson.D{{Key: "ssn", Value: jane.SSN}}, changed)
	if err := h.check("ReplaceOne by ssn", err == nil && replaced.ModifiedCount == 1); err != nil {
		return err
	}
	deleted, err := h.employees.DeleteOne(ctx, bson.D{{Key: "ssn", Value: "901-65-4321"}})
	if err := h.check("DeleteOne by ssn", err == nil && deleted.DeletedCount == 1); err != nil {
		return err
	}
	all, err := h.stored.Find(ctx, bson.D{})
	if err != nil {
		return h.checkErr("reading all that is stored", err)
	}
	var docs []bson.Raw
	if err := all.All(ctx, &docs); err != nil {
		return h.checkErr("reading all that is stored", err)
	}
	clean := len(docs) == 1
	for _, doc := range docs {
		clean = clean && hides(doc, secrets...)
	}
	return h.check("after all that the server still holds no secret in clear", clean)
}

// shred deletes the phones' data key: what it encrypted is gone for everyone, the other fields stay readable.
func (h *hr) shred(ctx context.Context) error {
	n, err := h.ce.DeleteKey(ctx, h.phoneKey)
	if err := h.check("the data key of phone is deleted from the key vault", err == nil && n == 1); err != nil {
		return err
	}
	read := func(undecryptable fieldcrypt.Undecryptable) (bson.Raw, error) {
		auto := h.auto
		auto.Undecryptable = undecryptable
		client, err := mongodriver.Connect(h.options(), auto) // a new client: this one has never had the key in memory
		if err != nil {
			return nil, err
		}
		defer h.disconnect(client)
		return client.Database(h.names.hr).Collection("employees").FindOne(ctx, bson.D{{Key: "ssn", Value: jane.SSN}}).Raw()
	}
	app, err := read(fieldcrypt.Keep)
	if err != nil {
		return h.checkErr("reading after the deletion", err)
	}
	stored, err := h.stored.FindOne(ctx, bson.D{}).Raw()
	if err != nil {
		return h.checkErr("reading after the deletion", err)
	}
	h.compare(app, stored)
	if err := h.check("phone comes back as BinData, shredded; ssn is still readable",
		isCiphertext(app.Lookup("phone")) && app.Lookup("ssn").Equal(stringValue(jane.SSN))); err != nil {
		return err
	}
	_, err = read(fieldcrypt.Fail)
	if err := h.check("with Undecryptable: Fail the same read is an error", err != nil && ctx.Err() == nil); err != nil {
		return err
	}
	h.say("      %v", err)
	return nil
}
