package keyvault_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

func TestMongoStoreErrors(t *testing.T) {
	ctx := t.Context()
	var answer bson.D
	_, store := startStore(t, func(bson.Raw) bson.D { return answer })

	answer = refusal(13, "not authorized on db to execute command")
	operations := map[string]func() error{
		"fetching data keys":                       func() error { _, err := store.Fetch(ctx, nil, []string{"a"}); return err },
		"finding data keys":                        func() error { _, err := store.Find(ctx, bson.D{}); return err },
		"inserting data key " + someID.String():    func() error { return store.Insert(ctx, mustParse(t, goodFields())) },
		"deleting data key " + someID.String():     func() error { _, err := store.Delete(ctx, someID); return err },
		"adding an alt name to data key ":          func() error { _, err := store.AddKeyAltName(ctx, someID, "a"); return err },
		"removing an alt name from data key ":      func() error { _, err := store.RemoveKeyAltName(ctx, someID, "a"); return err },
		"rewrapping data keys":                     func() error { _, err := store.Rewrap(ctx, []keyvault.Rewrapped{rewrapped(t)}); return err },
		"creating the unique index on keyAltNames": func() error { _, err := store.EnsureIndex(ctx); return err },
	}
	for op, run := range operations {
		err := run()
		var vault *keyvault.Error
		var server mongo.ServerError
		if !errors.As(err, &vault) || !errors.As(err, &server) || !server.HasErrorCode(13) {
			t.Errorf("%s: got %v", op, err)
			continue
		}
		if vault.Namespace != "db.keys" || !strings.HasPrefix(err.Error(), "key vault db.keys: "+op) || !strings.Contains(err.Error(), "not authorized") {
			t.Errorf("%s: got %q", op, err)
		}
	}

	answer = bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: int32(0)}, {Key: "writeErrors", Value: bson.A{
		bson.D{{Key: "index", Value: int32(0)}, {Key: "code", Value: int32(121)}, {Key: "errmsg", Value: "Document failed validation"},
			{Key: "errInfo", Value: bson.D{{Key: "consideredValue", Value: canary}}}},
	}}}
	for _, op := range []string{"inserting data key " + someID.String(), "rewrapping data keys"} {
		if err := operations[op](); err == nil || strings.Contains(err.Error(), canary) || !strings.Contains(err.Error(), "Document failed validation (code 121)") {
			t.Errorf("%s: got %v", op, err)
		}
	}

	answer = bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: int32(0)}, {Key: "writeErrors", Value: bson.A{
		bson.D{{Key: "index", Value: int32(0)}, {Key: "code", Value: int32(11000)}, {Key: "errmsg", Value: "E11000 duplicate key"}},
	}}}
	if err := store.Insert(ctx, mustParse(t, goodFields())); !mongo.IsDuplicateKeyError(err) {
		t.Errorf("not a duplicate key error: %v", err)
	}
}

func TestMongoStoreBadArguments(t *testing.T) {
	server, store := startStore(t, func(bson.Raw) bson.D { return refusal(1, "must not be asked") })
	_, findErr := store.Find(t.Context(), nil)
	_, rewrapErr := store.Rewrap(t.Context(), []keyvault.Rewrapped{rewrapped(t), {ID: someID, KeyMaterial: []byte{1}}})
	result, emptyErr := store.Rewrap(t.Context(), nil)
	if findErr == nil || rewrapErr == nil || store.Insert(t.Context(), &keyvault.DataKey{}) == nil || emptyErr != nil || result.MatchedCount != 0 {
		t.Errorf("got %v, %v, %v, %v", findErr, rewrapErr, emptyErr, result)
	}
	server.checkCommands(t)
}

func TestMongoStoreMalformedDocument(t *testing.T) {
	bad := with("extra", canary)
	_, store := startStore(t, func(cmd bson.Raw) bson.D {
		if _, err := cmd.LookupErr("find"); err == nil {
			return cursor(goodFields(), bad)
		}
		return bson.D{{Key: "ok", Value: 1}, {Key: "value", Value: bad}}
	})
	_, findErr := store.Find(t.Context(), bson.D{})
	_, changeErr := store.AddKeyAltName(t.Context(), someID, "a")
	for _, err := range []error{findErr, changeErr} {
		var vault *keyvault.Error
		if err == nil || errors.As(err, &vault) || err.Error() != "key vault db.keys: data key "+someID.String()+": unrecognized field 'extra'" {
			t.Errorf("got %v", err)
		}
	}
}

func TestMongoStoreCancelled(t *testing.T) {
	asked := make(chan struct{}, 1)
	_, store := startStore(t, func(bson.Raw) bson.D { asked <- struct{}{}; return nil })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	_, err := store.Fetch(ctx, []payload.KeyID{someID}, nil)
	var vault *keyvault.Error
	if !errors.As(err, &vault) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func mustParse(t testing.TB, doc bson.D) *keyvault.DataKey {
	t.Helper()
	key, err := keyvault.ParseDataKey(marshal(t, doc))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rewrapped(t testing.TB) keyvault.Rewrapped {
	return keyvault.Rewrapped{ID: someID, KeyMaterial: []byte{2}, MasterKey: marshal(t, bson.D{{Key: "provider", Value: "local"}})}
}
