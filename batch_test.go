package fieldcrypt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// manyEmployees is an insert of so many documents that they are encrypted by several cores.
func manyEmployees(t testing.TB) bson.Raw {
	var docs bson.A
	for i := range 500 {
		docs = append(docs, bson.D{
			{Key: "_id", Value: int32(i)}, {Key: "ssn", Value: fmt.Sprintf("%09d", i)}, {Key: "phone", Value: strings.Repeat("5", i%40)},
			{Key: "address", Value: bson.D{{Key: "city", Value: "Oslo"}}}, {Key: "blob", Value: bson.Binary{Subtype: 6, Data: make([]byte, 82)}},
		})
	}
	return raw(t, bson.D{{Key: "insert", Value: "employees"}, {Key: "documents", Value: docs}, {Key: "$db", Value: "hr"}})
}

func TestLargeInserts(t *testing.T) {
	store := newVault()
	ce := explicit(t, store)
	ssn, phone := newKey(t, ce, "local"), newKey(t, ce, "local:tenant")
	cmd := manyEmployees(t)
	before := bytes.Clone(cmd)
	for _, cores := range []int{1, 4} {
		onCores(cores, func() {
			e := automatic(t, fieldcrypt.AutoEncryptionOptions{SchemaMap: employees(ssn, phone)}, store, nil)
			if _, err := e.Encrypt(t.Context(), "hr", raw(t, find(bson.D{{Key: "ssn", Value: "1"}}))); err != nil {
				t.Fatal(err)
			}
			for _, memory := range []string{"one key", "all keys"} {
				sealed, err := e.Encrypt(t.Context(), "hr", cmd)
				if err != nil {
					t.Fatal(err)
				}
				ciphertexts := 0
				docs, _ := sealed.Lookup("documents").Array().Values()
				for _, doc := range docs {
					for _, field := range []string{"ssn", "phone"} {
						if _, data, ok := doc.Document().Lookup(field).BinaryOK(); ok && payload.Kind(data[0]).Decryptable() {
							ciphertexts++
						}
					}
				}
				if ciphertexts != 2*500 {
					t.Errorf("%d cores, %s in memory: %d ciphertexts", cores, memory, ciphertexts)
				}
				if open, err := e.Decrypt(t.Context(), sealed); err != nil || !bytes.Equal(open, cmd) {
					t.Errorf("%d cores, %s in memory: comes back as %d bytes, %v, want %d", cores, memory, len(open), err, len(cmd))
				}
				if !bytes.Equal(cmd, before) {
					t.Error("the command was changed")
				}
			}
			// One by one, which is done as it is written, the values are the same where they can be.
			docs, _ := cmd.Lookup("documents").Array().Values()
			one, err := e.Encrypt(t.Context(), "hr", raw(t, bson.D{{Key: "insert", Value: "employees"}, {Key: "documents", Value: bson.A{docs[17]}}}))
			if err != nil {
				t.Fatal(err)
			}
			many, _ := e.Encrypt(t.Context(), "hr", cmd)
			if got, want := many.Lookup("documents", "17", "ssn"), one.Lookup("documents", "0", "ssn"); !got.Equal(want) {
				t.Errorf("%d cores: another deterministic ciphertext", cores)
			}
		})
	}
}

func TestLargeInsertIsCancelled(t *testing.T) {
	store := newVault()
	ce := explicit(t, store)
	e := automatic(t, fieldcrypt.AutoEncryptionOptions{SchemaMap: employees(newKey(t, ce, "local"), newKey(t, ce, "local"))}, store, nil)
	cmd := manyEmployees(t)
	if _, err := e.Encrypt(t.Context(), "hr", cmd); err != nil { // the keys are in memory now
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, cores := range []int{1, 4} {
		onCores(cores, func() {
			if got, err := e.Encrypt(ctx, "hr", cmd); !errors.Is(err, context.Canceled) || got != nil {
				t.Errorf("%d cores: got %d bytes, %v", cores, len(got), err)
			}
		})
	}
}
