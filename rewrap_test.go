package fieldcrypt_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
)

func TestRewrapManyDataKey(t *testing.T) {
	for name, tc := range map[string]struct {
		from, to string
		want     string // provider afterwards
	}{
		"to a tenant":     {"local", "local:tenant", "local:tenant"},
		"from a tenant":   {"local:tenant", "local", "local"},
		"to the same":     {"local:tenant", "local:tenant", "local:tenant"},
		"provider unsaid": {"local:tenant", "", "local:tenant"},
	} {
		t.Run(name, func(t *testing.T) {
			store := newVault()
			ce := explicit(t, store)
			id := newKey(t, ce, tc.from)
			other := newKey(t, ce, tc.from)
			ct, err := ce.Encrypt(t.Context(), value(t, "v"), fieldcrypt.EncryptOptions{KeyID: &id, Algorithm: det})
			if err != nil {
				t.Fatal(err)
			}
			before, _ := ce.GetKey(t.Context(), id)
			untouched, _ := ce.GetKey(t.Context(), other)

			res, err := ce.RewrapManyDataKey(t.Context(), bson.D{{Key: "_id", Value: id}}, fieldcrypt.RewrapManyDataKeyOptions{Provider: tc.to})
			if err != nil || res.BulkWriteResult == nil || res.ModifiedCount != 1 {
				t.Fatalf("got %+v, %v", res, err)
			}
			after, _ := ce.GetKey(t.Context(), id)
			if after.Provider() != tc.want || bytes.Equal(after.KeyMaterial, before.KeyMaterial) {
				t.Errorf("provider %s, same wrapping %t", after.Provider(), bytes.Equal(after.KeyMaterial, before.KeyMaterial))
			}
			if now, _ := ce.GetKey(t.Context(), other); cmp.Diff(untouched, now) != "" {
				t.Error("a key that the filter does not match has changed")
			}
			if got, err := explicit(t, store).Decrypt(t.Context(), ct); err != nil || !got.Equal(value(t, "v")) {
				t.Errorf("after rewrapping: got %v, %v", got, err)
			}
		})
	}
}

func TestRewrapWritesAllOrNothing(t *testing.T) {
	store := newVault()
	fake := &fakeKMS{}
	ce := explicit(t, store, fake)
	newKey(t, ce, "local")
	newKey(t, ce, "aws")
	newKey(t, ce, "local")
	before, _ := ce.GetKeys(t.Context())
	fake.fail(errors.New("unplugged"))
	if _, err := ce.RewrapManyDataKey(t.Context(), bson.D{}, fieldcrypt.RewrapManyDataKeyOptions{Provider: "local:tenant"}); !errors.Is(err, fake.err) {
		t.Errorf("got %v", err)
	}
	after, _ := ce.GetKeys(t.Context())
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the key vault changed:\n%s", diff)
	}
}

// noWrites is a key vault that must not be written to.
type noWrites struct {
	keyvault.Store
	t *testing.T
}

func (s noWrites) Rewrap(context.Context, []keyvault.Rewrapped) (*mongo.BulkWriteResult, error) {
	s.t.Error("the key vault was written to")
	return nil, nil
}

func TestRewrapNoMatch(t *testing.T) {
	ce := explicit(t, noWrites{Store: keyvault.NewMemoryStore(), t: t})
	res, err := ce.RewrapManyDataKey(t.Context(), bson.D{{Key: "keyAltNames", Value: "nobody"}}, fieldcrypt.RewrapManyDataKeyOptions{Provider: "local"})
	if err != nil || res.BulkWriteResult != nil {
		t.Errorf("got %+v, %v", res, err)
	}
}

func TestRewrapRefuses(t *testing.T) {
	ce := explicit(t, newVault())
	newKey(t, ce, "local")
	for name, tc := range map[string]struct {
		filter any
		opts   fieldcrypt.RewrapManyDataKeyOptions
		want   string
	}{
		"master key without provider": {bson.D{}, fieldcrypt.RewrapManyDataKeyOptions{MasterKey: bson.D{}}, "expected 'Provider' to be set to identify type of 'MasterKey'"},
		"unknown provider":            {bson.D{}, fieldcrypt.RewrapManyDataKeyOptions{Provider: "aws"}, "KMS provider `aws` is not configured"},
		"nil filter":                  {nil, fieldcrypt.RewrapManyDataKeyOptions{}, "filter"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ce.RewrapManyDataKey(t.Context(), tc.filter, tc.opts)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
