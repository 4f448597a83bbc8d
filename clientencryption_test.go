package fieldcrypt_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// The key material and the values of the MongoDB driver specification "Client Side Encryption": prose test 1, and the spec tests' AWS key.
var vectors = []struct{ name, material, value, ciphertext string }{
	{
		"prose test 1", "xPTAjBRG5JiPm+d3fj6XLi2q5DMXUS/f1f+SMAlhhwkhDRL0kr8r9GDLIGTAGlvC+HVjSIgdL+RKwZCvpXSyxTICWSXTUYsWYPyu3IoHbuBZdmw2faM3WhcRIgbMReU5",
		"test", "AQAAAAAAAAAAAAAAAAAAAAACz0ZOLuuhEYi807ZXTdhbqhLaS2/t9wLifJnnNYwiw79d75QYIZ6M/aYC1h9nCzCjZ7pGUpAuNnkUhnIXM3PjrA==",
	},
	{
		"basic", "TqhXy3tKckECjy4/ZNykMWG8amBF46isVPzeOgeusKrwheBmYaU8TMG5AHR/NeUDKukqo8hBGgogiQOVpLPkqBQHD8YkLsNbDmHoGOill5QAHnniF/Lz405bGucB5TfR",
		"string0", "AQAAAAAAAAAAAAAAAAAAAAACwj+3zkv2VM+aTfk60RqhXq6a/77WlLwu/BxXFkL7EppGsju/m8f0x5kBDD3EZTtGALGXlym5jnpZAoSIkswHoA==",
	},
}

func TestEncryptVectors(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			store := newVault()
			insertKey(t, store, payload.KeyID{}, unbase64(t, v.material))
			ce := explicit(t, store)
			id := payload.KeyID{}.Binary()
			got, err := ce.Encrypt(t.Context(), value(t, v.value), fieldcrypt.EncryptOptions{KeyID: &id, Algorithm: det})
			if err != nil {
				t.Fatal(err)
			}
			if want := unbase64(t, v.ciphertext); got.Subtype != 6 || !bytes.Equal(got.Data, want) {
				t.Errorf("got subtype %d, %x, want %x", got.Subtype, got.Data, want)
			}
			back, err := ce.Decrypt(t.Context(), got)
			if err != nil || !back.Equal(value(t, v.value)) {
				t.Errorf("got %v, %v", back, err)
			}
		})
	}
}

func TestEncryptByAltName(t *testing.T) {
	store := newVault()
	ce := explicit(t, store)
	id := newKey(t, ce, "local", "jane", "doe")
	for _, opts := range []fieldcrypt.EncryptOptions{
		{KeyAltName: "jane", Algorithm: strings.ToLower(random)},
		{KeyAltName: "doe", Algorithm: det},
		{KeyID: &id, Algorithm: random},
	} {
		got, err := ce.Encrypt(t.Context(), value(t, "1990-05-01"), opts)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := payload.ParseCiphertext(got.Data); err != nil || !bytes.Equal(c.KeyID[:], id.Data) {
			t.Errorf("%+v: key id %s, %v", opts, c.KeyID, err)
		}
	}
}

func TestEncryptRefuses(t *testing.T) {
	ce := explicit(t, newVault())
	id := newKey(t, ce, "local")
	missing := payload.KeyID{9}.Binary()
	for name, tc := range map[string]struct {
		value any
		opts  fieldcrypt.EncryptOptions
		want  string
	}{
		"no key":         {"v", fieldcrypt.EncryptOptions{Algorithm: det}, "either key id or key alt name required"},
		"two keys":       {"v", fieldcrypt.EncryptOptions{KeyID: &id, KeyAltName: "a", Algorithm: det}, "cannot have both key id and key alt name"},
		"no algorithm":   {"v", fieldcrypt.EncryptOptions{KeyID: &id}, "algorithm or index type required"},
		"algorithm":      {"v", fieldcrypt.EncryptOptions{KeyID: &id, Algorithm: "ROT13"}, "algorithm"},
		"key id length":  {"v", fieldcrypt.EncryptOptions{KeyID: &bson.Binary{Subtype: 4, Data: []byte{1}}, Algorithm: det}, "expected 16 byte UUID"},
		"key id subtype": {"v", fieldcrypt.EncryptOptions{KeyID: &bson.Binary{Data: id.Data}, Algorithm: det}, "expected 16 byte UUID"},
		"missing id":     {"v", fieldcrypt.EncryptOptions{KeyID: &missing, Algorithm: det}, "not all keys requested were satisfied"},
		"missing name":   {"v", fieldcrypt.EncryptOptions{KeyAltName: "nobody", Algorithm: det}, "not all keys requested were satisfied"},
		"null":           {nil, fieldcrypt.EncryptOptions{KeyID: &id, Algorithm: random}, "BSON type invalid for encryption"},
		"double det":     {1.5, fieldcrypt.EncryptOptions{KeyID: &id, Algorithm: det}, "BSON type invalid for deterministic encryption"},
		"twice":          {bson.Binary{Subtype: 6, Data: []byte{1}}, fieldcrypt.EncryptOptions{KeyID: &id, Algorithm: random}, "BSON binary subtype 6 is invalid for encryption"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ce.Encrypt(t.Context(), value(t, tc.value), tc.opts)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestDecryptRefuses(t *testing.T) {
	store := newVault()
	ce := explicit(t, store)
	id := newKey(t, ce, "local")
	good, err := ce.Encrypt(t.Context(), value(t, "v"), fieldcrypt.EncryptOptions{KeyID: &id, Algorithm: det})
	if err != nil {
		t.Fatal(err)
	}
	tampered := bytes.Clone(good.Data)
	tampered[len(tampered)-1] ^= 1
	foreign := bytes.Clone(good.Data)
	foreign[1] ^= 1
	for name, tc := range map[string]struct {
		subtype byte
		data    []byte
		want    string
	}{
		"subtype 0":  {0, good.Data, "decryption expected BSON binary subtype 6, got 0"},
		"empty":      {6, nil, "malformed ciphertext"},
		"short":      {6, []byte{1}, "malformed ciphertext"},
		"marking":    {6, make([]byte, 60), "malformed ciphertext"},
		"queryable":  {6, append([]byte{14}, good.Data[1:]...), "queryable encryption is not supported"},
		"tampered":   {6, tampered, "HMAC validation failure"},
		"absent key": {6, foreign, "not all keys requested were satisfied"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ce.Decrypt(t.Context(), bson.Binary{Subtype: tc.subtype, Data: tc.data})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestClientEncryptionErrorTypes(t *testing.T) {
	store := newVault()
	fake := &fakeKMS{}
	ce := explicit(t, store, fake)
	other := explicit(t, store, fake) // whose cache is empty
	local := newKey(t, ce, "local")
	aws, err := ce.CreateDataKey(t.Context(), "aws", fieldcrypt.DataKeyOptions{MasterKey: bson.D{{Key: "region", Value: "here"}}})
	if err != nil {
		t.Fatal(err)
	}
	absent := payload.KeyID{1}.Binary()
	var keyErr *keyvault.KeyError

	_, err = ce.Encrypt(t.Context(), value(t, 1), fieldcrypt.EncryptOptions{KeyID: &absent, Algorithm: det})
	if !errors.As(err, &keyErr) || !errors.Is(err, keyvault.ErrNotFound) || keyErr.ID != (payload.KeyID{1}) {
		t.Errorf("absent key: got %#v", err)
	}
	fake.fail(kms.ErrDenied)
	_, err = other.Encrypt(t.Context(), value(t, 1), fieldcrypt.EncryptOptions{KeyID: &aws, Algorithm: det})
	if !errors.As(err, &keyErr) || !errors.Is(err, kms.ErrDenied) {
		t.Errorf("denied key: got %#v", err)
	}
	var typeErr *payload.TypeError
	_, err = ce.Encrypt(t.Context(), value(t, nil), fieldcrypt.EncryptOptions{KeyID: &local, Algorithm: det})
	if !errors.As(err, &typeErr) {
		t.Errorf("null: got %#v", err)
	}
	store.err = errors.New("unplugged")
	_, err = other.Encrypt(t.Context(), value(t, 1), fieldcrypt.EncryptOptions{KeyID: &local, Algorithm: det})
	if errors.As(err, &keyErr) || !errors.Is(err, store.err) {
		t.Errorf("unreachable vault: got %#v", err)
	}
}

func TestNewClientEncryptionRefuses(t *testing.T) {
	store := keyvault.NewMemoryStore()
	for name, tc := range map[string]struct {
		opts fieldcrypt.ClientEncryptionOptions
		want string
	}{
		"no vault":     {fieldcrypt.ClientEncryptionOptions{KmsProviders: providers()}, "keyVaultClient must not be nil"},
		"two vaults":   {fieldcrypt.ClientEncryptionOptions{KmsProviders: providers(), KeyVault: store, KeyVaultNamespace: "a.b"}, "excludes"},
		"no providers": {fieldcrypt.ClientEncryptionOptions{KeyVault: store}, "no kms provider set"},
		"unknown type": {fieldcrypt.ClientEncryptionOptions{KeyVault: store, KmsProviders: providers("aws")}, "aws"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fieldcrypt.NewClientEncryption(nil, tc.opts)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestClientEncryptionClosed(t *testing.T) {
	ce := explicit(t, newVault())
	ctx, id := t.Context(), newKey(t, ce, "local")
	if err := ce.Close(ctx); err != nil {
		t.Fatal(err)
	}
	calls := map[string]func() error{
		"Close":  func() error { return ce.Close(ctx) },
		"Create": func() error { _, err := ce.CreateDataKey(ctx, "local", fieldcrypt.DataKeyOptions{}); return err },
		"Encrypt": func() error {
			_, err := ce.Encrypt(ctx, value(t, 1), fieldcrypt.EncryptOptions{KeyID: &id, Algorithm: det})
			return err
		},
		"Decrypt":          func() error { _, err := ce.Decrypt(ctx, bson.Binary{Subtype: 6}); return err },
		"GetKey":           func() error { _, err := ce.GetKey(ctx, id); return err },
		"GetKeys":          func() error { _, err := ce.GetKeys(ctx); return err },
		"GetKeyByAltName":  func() error { _, err := ce.GetKeyByAltName(ctx, "a"); return err },
		"AddKeyAltName":    func() error { _, err := ce.AddKeyAltName(ctx, id, "a"); return err },
		"RemoveKeyAltName": func() error { _, err := ce.RemoveKeyAltName(ctx, id, "a"); return err },
		"DeleteKey":        func() error { _, err := ce.DeleteKey(ctx, id); return err },
		"Rewrap": func() error {
			_, err := ce.RewrapManyDataKey(ctx, bson.D{}, fieldcrypt.RewrapManyDataKeyOptions{})
			return err
		},
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, mongo.ErrClientDisconnected) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestExplicitKeyIsFetchedOnce(t *testing.T) {
	store := newVault()
	ce := explicit(t, store)
	id := newKey(t, ce, "local", "name")
	for range 3 {
		ct, err := ce.Encrypt(context.Background(), value(t, "v"), fieldcrypt.EncryptOptions{KeyAltName: "name", Algorithm: random})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ce.Decrypt(context.Background(), ct); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(store.asked()); n != 1 {
		t.Errorf("the key vault was asked %d times, want once", n)
	}
	if _, err := ce.DeleteKey(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := ce.Encrypt(context.Background(), value(t, "v"), fieldcrypt.EncryptOptions{KeyID: &id, Algorithm: random}); !errors.Is(err, keyvault.ErrNotFound) {
		t.Errorf("after DeleteKey: got %v", err)
	}
}
