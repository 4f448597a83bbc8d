package fieldcrypt_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// employees encrypts ssn and phone under two keys, and notes under a key that each document names.
func employees(ssn, phone bson.Binary) map[string]any {
	return map[string]any{"hr.employees": object(bson.D{
		{Key: "ssn", Value: encryptField("string", det, bson.A{ssn})},
		{Key: "phone", Value: encryptField("string", random, bson.A{phone})},
		{Key: "notes", Value: encryptField("", random, "/owner")},
	})}
}

func insert(doc bson.D) bson.D {
	return bson.D{{Key: "insert", Value: "employees"}, {Key: "documents", Value: bson.A{doc}}, {Key: "ordered", Value: true}}
}

func find(filter bson.D) bson.D {
	return bson.D{{Key: "find", Value: "employees"}, {Key: "filter", Value: filter}}
}

func TestEncryptCommandVector(t *testing.T) {
	// The published insert of the driver specification's test "basic".
	store, v := newVault(), vectors[1]
	insertKey(t, store, payload.KeyID{}, unbase64(t, v.material))
	e := automatic(t, fieldcrypt.AutoEncryptionOptions{SchemaMap: map[string]any{
		"default.default": object(bson.D{{Key: "encrypted_string", Value: encryptField("string", det, bson.A{payload.KeyID{}.Binary()})}}),
	}}, store, nil)
	cmd := func(v any) bson.Raw {
		return raw(t, bson.D{
			{Key: "insert", Value: "default"}, {Key: "ordered", Value: true},
			{Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: int32(1)}, {Key: "encrypted_string", Value: v}}}},
		})
	}
	got, err := e.Encrypt(t.Context(), "default", cmd(v.value))
	if err != nil {
		t.Fatal(err)
	}
	if want := cmd(bson.Binary{Subtype: 6, Data: unbase64(t, v.ciphertext)}); !bytes.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestEncryptAsksOnceForTheKeysItNeeds(t *testing.T) {
	store := newVault()
	ce := explicit(t, store)
	ssn, phone := newKey(t, ce, "local"), newKey(t, ce, "local:tenant")
	newKey(t, ce, "local", "anna")
	newKey(t, ce, "local", "berta")
	e := automatic(t, fieldcrypt.AutoEncryptionOptions{SchemaMap: employees(ssn, phone)}, store, nil)
	name := func(id bson.Binary) string { return payload.KeyID(id.Data).String() }

	steps := []struct {
		cmd  bson.D
		want []string
	}{
		{find(bson.D{{Key: "name", Value: "x"}}), nil},
		{insert(bson.D{{Key: "ssn", Value: "1"}, {Key: "phone", Value: "2"}, {Key: "notes", Value: 1.5}, {Key: "owner", Value: "anna"}}), []string{name(ssn), name(phone), "anna"}},
		{insert(bson.D{{Key: "ssn", Value: "1"}, {Key: "phone", Value: "2"}, {Key: "notes", Value: bson.A{}}, {Key: "owner", Value: "anna"}}), nil},
		{find(bson.D{{Key: "ssn", Value: "1"}}), nil},
		{insert(bson.D{{Key: "ssn", Value: "1"}, {Key: "notes", Value: true}, {Key: "owner", Value: "berta"}}), []string{"berta"}},
	}
	for i, step := range steps {
		before := len(store.asked())
		cmd := raw(t, step.cmd)
		original := bytes.Clone(cmd)
		got, err := e.Encrypt(t.Context(), "hr", cmd)
		if err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		if !bytes.Equal(cmd, original) {
			t.Errorf("step %d: the command given has changed", i)
		}
		if i == 0 && &got[0] != &cmd[0] {
			t.Errorf("step %d: nothing to seal, but not the slice given", i)
		}
		fetches := store.asked()[before:]
		slices.Sort(step.want)
		switch {
		case step.want == nil && len(fetches) != 0:
			t.Errorf("step %d: fetched %v, want nothing", i, fetches)
		case step.want != nil && (len(fetches) != 1 || !cmp.Equal(fetches[0], step.want)):
			t.Errorf("step %d: fetched %v, want once %v", i, fetches, step.want)
		}
	}
}

func TestEncryptSealsEveryField(t *testing.T) {
	store := newVault()
	ce := explicit(t, store)
	ssn, phone, anna := newKey(t, ce, "local"), newKey(t, ce, "local"), newKey(t, ce, "local", "anna")
	e := automatic(t, fieldcrypt.AutoEncryptionOptions{SchemaMap: employees(ssn, phone)}, store, nil)
	got, err := e.Encrypt(t.Context(), "hr", raw(t, insert(bson.D{
		{Key: "_id", Value: int32(1)}, {Key: "ssn", Value: "123"}, {Key: "phone", Value: "456"}, {Key: "notes", Value: bson.D{{Key: "a", Value: 1}}}, {Key: "owner", Value: "anna"},
	})))
	if err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]struct {
		key bson.Binary
		alg payload.Algorithm
		typ bson.Type
	}{
		"ssn":   {ssn, payload.Deterministic, bson.TypeString},
		"phone": {phone, payload.Random, bson.TypeString},
		"notes": {anna, payload.Random, bson.TypeEmbeddedDocument},
	} {
		c, err := payload.ParseCiphertext(payloadAt(got, "documents", "0", field))
		if err != nil || c.KeyID != payload.KeyID(want.key.Data) || c.Algorithm != want.alg || c.Type != want.typ {
			t.Errorf("%s: got %v, %v", field, c, err)
		}
	}
	back, err := e.Decrypt(t.Context(), got)
	if err != nil {
		t.Fatal(err)
	}
	if s := back.Lookup("documents", "0", "ssn").StringValue(); s != "123" {
		t.Errorf("got ssn %q", s)
	}
}

func TestEncryptMissingKey(t *testing.T) {
	store := newVault()
	ce := explicit(t, store)
	ssn := newKey(t, ce, "local")
	for _, policy := range []fieldcrypt.Undecryptable{fieldcrypt.Keep, fieldcrypt.Fail} {
		e := automatic(t, fieldcrypt.AutoEncryptionOptions{SchemaMap: employees(ssn, payload.KeyID{3}.Binary()), Undecryptable: policy}, store, nil)
		for want, doc := range map[string]bson.D{
			"03000000-0000-0000-0000-000000000000": {{Key: "ssn", Value: "1"}, {Key: "phone", Value: "2"}},
			"nobody":                               {{Key: "ssn", Value: "1"}, {Key: "notes", Value: "2"}, {Key: "owner", Value: "nobody"}},
		} {
			_, err := e.Encrypt(t.Context(), "hr", raw(t, insert(doc)))
			var keyErr *keyvault.KeyError
			if !errors.As(err, &keyErr) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `"`+doc[1].Key+`"`) {
				t.Errorf("got %v, want key %s and field %s", err, want, doc[1].Key)
			}
		}
	}
}

func TestKeyExpiration(t *testing.T) {
	store := newVault()
	ssn := newKey(t, explicit(t, store), "local")
	cmd := raw(t, find(bson.D{{Key: "ssn", Value: "1"}}))
	short, forever := time.Millisecond, time.Duration(0)
	for name, tc := range map[string]struct {
		expiration *time.Duration
		want       int
	}{"default": {nil, 1}, "1 ms": {&short, 2}, "for ever": {&forever, 1}} {
		t.Run(name, func(t *testing.T) {
			e := automatic(t, fieldcrypt.AutoEncryptionOptions{SchemaMap: employees(ssn, ssn), KeyExpiration: tc.expiration}, store, nil)
			before := len(store.asked())
			for range 2 {
				if _, err := e.Encrypt(t.Context(), "hr", cmd); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * short) // the specification's keyCache test waits in the same way
			}
			if got := len(store.asked()) - before; got != tc.want {
				t.Errorf("fetched %d times, want %d", got, tc.want)
			}
		})
	}
}

func TestEncryptWithKeysThatExpireAtOnce(t *testing.T) {
	// The cache may have lost the keys of the first walk by the time of the second.
	store := newVault()
	ssn := newKey(t, explicit(t, store), "local")
	never := -time.Second
	e := automatic(t, fieldcrypt.AutoEncryptionOptions{SchemaMap: employees(ssn, ssn), KeyExpiration: &never}, store, nil)
	got, err := e.Encrypt(t.Context(), "hr", raw(t, insert(bson.D{{Key: "ssn", Value: "1"}, {Key: "phone", Value: "1"}})))
	if err != nil || payloadAt(got, "documents", "0", "ssn") == nil || payloadAt(got, "documents", "0", "phone") == nil {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestEncryptDispositions(t *testing.T) {
	schemas := employees(payload.KeyID{}.Binary(), payload.KeyID{}.Binary())
	query := find(bson.D{{Key: "ssn", Value: bson.D{{Key: "$gt", Value: "1"}}}})
	for name, tc := range map[string]struct {
		opts    fieldcrypt.AutoEncryptionOptions
		cmd     bson.D
		refused bool
	}{
		"bypassed command":             {fieldcrypt.AutoEncryptionOptions{}, bson.D{{Key: "ping", Value: 1}}, false},
		"unknown command":              {fieldcrypt.AutoEncryptionOptions{}, bson.D{{Key: "mapReduce", Value: "c"}}, true},
		"range query":                  {fieldcrypt.AutoEncryptionOptions{}, query, true},
		"no analysis":                  {fieldcrypt.AutoEncryptionOptions{BypassQueryAnalysis: true}, query, false},
		"no analysis, unknown command": {fieldcrypt.AutoEncryptionOptions{BypassQueryAnalysis: true}, bson.D{{Key: "mapReduce", Value: "c"}}, true},
		"bypass":                       {fieldcrypt.AutoEncryptionOptions{BypassAutoEncryption: true}, query, false},
		"bypass, unknown command":      {fieldcrypt.AutoEncryptionOptions{BypassAutoEncryption: true}, bson.D{{Key: "mapReduce", Value: "c"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			tc.opts.SchemaMap = schemas
			e := automatic(t, tc.opts, newVault(), nil)
			cmd := raw(t, tc.cmd)
			got, err := e.Encrypt(t.Context(), "hr", cmd)
			if tc.refused {
				if refused := (*analyze.RefusedError)(nil); !errors.As(err, &refused) {
					t.Errorf("got %v, want a *RefusedError", err)
				}
				return
			}
			if err != nil || &got[0] != &cmd[0] {
				t.Errorf("got %v, %v, want the slice given", got, err)
			}
		})
	}
}

func TestNewAutoEncryptionRefuses(t *testing.T) {
	ok := fieldcrypt.AutoEncryptionOptions{KmsProviders: providers()}
	with := func(change func(*fieldcrypt.AutoEncryptionOptions)) fieldcrypt.AutoEncryptionOptions {
		o := ok
		change(&o)
		return o
	}
	store := keyvault.NewMemoryStore()
	for name, tc := range map[string]struct {
		opts  fieldcrypt.AutoEncryptionOptions
		store keyvault.Store
		want  string
	}{
		"no vault":     {ok, nil, "key vault"},
		"no providers": {fieldcrypt.AutoEncryptionOptions{}, store, "no kms provider set"},
		"policy":       {with(func(o *fieldcrypt.AutoEncryptionOptions) { o.Undecryptable = 7 }), store, "Undecryptable"},
		"namespace":    {with(func(o *fieldcrypt.AutoEncryptionOptions) { o.SchemaMap = map[string]any{"db": bson.D{}} }), store, `"db"`},
		"no document":  {with(func(o *fieldcrypt.AutoEncryptionOptions) { o.SchemaMap = map[string]any{"db.c": 1} }), store, "db.c"},
		"bad bytes":    {with(func(o *fieldcrypt.AutoEncryptionOptions) { o.SchemaMap = map[string]any{"db.c": bson.Raw{1}} }), store, "db.c"},
		"migrating what has no schema": {with(func(o *fieldcrypt.AutoEncryptionOptions) {
			o.Migrating = map[string]schema.Migration{"db.c": schema.ReadBothWriteEncrypted}
		}), store, "migrating db.c"},
		"migrating what encrypts nothing": {with(func(o *fieldcrypt.AutoEncryptionOptions) {
			o.SchemaMap, o.Migrating = map[string]any{"db.c": bson.D{}}, map[string]schema.Migration{"db.c": schema.ReadBothWriteEncrypted}
		}), store, "migrating db.c"},
		"migrating in an unknown step": {with(func(o *fieldcrypt.AutoEncryptionOptions) {
			o.SchemaMap, o.Migrating = employees(payload.KeyID{1}.Binary(), payload.KeyID{1}.Binary()), map[string]schema.Migration{"hr.employees": 3}
		}), store, "3 is not one of the steps"},
		"migrating _id": {with(func(o *fieldcrypt.AutoEncryptionOptions) {
			o.SchemaMap = map[string]any{"db.c": object(bson.D{{Key: "_id", Value: encryptField("string", det, bson.A{payload.KeyID{}.Binary()})}})}
			o.Migrating = map[string]schema.Migration{"db.c": schema.ReadBothWriteEncrypted}
		}), store, "encrypts _id"},
		"migrating without analysis": {with(func(o *fieldcrypt.AutoEncryptionOptions) {
			o.BypassQueryAnalysis, o.Migrating = true, map[string]schema.Migration{"db.c": schema.ReadBothWriteEncrypted}
		}), store, "BypassQueryAnalysis"},
		"bad schema": {with(func(o *fieldcrypt.AutoEncryptionOptions) {
			o.SchemaMap = map[string]any{"db.c": object(bson.D{{Key: "a", Value: encryptField("bool", det, bson.A{payload.KeyID{}.Binary()})}})}
		}), store, "schema of db.c"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fieldcrypt.NewAutoEncryption(tc.opts, tc.store, nil)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if schemaErr := (*schema.Error)(nil); name == "bad schema" && !errors.As(err, &schemaErr) {
				t.Errorf("got %#v, want a *schema.Error", err)
			}
		})
	}
}

func TestAutoEncryptionClosed(t *testing.T) {
	store := newVault()
	ssn := newKey(t, explicit(t, store), "local")
	e := automatic(t, fieldcrypt.AutoEncryptionOptions{SchemaMap: employees(ssn, ssn)}, store, nil)
	sealed, err := e.Encrypt(t.Context(), "hr", raw(t, find(bson.D{{Key: "ssn", Value: "1"}})))
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
	e.Close()
	if _, err := e.Encrypt(t.Context(), "hr", raw(t, find(bson.D{}))); !errors.Is(err, mongo.ErrClientDisconnected) {
		t.Errorf("Encrypt: got %v", err)
	}
	if _, err := e.Decrypt(t.Context(), sealed); !errors.Is(err, mongo.ErrClientDisconnected) {
		t.Errorf("Decrypt: got %v", err)
	}
	plain := raw(t, bson.D{{Key: "ok", Value: 1}})
	if got, err := e.Decrypt(t.Context(), plain); err != nil || &got[0] != &plain[0] {
		t.Errorf("Decrypt of a reply without ciphertext: got %v, %v", got, err)
	}
}

func TestCancelledLookups(t *testing.T) {
	blocked := make(chan struct{})
	defer close(blocked)
	wait := func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-blocked:
			return errors.New("nobody cancelled")
		}
	}
	ssn := payload.KeyID{}.Binary()
	for name, e := range map[string]*fieldcrypt.AutoEncryption{
		"key":    automatic(t, fieldcrypt.AutoEncryptionOptions{SchemaMap: employees(ssn, ssn)}, waitingVault{wait: wait}, nil),
		"schema": automatic(t, fieldcrypt.AutoEncryptionOptions{}, newVault(), waitingCollections(wait)),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Millisecond, cancel)
			if _, err := e.Encrypt(ctx, "hr", raw(t, find(bson.D{{Key: "ssn", Value: "1"}}))); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
	}
}

type waitingVault struct {
	*keyvault.MemoryStore
	wait func(context.Context) error
}

func (v waitingVault) Fetch(ctx context.Context, _ []payload.KeyID, _ []string) ([]*keyvault.DataKey, error) {
	return nil, v.wait(ctx)
}

type waitingCollections func(context.Context) error

func (w waitingCollections) ListCollections(ctx context.Context, _ string, _ bson.Raw) ([]bson.Raw, error) {
	return nil, w(ctx)
}
