package fieldcrypt_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/aws"
	"github.com/fieldcrypt/fieldcrypt/kms/azure"
	"github.com/fieldcrypt/fieldcrypt/kms/gcp"
	"github.com/fieldcrypt/fieldcrypt/kms/kmip"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// nobody is a network on which nothing may be sent.
type nobody struct{ t *testing.T }

func (n nobody) RoundTrip(r *http.Request) (*http.Response, error) {
	n.t.Errorf("a request went to %s", r.URL.Host)
	return nil, errors.New("no network")
}

// Whoever can write to the key vault names a host of theirs in a data key's masterKey: nothing is sent there, no value is encrypted under what it would
// answer, and values do not pass for such as this client is not meant to read.
func TestForeignEndpoint(t *testing.T) {
	const host = "kms.example.net"
	client := &http.Client{Transport: nobody{t}}
	for id, tc := range map[string]struct {
		typ       kms.Type
		fields    map[string]any
		masterKey bson.D
	}{
		"aws": {aws.Type{HTTPClient: client}, map[string]any{"accessKeyId": "id", "secretAccessKey": "a secret that is long enough"},
			bson.D{{Key: "region", Value: "us-east-1"}, {Key: "key", Value: "alias/k"}, {Key: "endpoint", Value: host}}},
		"azure": {azure.Type{HTTPClient: client}, map[string]any{"accessToken": "token"}, bson.D{{Key: "keyVaultEndpoint", Value: host}, {Key: "keyName", Value: "k"}}},
		"gcp": {gcp.Type{HTTPClient: client}, map[string]any{"accessToken": "token"},
			bson.D{{Key: "projectId", Value: "p"}, {Key: "location", Value: "l"}, {Key: "keyRing", Value: "r"}, {Key: "keyName", Value: "k"}, {Key: "endpoint", Value: host}}},
		"kmip": {kmip.Type{DialContext: func(context.Context, string, string) (net.Conn, error) { panic("a connection is made") }},
			map[string]any{"endpoint": "kmip.example.org"}, bson.D{{Key: "keyId", Value: "1"}, {Key: "endpoint", Value: host}}},
	} {
		t.Run(id, func(t *testing.T) {
			store := newVault()
			ce := explicit(t, store)
			key := newKey(t, ce, "local")
			sealed := raw(t, reply(bson.D{{Key: "v", Value: sealWith(t, ce, key, "v")}}))
			stored, err := store.Fetch(t.Context(), []payload.KeyID{payload.KeyID(key.Data)}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := store.Delete(t.Context(), stored[0].ID); err != nil {
				t.Fatal(err)
			}
			stored[0].MasterKey = raw(t, append(bson.D{{Key: "provider", Value: id}}, tc.masterKey...))
			if err := store.Insert(t.Context(), stored[0]); err != nil {
				t.Fatal(err)
			}
			config := map[string]map[string]any{id: tc.fields}
			types := []kms.Type{tc.typ}
			hostile, err := fieldcrypt.NewClientEncryption(nil, fieldcrypt.ClientEncryptionOptions{KeyVault: store, KmsProviders: config, KmsTypes: types})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = hostile.Close(context.Background()) })
			check := func(what string, err error) {
				if !errors.Is(err, kms.ErrForeignEndpoint) || errors.Is(err, kms.ErrDenied) || !strings.Contains(err.Error(), `"`+host+`"`) || !strings.Contains(err.Error(), "Endpoints") {
					t.Errorf("%s: got %v", what, err)
				}
			}
			_, err = hostile.Encrypt(t.Context(), value(t, "v"), fieldcrypt.EncryptOptions{KeyID: &key, Algorithm: random})
			check("encrypting", err)
			_, err = hostile.CreateDataKey(t.Context(), id, fieldcrypt.DataKeyOptions{MasterKey: tc.masterKey})
			check("making a data key", err)
			for _, policy := range []fieldcrypt.Undecryptable{fieldcrypt.Keep, fieldcrypt.Fail} {
				e := automatic(t, fieldcrypt.AutoEncryptionOptions{KmsProviders: config, KmsTypes: types, Undecryptable: policy}, store, nil)
				got, err := e.Decrypt(t.Context(), sealed)
				if check("decrypting", err); got != nil || e.Undecryptable() != 0 {
					t.Errorf("policy %v left a value as it is", policy)
				}
			}
		})
	}
}
