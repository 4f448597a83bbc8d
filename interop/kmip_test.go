package interop

import (
	"bytes"
	"crypto/tls"
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/kms"
)

func TestKMIPRoundTrip(t *testing.T) {
	var c configuration
	c.addKMIP(t)
	for _, w := range c.wrappings {
		t.Run(w.name, func(t *testing.T) {
			p := c.open(t, w.provider)
			dataKey := bytes.Repeat([]byte{7}, 96)
			first, err := p.WrapKey(t.Context(), document(t, w.masterKey), dataKey)
			if err != nil {
				t.Fatal(err)
			}
			second, err := p.WrapKey(t.Context(), first.MasterKey, dataKey) // with the key that the first call made
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(first.MasterKey, second.MasterKey) || bytes.Equal(first.KeyMaterial, second.KeyMaterial) {
				t.Errorf("wrapped with %v, then %v; the same bytes: %t", first.MasterKey, second.MasterKey, bytes.Equal(first.KeyMaterial, second.KeyMaterial))
			}
			for _, wrapped := range []kms.Wrapped{first, second} {
				got, err := c.open(t, w.provider).UnwrapKey(t.Context(), withProvider(t, w.provider, wrapped.MasterKey), wrapped.KeyMaterial)
				if err != nil || !bytes.Equal(got, dataKey) {
					t.Errorf("got %d bytes, %v", len(got), err)
				}
			}
		})
	}
}

func TestKMIPErrors(t *testing.T) {
	var c configuration
	c.addKMIP(t)
	p := c.open(t, "kmip")
	for _, delegated := range []bool{false, true} {
		name := map[bool]string{false: "plain", true: "delegated"}[delegated]
		t.Run(name+", no such key", func(t *testing.T) {
			masterKey := document(t, bson.D{{Key: "delegated", Value: delegated}, {Key: "keyId", Value: "99999999"}})
			_, err := p.WrapKey(t.Context(), masterKey, make([]byte, 96))
			operation := map[bool]string{false: "Get", true: "Encrypt"}[delegated]
			checkError(t, err, kms.Error{Provider: "kmip", Operation: operation, Key: "99999999", Code: "ItemNotFound", Cause: kms.ErrDenied})
		})
		t.Run(name+", damaged wrapped key", func(t *testing.T) {
			dataKey := bytes.Repeat([]byte{7}, 96)
			wrapped, err := p.WrapKey(t.Context(), document(t, bson.D{{Key: "delegated", Value: delegated}}), dataKey)
			if err != nil {
				t.Fatal(err)
			}
			wrapped.KeyMaterial[len(wrapped.KeyMaterial)-17] ^= 1 // the padding, where there is no MAC
			got, err := p.UnwrapKey(t.Context(), withProvider(t, "kmip", wrapped.MasterKey), wrapped.KeyMaterial)
			if err == nil {
				t.Errorf("got %d bytes without an error", len(got))
			}
			if errors.Is(err, kms.ErrDenied) {
				t.Errorf("a damaged key is a denial: %v", err)
			}
			t.Log(err)
		})
	}
	t.Run("authority not trusted", func(t *testing.T) {
		_, err := (&configuration{providers: c.providers}).open(t, "kmip").WrapKey(t.Context(), nil, make([]byte, 96))
		checkError(t, err, kms.Error{Provider: "kmip", Operation: "Connect"})
	})
	t.Run("no client certificate", func(t *testing.T) {
		c := configuration{providers: c.providers, tls: map[string]*tls.Config{"kmip": serverTLS(t)}}
		_, err := c.open(t, "kmip").WrapKey(t.Context(), nil, make([]byte, 96))
		checkError(t, err, kms.Error{Provider: "kmip", Operation: "Connect"})
	})
}
