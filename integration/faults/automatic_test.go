package faults

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/internal/breakingproxy"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/mongodriver"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// person is a document of the tests. Its diagnosis is encrypted.
type person struct {
	ID        int    `bson:"_id"`
	Diagnosis string `bson:"diagnosis"`
}

const canary = "diagnosis canary"

// work is what applications do; each needs a data key.
var work = map[string]func(context.Context, *mongo.Collection) error{
	"insert": func(ctx context.Context, coll *mongo.Collection) error {
		_, err := coll.InsertOne(ctx, person{2, canary})
		return err
	},
	"insert many": func(ctx context.Context, coll *mongo.Collection) error {
		_, err := coll.InsertMany(ctx, []person{{3, canary}, {4, canary}, {5, canary}})
		return err
	},
	"update": func(ctx context.Context, coll *mongo.Collection) error {
		_, err := coll.UpdateOne(ctx, bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "$set", Value: bson.D{{Key: "diagnosis", Value: canary}}}})
		return err
	},
	"find by id": func(ctx context.Context, coll *mongo.Collection) error {
		return coll.FindOne(ctx, bson.D{{Key: "_id", Value: 1}}).Err()
	},
	"find by value": func(ctx context.Context, coll *mongo.Collection) error {
		return coll.FindOne(ctx, bson.D{{Key: "diagnosis", Value: canary}}).Err()
	},
	"count": func(ctx context.Context, coll *mongo.Collection) error {
		_, err := coll.CountDocuments(ctx, bson.D{{Key: "diagnosis", Value: canary}})
		return err
	},
}

// While the KMS is gone and no key is in memory, commands fail and change nothing. When it is back they work, without anybody's help.
func TestAutomaticWithoutKMS(t *testing.T) {
	v := startServer(t)
	plain := v.connect(t, v.direct).Database(v.db)
	each(t, func(t *testing.T, s *service) {
		stored := plain.Collection(s.id)
		coll := automatic(t, v, s)
		if _, err := coll.InsertOne(t.Context(), person{1, canary}); err != nil {
			t.Fatal(err)
		}
		before := everything(t, stored)
		for name, tt := range map[string]struct {
			fault breakingproxy.Fault
			late  bool
		}{
			"resetting":  {breakingproxy.Fault{Reset: true}, false},
			"black hole": {breakingproxy.Fault{BlackHole: true}, true},
		} {
			s.breaks(t, tt.fault)
			var working sync.WaitGroup
			for _, operation := range slices.Sorted(maps.Keys(work)) {
				working.Go(func() {
					err := within(t, tt.late, func(ctx context.Context) error { return work[operation](ctx, coll) })
					if !tt.late {
						if e := s.checkError(t, err); !e.Temporary() {
							t.Errorf("%s, %s: not temporary: %v", name, operation, err)
						}
					} else if errors.Is(err, kms.ErrDenied) {
						t.Errorf("%s, %s: claims a denial: %v", name, operation, err)
					}
				})
			}
			working.Wait()
			if diff := cmp.Diff(before, everything(t, stored)); diff != "" {
				t.Errorf("%s: the collection changed (-before +after):\n%s", name, diff)
			}
			s.breaks(t, breakingproxy.Fault{})
		}
		for _, operation := range slices.Sorted(maps.Keys(work)) {
			if err := work[operation](t.Context(), coll); err != nil {
				t.Errorf("after: %s: %v", operation, err)
			}
		}
		checkStored(t, coll, stored, 5)
	})
}

// automatic returns the encrypted collection named after s, and nothing stays in memory.
func automatic(t *testing.T, v *vaultServer, s *service) *mongo.Collection {
	t.Helper()
	s.canaries = append(s.canaries, canary)
	ce := client(t, s, v.connect(t, v.direct), fieldcrypt.ClientEncryptionOptions{KeyVaultNamespace: v.db + ".datakeys"})
	return encrypted(t, v.uri, v.db, s.id, newKeys(t, ce, s, 1)[0], fieldcrypt.AutoEncryptionOptions{
		KmsProviders: map[string]map[string]any{s.id: s.fields},
		KmsTypes:     []kms.Type{s.client(t)},
	})
}

// automaticLocal is automatic with the local KMS and, on a connection of its own through the proxies, the key vault.
func automaticLocal(t *testing.T, v *vaultServer) *mongo.Collection {
	t.Helper()
	return encrypted(t, v.direct, v.db, "local", newKeys(t, v.explicit(t, v.direct), nil, 1)[0], fieldcrypt.AutoEncryptionOptions{
		KeyVaultClient: v.impatient(t),
		KmsProviders:   map[string]map[string]any{"local": local()},
	})
}

func encrypted(t *testing.T, uri, db, name string, key payload.KeyID, opts fieldcrypt.AutoEncryptionOptions) *mongo.Collection {
	t.Helper()
	none := time.Duration(-1)
	opts.KeyVaultNamespace, opts.KeyExpiration = db+".datakeys", &none
	opts.SchemaMap = map[string]any{db + "." + name: bson.D{{Key: "bsonType", Value: "object"}, {Key: "properties", Value: bson.D{
		{Key: "diagnosis", Value: bson.D{{Key: "encrypt", Value: bson.D{
			{Key: "keyId", Value: bson.A{key.Binary()}}, {Key: "bsonType", Value: "string"}, {Key: "algorithm", Value: deterministic},
		}}}},
	}}}}
	mc, err := mongodriver.Connect(options.Client().ApplyURI(uri), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mc.Disconnect(context.Background()) })
	return mc.Database(db).Collection(name)
}

// everything is a collection as it is stored.
func everything(t *testing.T, coll *mongo.Collection) (docs []bson.M) {
	t.Helper()
	cursor, err := coll.Find(t.Context(), bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	if err == nil {
		err = cursor.All(t.Context(), &docs)
	}
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

// checkStored wants people 1 to n, encrypted where they are stored.
func checkStored(t *testing.T, coll, stored *mongo.Collection, n int) {
	t.Helper()
	read, raw := everything(t, coll), everything(t, stored)
	if len(read) != n || len(raw) != n {
		t.Fatalf("%d documents, %d stored; want %d", len(read), len(raw), n)
	}
	for i := range read {
		sealed, ok := raw[i]["diagnosis"].(bson.Binary)
		if read[i]["diagnosis"] != canary || !ok || sealed.Subtype != 6 {
			t.Errorf("document %d is read as %v, stored as %T", i, read[i], raw[i]["diagnosis"])
		}
	}
}
