package fieldcrypt_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"log/slog"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// In every step a query asks for what the step before and the step after have stored, and a reply with both comes back in plaintext.
func TestMigrating(t *testing.T) {
	ctx, store := t.Context(), newVault()
	ce := explicit(t, store)
	id := newKey(t, ce, "local")
	ssn, err := ce.Encrypt(ctx, value(t, "457"), fieldcrypt.EncryptOptions{KeyID: &id, Algorithm: det})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		step    schema.Migration
		both    bool // forms are asked for
		written bson.Type
	}{{schema.ReadBothWritePlain, true, bson.TypeString}, {schema.ReadBothWriteEncrypted, true, bson.TypeBinary}, {schema.EncryptedOnly, false, bson.TypeBinary}} {
		t.Run(tc.step.String(), func(t *testing.T) {
			var said bytes.Buffer
			opts := fieldcrypt.AutoEncryptionOptions{SchemaMap: employees(id, id), Logger: slog.New(slog.NewTextHandler(&said, nil)),
				Migrating: map[string]schema.Migration{"hr.employees": tc.step}}
			e := automatic(t, opts, store, nil)
			got, err := e.Encrypt(ctx, "hr", raw(t, find(bson.D{{Key: "ssn", Value: "457"}})))
			if err != nil {
				t.Fatal(err)
			}
			want := find(bson.D{{Key: "ssn", Value: ssn}})
			if tc.both {
				want = find(bson.D{{Key: "ssn", Value: bson.D{{Key: "$in", Value: bson.A{ssn, "457"}}}}})
			}
			if diff := cmp.Diff(raw(t, want), got); diff != "" {
				t.Error(diff)
			}
			got, err = e.Encrypt(ctx, "hr", raw(t, insert(bson.D{{Key: "ssn", Value: "457"}, {Key: "phone", Value: "555"}})))
			if err != nil {
				t.Fatal(err)
			}
			for _, field := range []string{"ssn", "phone"} {
				if typ := got.Lookup("documents", "0", field).Type; typ != tc.written {
					t.Errorf("%s is written as %v", field, typ)
				}
			}
			reply := func(a, b any) bson.Raw {
				return raw(t, bson.D{{Key: "firstBatch", Value: bson.A{bson.D{{Key: "ssn", Value: a}}, bson.D{{Key: "ssn", Value: b}}}}})
			}
			if got, err := e.Decrypt(ctx, reply(ssn, "458")); err != nil || !bytes.Equal(got, reply("457", "458")) {
				t.Errorf("got %v, %v", got, err)
			}
			if warned := strings.Count(said.String(), "hr.employees"); warned != 1 && tc.step == schema.ReadBothWritePlain || warned != 0 && tc.step != schema.ReadBothWritePlain {
				t.Errorf("logged: %s", said.String())
			}
		})
	}
}

// While a collection is being encrypted, a query asks for ciphertext and plaintext.
func ExampleAutoEncryptionOptions_migrating() {
	ctx := context.Background()
	masterKey := make([]byte, 96)
	if _, err := rand.Read(masterKey); err != nil {
		log.Fatal(err)
	}
	kms := map[string]map[string]any{"local": {"key": masterKey}}
	vault := keyvault.NewMemoryStore()
	ce, err := fieldcrypt.NewClientEncryption(nil, fieldcrypt.ClientEncryptionOptions{KeyVault: vault, KmsProviders: kms})
	if err != nil {
		log.Fatal(err)
	}
	key, err := ce.CreateDataKey(ctx, "local", fieldcrypt.DataKeyOptions{})
	if err != nil {
		log.Fatal(err)
	}
	engine, err := fieldcrypt.NewAutoEncryption(fieldcrypt.AutoEncryptionOptions{
		KmsProviders: kms,
		SchemaMap: map[string]any{"hr.employees": bson.M{"bsonType": "object", "properties": bson.M{"ssn": bson.M{"encrypt": bson.M{
			"bsonType": "string", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic", "keyId": bson.A{key},
		}}}}},
		Migrating: map[string]schema.Migration{"hr.employees": schema.ReadBothWriteEncrypted},
	}, vault, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close()

	find, err := bson.Marshal(bson.D{{Key: "find", Value: "employees"}, {Key: "filter", Value: bson.D{{Key: "ssn", Value: "901-01-0001"}}}})
	if err != nil {
		log.Fatal(err)
	}
	sent, err := engine.Encrypt(ctx, "hr", find)
	if err != nil {
		log.Fatal(err)
	}
	for i := range 2 {
		fmt.Println(sent.Lookup("filter", "ssn", "$in", strconv.Itoa(i)).Type)
	}
	// Output:
	// binary
	// string
}
