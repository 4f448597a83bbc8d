package keylife

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// A key vault with everything wrong with it is reported, listed and rewrapped as far as it goes.
func TestSickKeyVault(t *testing.T) {
	s := start(t)
	ce := s.explicit(t)
	for _, names := range [][]string{{"a", "b"}, {"b", "c"}, nil} { // no index yet
		newKey(t, ce, "local", names...)
	}
	insert := func(doc any) {
		t.Helper()
		if _, err := s.keys.InsertOne(t.Context(), doc); err != nil {
			t.Fatal(err)
		}
	}
	unknown, err := ce.GetKeyByAltName(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	unknown.ID, unknown.KeyAltNames = payload.KeyID{15: 1}, nil
	unknown.MasterKey, _ = bson.Marshal(bson.D{{Key: "provider", Value: "aws:elsewhere"}})
	insert(unknown)
	other := *unknown
	other.ID = payload.KeyID{15: 2}
	other.MasterKey, _ = bson.Marshal(bson.D{{Key: "provider", Value: "local:name2"}}) // wrapped by local
	insert(&other)
	insert(bson.D{{Key: "_id", Value: 5}, {Key: "note", Value: "not a key"}})

	report, err := ce.CheckKeyVault(t.Context(), fieldcrypt.CheckKeyVaultOptions{})
	if err != nil || report.Documents != 6 {
		t.Fatalf("got %+v, %v", report, err)
	}
	want := map[fieldcrypt.KeyVaultProblem]int64{
		fieldcrypt.MissingIndex: 1, fieldcrypt.DuplicateKeyAltName: 2, fieldcrypt.UnknownProvider: 1, fieldcrypt.CannotUnwrap: 1,
		fieldcrypt.UnreadableDocument: 1,
	}
	if diff := cmp.Diff(want, report.Counts); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	var unreadable *keyvault.UnreadableError
	if keys, err := ce.GetKeys(t.Context()); len(keys) != 5 || !errors.As(err, &unreadable) || len(unreadable.Documents) != 1 {
		t.Errorf("listed %d, %v", len(keys), err)
	}
	_, err = ce.Encrypt(t.Context(), value(t, "v"), fieldcrypt.EncryptOptions{KeyAltName: "b", Algorithm: random})
	checkError(t, err, "duplicate keyAltNames")
	healthy := bson.D{{Key: "masterKey.provider", Value: bson.D{{Key: "$nin", Value: bson.A{"aws:elsewhere", "local:name2"}}}}}
	res, err := ce.RewrapManyDataKey(t.Context(), healthy, fieldcrypt.RewrapManyDataKeyOptions{Provider: "local:name1"})
	if !errors.As(err, &unreadable) || res == nil || res.ModifiedCount != 3 {
		t.Errorf("rewrapped: %+v, %v", res, err)
	}
}

// Somebody rewraps a key while another rewrap has read it: the later write does not overwrite, and says so.
func TestRewrapOvertaken(t *testing.T) {
	s := start(t)
	ce, rival := s.explicit(t), s.explicit(t)
	id, other := newKey(t, ce, "local"), newKey(t, ce, "local")
	rivals := 0
	_, err := ce.RewrapManyDataKey(t.Context(), bson.D{}, fieldcrypt.RewrapManyDataKeyOptions{
		Provider: "local:name1",
		Progress: func(int) {
			if rivals++; rivals == 1 {
				filter := bson.D{{Key: "_id", Value: id}}
				if _, err := rival.RewrapManyDataKey(t.Context(), filter, fieldcrypt.RewrapManyDataKeyOptions{Provider: "local:name2"}); err != nil {
					t.Error(err)
				}
			}
		},
	})
	var failed *fieldcrypt.RewrapError
	if !errors.As(err, &failed) || len(failed.Keys) != 1 || failed.Keys[payload.KeyID(id.Data)] != fieldcrypt.RewrapOvertaken {
		t.Errorf("got %v", err)
	}
	for key, want := range map[*bson.Binary]string{&id: "local:name2", &other: "local:name1"} {
		if got, err := ce.GetKey(t.Context(), *key); err != nil || got.Provider() != want {
			t.Errorf("%v, %v; want %s", got, err, want)
		}
	}
}

// More keys than the cursor brings at once, checked, fetched and rewrapped in batches.
func TestManyKeys(t *testing.T) {
	s := start(t)
	ce := s.explicit(t)
	id := newKey(t, ce, "local")
	key, err := ce.GetKey(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	const count = 300
	var docs []any
	var ids []payload.KeyID
	for n := range count - 1 {
		k := *key
		k.ID = payload.KeyID{13: 1, 14: byte(n >> 8), 15: byte(n)}
		docs, ids = append(docs, &k), append(ids, k.ID)
	}
	if _, err := s.keys.InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	store, err := keyvault.NewMongoStore(s.connect(t, options.Client()), s.db+".datakeys")
	if err != nil {
		t.Fatal(err)
	}
	if keys, err := store.Fetch(context.Background(), ids, nil); err != nil || len(keys) != len(ids) {
		t.Errorf("fetched %d, %v", len(keys), err)
	}
	var progress int64
	report, err := ce.CheckKeyVault(t.Context(), fieldcrypt.CheckKeyVaultOptions{Progress: func(n int64) { progress = n }})
	if err != nil || report.Documents != count || progress != count || len(report.Findings) != 1 {
		t.Errorf("checked: %+v, %v", report.Counts, err)
	}
	some := bson.D{{Key: "_id", Value: bson.D{{Key: "$lt", Value: payload.KeyID{13: 1, 14: 1}.Binary()}}}}
	res, err := ce.RewrapManyDataKey(t.Context(), some, fieldcrypt.RewrapManyDataKeyOptions{Provider: "local:name1", BatchSize: 200})
	if err != nil || res.ModifiedCount != 256 {
		t.Errorf("rewrapped %+v, %v", res, err)
	}
	res, err = ce.RewrapManyDataKey(t.Context(), some, fieldcrypt.RewrapManyDataKeyOptions{})
	if err != nil || res.ModifiedCount != 256 {
		t.Errorf("rewrapped all at once: %+v, %v", res, err)
	}
}
