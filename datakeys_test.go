package fieldcrypt_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

func TestCreateDataKey(t *testing.T) {
	ce := explicit(t, newVault(), &fakeKMS{})
	id, err := ce.CreateDataKey(t.Context(), "aws", fieldcrypt.DataKeyOptions{
		MasterKey:   bson.D{{Key: "region", Value: "eu"}, {Key: "key", Value: "arn"}},
		KeyAltNames: []string{"b", "a"},
		KeyMaterial: master(7),
	})
	if err != nil {
		t.Fatal(err)
	}
	if id.Subtype != 4 || len(id.Data) != 16 || id.Data[6]>>4 != 4 || id.Data[8]>>6 != 2 {
		t.Errorf("got id %v, want a UUID of version 4", id)
	}
	got, err := ce.GetKey(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if age := time.Since(got.CreationDate); age < 0 || age > time.Minute || !got.UpdateDate.Equal(got.CreationDate) {
		t.Errorf("created %v, updated %v", got.CreationDate, got.UpdateDate)
	}
	want := &keyvault.DataKey{
		ID: payload.KeyID(id.Data), KeyAltNames: []string{"b", "a"}, KeyMaterial: master(7),
		CreationDate: got.CreationDate, UpdateDate: got.UpdateDate,
		MasterKey: raw(t, bson.D{{Key: "provider", Value: "aws"}, {Key: "region", Value: "eu"}, {Key: "key", Value: "arn"}}),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCreateDataKeyRefuses(t *testing.T) {
	store := newVault()
	ce := explicit(t, store)
	newKey(t, ce, "local", "taken")
	for name, tc := range map[string]struct {
		provider string
		opts     fieldcrypt.DataKeyOptions
		want     string
	}{
		"short material":  {"local", fieldcrypt.DataKeyOptions{KeyMaterial: make([]byte, 95)}, "keyMaterial should have length 96, but has length 95"},
		"empty material":  {"local", fieldcrypt.DataKeyOptions{KeyMaterial: []byte{}}, "keyMaterial should have length 96, but has length 0"},
		"same name twice": {"local", fieldcrypt.DataKeyOptions{KeyAltNames: []string{"a", "a"}}, "duplicate keyAltNames found"},
		"empty name":      {"local", fieldcrypt.DataKeyOptions{KeyAltNames: []string{""}}, "must not be empty"},
		"taken name":      {"local", fieldcrypt.DataKeyOptions{KeyAltNames: []string{"taken"}}, "duplicate key error"},
		"provider":        {"local:who", fieldcrypt.DataKeyOptions{}, "KMS provider `local:who` is not configured"},
		"master key":      {"local", fieldcrypt.DataKeyOptions{MasterKey: bson.D{{Key: "region", Value: "x"}}}, "region"},
		"other provider":  {"local", fieldcrypt.DataKeyOptions{MasterKey: bson.D{{Key: "provider", Value: "aws"}}}, "provider"},
		"not a document":  {"local", fieldcrypt.DataKeyOptions{MasterKey: 1}, "masterKey"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ce.CreateDataKey(t.Context(), tc.provider, tc.opts)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	_, err := ce.CreateDataKey(t.Context(), "local", fieldcrypt.DataKeyOptions{KeyAltNames: []string{"taken"}})
	if !mongo.IsDuplicateKeyError(err) {
		t.Errorf("taken name: got %#v, want a duplicate key error", err)
	}
	if keys, err := ce.GetKeys(t.Context()); err != nil || len(keys) != 1 {
		t.Errorf("got %d keys, %v, want the first one only", len(keys), err)
	}
}

func TestAltNames(t *testing.T) {
	ce := explicit(t, newVault())
	id := newKey(t, ce, "local", "one")
	before, err := ce.AddKeyAltName(t.Context(), id, "two")
	if err != nil || !cmp.Equal(before.KeyAltNames, []string{"one"}) {
		t.Errorf("add: got %v, %v", before, err)
	}
	if got, err := ce.GetKeyByAltName(t.Context(), "two"); err != nil || got.ID != payload.KeyID(id.Data) {
		t.Errorf("get: got %v, %v", got, err)
	}
	encrypt := func() error {
		_, err := ce.Encrypt(t.Context(), value(t, 1), fieldcrypt.EncryptOptions{KeyAltName: "two", Algorithm: det})
		return err
	}
	if err := encrypt(); err != nil {
		t.Error(err)
	}
	before, err = ce.RemoveKeyAltName(t.Context(), id, "two")
	if err != nil || !cmp.Equal(before.KeyAltNames, []string{"one", "two"}) {
		t.Errorf("remove: got %v, %v", before, err)
	}
	if err := encrypt(); !errors.Is(err, keyvault.ErrNotFound) {
		t.Errorf("a name that was removed still works: %v", err)
	}
	for what, name := range map[string]string{"empty name": "", "name that is not UTF-8": "a\xff"} { // nobody could read the key
		if _, err := ce.AddKeyAltName(t.Context(), id, name); err == nil || strings.Contains(err.Error(), "\xff") {
			t.Errorf("%s: got %v", what, err)
		}
		if _, err := ce.CreateDataKey(t.Context(), "local", fieldcrypt.DataKeyOptions{KeyAltNames: []string{name}}); err == nil {
			t.Errorf("created a key with an %s", what)
		}
	}
}

func TestNoSuchKey(t *testing.T) {
	ce := explicit(t, newVault())
	absent := payload.KeyID{5}.Binary()
	calls := map[string]func() error{
		"GetKey":           func() error { _, err := ce.GetKey(t.Context(), absent); return err },
		"GetKeyByAltName":  func() error { _, err := ce.GetKeyByAltName(t.Context(), "nobody"); return err },
		"AddKeyAltName":    func() error { _, err := ce.AddKeyAltName(t.Context(), absent, "a"); return err },
		"RemoveKeyAltName": func() error { _, err := ce.RemoveKeyAltName(t.Context(), absent, "a"); return err },
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, keyvault.ErrNotFound) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if n, err := ce.DeleteKey(t.Context(), absent); n != 0 || err != nil {
		t.Errorf("DeleteKey: got %d, %v", n, err)
	}
	id := newKey(t, ce, "local")
	if n, err := ce.DeleteKey(t.Context(), id); n != 1 || err != nil {
		t.Errorf("DeleteKey: got %d, %v", n, err)
	}
}
