package fieldcrypt_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/kms"
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

// forgetfulKMS wraps keys in a way that it cannot undo.
type forgetfulKMS struct {
	fakeKMS
	unwrap func(material []byte) ([]byte, error)
}

func (f *forgetfulKMS) Open(kms.ID, bson.Raw) (kms.Provider, error) { return f, nil }

func (f *forgetfulKMS) UnwrapKey(_ context.Context, _ bson.Raw, material []byte) ([]byte, error) {
	return f.unwrap(material)
}

// Nothing is written that the KMS does not unwrap to the same key.
func TestRewrapProvesBeforeItWrites(t *testing.T) {
	unreachable := errors.New("unreachable")
	for name, tc := range map[string]struct {
		unwrap func([]byte) ([]byte, error)
		want   string
	}{
		"another key":  {func([]byte) ([]byte, error) { return bytes.Repeat([]byte{7}, 96), nil }, "unwraps it to another key"},
		"a short key":  {func(m []byte) ([]byte, error) { return slices.Clone(m[:95]), nil }, "incorrect length: got 95"},
		"an error":     {func([]byte) ([]byte, error) { return nil, unreachable }, "proving the new wrapping: unreachable"},
		"last bit off": {func(m []byte) ([]byte, error) { m = slices.Clone(m); m[95] ^= 1; return m, nil }, "unwraps it to another key"},
	} {
		store := noWrites{Store: keyvault.NewMemoryStore(), t: t}
		ce := explicit(t, store, &forgetfulKMS{unwrap: tc.unwrap})
		id := newKey(t, ce, "local")
		_, err := ce.RewrapManyDataKey(t.Context(), bson.D{}, fieldcrypt.RewrapManyDataKeyOptions{Provider: "aws", MasterKey: bson.D{{Key: "key", Value: "arn"}}})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
		checkUsable(t, store, id)
	}
}

// strictKMS refuses a master key with a provider in it, as the real ones do.
type strictKMS struct{ fakeKMS }

func (s *strictKMS) Open(kms.ID, bson.Raw) (kms.Provider, error) { return s, nil }

func (s *strictKMS) WrapKey(ctx context.Context, masterKey bson.Raw, dataKey []byte) (kms.Wrapped, error) {
	if _, err := masterKey.LookupErr("provider"); err == nil {
		return kms.Wrapped{}, errors.New("unexpected field: 'provider'")
	}
	return s.fakeKMS.WrapKey(ctx, masterKey, dataKey)
}

// The stored master key has a provider, which the KMS's own code must not get.
func TestRewrapUnderThePresentMasterKey(t *testing.T) {
	ce := explicit(t, keyvault.NewMemoryStore(), &strictKMS{})
	masterKey := bson.D{{Key: "region", Value: "r"}, {Key: "key", Value: "arn"}}
	id, err := ce.CreateDataKey(t.Context(), "aws", fieldcrypt.DataKeyOptions{MasterKey: masterKey})
	if err != nil {
		t.Fatal(err)
	}
	before, _ := ce.GetKey(t.Context(), id)
	if _, err := ce.RewrapManyDataKey(t.Context(), bson.D{}, fieldcrypt.RewrapManyDataKeyOptions{}); err != nil {
		t.Fatal(err)
	}
	after, _ := ce.GetKey(t.Context(), id)
	if diff := cmp.Diff(before.MasterKey.String(), after.MasterKey.String()); diff != "" {
		t.Error(diff)
	}
}

// In batches: what comes before an error is written, and each key is proven once.
func TestRewrapInBatches(t *testing.T) {
	store := newVault()
	fake := &fakeKMS{}
	ce := explicit(t, store, fake)
	for range 7 {
		newKey(t, ce, "local")
	}
	var proven []int
	opts := fieldcrypt.RewrapManyDataKeyOptions{Provider: "local:tenant", BatchSize: 3, Progress: func(n int) { proven = append(proven, n) }}
	res, err := ce.RewrapManyDataKey(t.Context(), bson.D{}, opts)
	if err != nil || res.ModifiedCount != 7 {
		t.Fatalf("got %+v, %v", res, err)
	}
	if diff := cmp.Diff([]int{1, 2, 3, 4, 5, 6, 7}, proven); diff != "" {
		t.Error(diff)
	}
	newKey(t, ce, "aws") // the eighth, in the third batch
	fake.fail(errors.New("unplugged"))
	res, err = ce.RewrapManyDataKey(t.Context(), bson.D{}, fieldcrypt.RewrapManyDataKeyOptions{Provider: "local", BatchSize: 3})
	if !errors.Is(err, fake.err) || res == nil || res.ModifiedCount != 6 {
		t.Errorf("got %+v, %v", res, err)
	}
	if res, err := ce.RewrapManyDataKey(t.Context(), bson.D{{Key: "keyAltNames", Value: "nobody"}}, opts); err != nil || res.BulkWriteResult != nil {
		t.Errorf("no match: %+v, %v", res, err)
	}
}

// foreignVault also has a document that is no data key.
type foreignVault struct{ *keyvault.MemoryStore }

var foreign = bson.Raw("\x0e\x00\x00\x00\x10_id\x00\x05\x00\x00\x00\x00") // {_id: 5}

func (v foreignVault) Find(ctx context.Context, filter any) ([]*keyvault.DataKey, error) {
	keys, err := v.MemoryStore.Find(ctx, filter)
	if err == nil {
		_, parseErr := keyvault.ParseDataKey(foreign)
		err = &keyvault.UnreadableError{Documents: []keyvault.Unreadable{keyvault.NewUnreadable(foreign, parseErr)}}
	}
	return keys, err
}

func (v foreignVault) Scan(ctx context.Context, filter any, each func(bson.Raw) error) error {
	if err := each(foreign); err != nil {
		return err
	}
	return v.MemoryStore.Scan(ctx, filter, each)
}

// One foreign document does not keep the others from being listed and rewrapped.
func TestForeignDocument(t *testing.T) {
	ce := explicit(t, foreignVault{keyvault.NewMemoryStore()})
	newKey(t, ce, "local")
	var unreadable *keyvault.UnreadableError
	keys, err := ce.GetKeys(t.Context())
	if len(keys) != 1 || !errors.As(err, &unreadable) || !strings.Contains(err.Error(), "_id 5") {
		t.Errorf("got %d keys, %v", len(keys), err)
	}
	for _, batch := range []int{0, 1} {
		unreadable = nil
		res, err := ce.RewrapManyDataKey(t.Context(), bson.D{}, fieldcrypt.RewrapManyDataKeyOptions{BatchSize: batch})
		if !errors.As(err, &unreadable) || res == nil || res.ModifiedCount != 1 {
			t.Errorf("batches of %d: got %+v, %v", batch, res, err)
		}
	}
}
