package fieldcrypt_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

func TestShredKey(t *testing.T) {
	store := keyvault.NewMemoryStore()
	ce := explicit(t, store)
	id := newKey(t, ce, "local", "patient 7", "p7")
	stays := newKey(t, ce, "local", "patient 8")
	sealed, err := ce.Encrypt(t.Context(), value(t, "v"), fieldcrypt.EncryptOptions{KeyAltName: "p7", Algorithm: random})
	if err != nil {
		t.Fatal(err)
	}
	key, _ := ce.GetKey(t.Context(), id)
	doc, err := key.MarshalBSON()
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(doc)
	before := time.Now()
	receipt, err := ce.ShredKey(t.Context(), id, fieldcrypt.ShredOptions{RequestedBy: "ticket 12"})
	if err != nil {
		t.Fatal(err)
	}
	if age := receipt.DeletedAt.Sub(before); age < -time.Second || age > time.Minute {
		t.Errorf("deleted at %v", receipt.DeletedAt)
	}
	end := receipt.DeletedAt.Add(60*time.Second + time.Millisecond)
	want := &fieldcrypt.ShredReceipt{
		KeyID: payload.KeyID(id.Data).String(), KeyAltNames: []string{"patient 7", "p7"}, RequestedBy: "ticket 12",
		DeletedAt: receipt.DeletedAt, Verified: true, CachesExpire: &end, DocumentSHA256: hex.EncodeToString(hash[:]),
	}
	if diff := cmp.Diff(want, receipt); diff != "" {
		t.Errorf("receipt (-want +got):\n%s", diff)
	}
	if _, err := ce.Decrypt(t.Context(), sealed); !errors.Is(err, keyvault.ErrNotFound) {
		t.Errorf("decrypting after shredding: %v", err)
	}
	if _, err := ce.ShredKey(t.Context(), id, fieldcrypt.ShredOptions{}); !errors.Is(err, keyvault.ErrNotFound) {
		t.Errorf("shredding again: %v", err)
	}
	if _, err := ce.ShredKey(t.Context(), bson.Binary{Data: []byte{1}}, fieldcrypt.ShredOptions{}); err == nil {
		t.Error("shredded no key id")
	}
	checkUsable(t, store, stays)
}

// A receipt survives BSON and JSON, and shows no key material.
func TestShredReceiptMarshals(t *testing.T) {
	ce := explicit(t, keyvault.NewMemoryStore())
	id := newKey(t, ce, "local")
	key, _ := ce.GetKey(t.Context(), id)
	forEver := time.Duration(0)
	receipt, err := ce.ShredKey(t.Context(), id, fieldcrypt.ShredOptions{KeyExpiration: &forEver})
	if err != nil || receipt.CachesExpire != nil {
		t.Fatalf("got %+v, %v", receipt, err)
	}
	asJSON, jsonErr := json.Marshal(receipt)
	asBSON, bsonErr := bson.Marshal(receipt)
	if jsonErr != nil || bsonErr != nil {
		t.Fatal(jsonErr, bsonErr)
	}
	var fromJSON, fromBSON fieldcrypt.ShredReceipt
	if err := errors.Join(json.Unmarshal(asJSON, &fromJSON), bson.Unmarshal(asBSON, &fromBSON)); err != nil {
		t.Fatal(err)
	}
	fromBSON.DeletedAt = fromBSON.DeletedAt.UTC()
	for name, got := range map[string]fieldcrypt.ShredReceipt{"json": fromJSON, "bson": fromBSON} {
		if diff := cmp.Diff(*receipt, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if strings.Contains(string(asBSON), string(key.KeyMaterial[:16])) || strings.Contains(string(asJSON), "keyMaterial") {
		t.Error("the receipt has key material")
	}
}

// Clients that share KeyCaches lose the key at once; an engine is told; others keep it until it expires, as the receipt says.
func TestShredReachesCaches(t *testing.T) {
	store := keyvault.NewMemoryStore()
	var caches keyvault.Group
	client := func(group *keyvault.Group) *fieldcrypt.ClientEncryption {
		ce, err := fieldcrypt.NewClientEncryption(nil, fieldcrypt.ClientEncryptionOptions{KeyVault: store, KmsProviders: providers(), KeyCaches: group})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ce.Close(context.Background()) })
		return ce
	}
	officer, sameProcess, otherProcess := client(&caches), client(&caches), client(nil)
	engine := automatic(t, fieldcrypt.AutoEncryptionOptions{Undecryptable: fieldcrypt.Fail}, store, nil)
	id := newKey(t, officer, "local")
	sealed, err := officer.Encrypt(t.Context(), value(t, "v"), fieldcrypt.EncryptOptions{KeyID: &id, Algorithm: random})
	if err != nil {
		t.Fatal(err)
	}
	reply, err := bson.Marshal(bson.D{{Key: "ok", Value: 1}, {Key: "v", Value: sealed}})
	if err != nil {
		t.Fatal(err)
	}
	everyone := map[string]func() error{
		"officer":       func() error { _, err := officer.Decrypt(t.Context(), sealed); return err },
		"same process":  func() error { _, err := sameProcess.Decrypt(t.Context(), sealed); return err },
		"other process": func() error { _, err := otherProcess.Decrypt(t.Context(), sealed); return err },
		"engine":        func() error { _, err := engine.Decrypt(t.Context(), reply); return err },
	}
	for name, decrypt := range everyone {
		if err := decrypt(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if _, err := officer.ShredKey(t.Context(), id, fieldcrypt.ShredOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := engine.ForgetKey(id); err != nil {
		t.Error(err)
	}
	for name, decrypt := range everyone {
		if err := decrypt(); (err == nil) != (name == "other process") || err != nil && !errors.Is(err, keyvault.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := engine.ForgetKey(bson.Binary{}); err == nil {
		t.Error("forgot no key id")
	}
}

// undead is a key vault in which something is left after a deletion, or that cannot be read then.
type undead struct {
	*keyvault.MemoryStore
	left []*keyvault.DataKey
	err  error
}

func (u undead) Fetch(context.Context, []payload.KeyID, []string) ([]*keyvault.DataKey, error) {
	return u.left, u.err
}

func TestShredUnverified(t *testing.T) {
	down := errors.New("down")
	for name, tc := range map[string]struct {
		vault undead
		want  string
	}{
		"another key of that name": {undead{left: []*keyvault.DataKey{{ID: payload.KeyID{1}}}}, "data key 01000000-0000-0000-0000-000000000000 has one of its alt names"},
		"unreachable":              {undead{err: down}, "down"},
	} {
		tc.vault.MemoryStore = keyvault.NewMemoryStore()
		ce := explicit(t, tc.vault)
		id := newKey(t, ce, "local", "name")
		receipt, err := ce.ShredKey(t.Context(), id, fieldcrypt.ShredOptions{})
		var shred *fieldcrypt.ShredError
		if !errors.As(err, &shred) || !strings.Contains(err.Error(), tc.want) || receipt == nil || receipt.Verified {
			t.Errorf("%s: got %+v, %v", name, receipt, err)
		}
	}
}

func ExampleClientEncryption_ShredKey() {
	ctx := context.Background()
	ce, err := fieldcrypt.NewClientEncryption(nil, fieldcrypt.ClientEncryptionOptions{
		KeyVault:     keyvault.NewMemoryStore(), // an application gives a client and KeyVaultNamespace
		KmsProviders: map[string]map[string]any{"local": {"key": make([]byte, 96)}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = ce.Close(ctx) }()
	id, err := ce.CreateDataKey(ctx, "local", fieldcrypt.DataKeyOptions{KeyAltNames: []string{"patient 7"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	receipt, err := ce.ShredKey(ctx, id, fieldcrypt.ShredOptions{RequestedBy: "erasure request 12"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(receipt.KeyAltNames, receipt.RequestedBy, receipt.Verified, receipt.CachesExpire.Sub(receipt.DeletedAt).Round(time.Second))
	// Output: [patient 7] erasure request 12 true 1m0s
}

// What the receipt promises is never earlier than what the caches do: a negative KeyStale is none.
func TestShredReceiptWithNegativeStale(t *testing.T) {
	ce, err := fieldcrypt.NewClientEncryption(nil, fieldcrypt.ClientEncryptionOptions{
		KeyVault: keyvault.NewMemoryStore(), KmsProviders: providers(), KeyStale: -time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ce.Close(context.Background()) }()
	receipt, err := ce.ShredKey(t.Context(), newKey(t, ce, "local"), fieldcrypt.ShredOptions{})
	if err != nil || receipt.CachesExpire == nil || receipt.CachesExpire.Sub(receipt.DeletedAt) < 60*time.Second {
		t.Errorf("got %+v, %v", receipt, err)
	}
}
