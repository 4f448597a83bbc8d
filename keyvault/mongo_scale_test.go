package keyvault_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// arrays are the ids and the names that a fetch asks for.
func arrays(t testing.TB, find bson.Raw) (ids, names []bson.RawValue) {
	t.Helper()
	at := func(path ...string) []bson.RawValue {
		values, err := find.Lookup(append([]string{"filter", "$or"}, path...)...).Array().Values()
		if err != nil {
			t.Fatal(err)
		}
		return values
	}
	return at("0", "_id", "$in"), at("1", "keyAltNames", "$in")
}

// Many keys are asked for in finds of sane size, each key and name once.
func TestFetchInBatches(t *testing.T) {
	for name, tt := range map[string]struct {
		ids, names, nameLength int
		want                   [][2]int // ids and names of each find
	}{
		"one find":   {9_000, 1_000, 8, [][2]int{{9_000, 1_000}}},
		"many ids":   {25_000, 0, 8, [][2]int{{10_000, 0}, {10_000, 0}, {5_000, 0}}},
		"both":       {10_001, 10_001, 8, [][2]int{{10_000, 0}, {1, 9_999}, {0, 2}}},
		"long names": {1, 3, 2 << 20, [][2]int{{1, 1}, {0, 1}, {0, 1}}},
		"huge name":  {0, 2, 5 << 20, [][2]int{{0, 1}, {0, 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			server, store := startStore(t, func(bson.Raw) bson.D {
				return cursor(with("_id", numbered(1).Binary())) // by its id in one find, by its name in another
			})
			var ids []payload.KeyID
			for n := range tt.ids {
				ids = append(ids, numbered(n+1))
			}
			var names []string
			for n := range tt.names {
				names = append(names, strings.Repeat("x", tt.nameLength)+string(rune('a'+n%26)))
			}
			keys, err := store.Fetch(t.Context(), ids, names)
			if err != nil || len(keys) != 1 {
				t.Fatalf("got %d keys, %v", len(keys), err)
			}
			var got [][2]int
			for _, cmd := range server.commands {
				ids, names := arrays(t, cmd)
				got = append(got, [2]int{len(ids), len(names)})
				if len(cmd) > 8<<20 {
					t.Errorf("a command of %d bytes", len(cmd))
				}
			}
			if len(got) != len(tt.want) {
				t.Fatalf("got %v, want %v", got, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Fatalf("got %v, want %v", got, tt.want)
				}
			}
		})
	}
}

// Many keys are written with several commands: FerretDB 1.x takes a connection to its database for each update of a command, of which it has 100.
func TestRewrapInSmallCommands(t *testing.T) {
	for name, tt := range map[string]struct {
		keys, fails int // fails is which command; 0 is none
		commands    []int
		matched     int64
	}{
		"few":              {50, 0, []int{50}, 50},
		"many":             {120, 0, []int{50, 50, 20}, 120},
		"the second fails": {120, 2, []int{50, 50}, 57},
	} {
		t.Run(name, func(t *testing.T) {
			var commands []int
			_, store := startStore(t, func(cmd bson.Raw) bson.D {
				updates, _ := cmd.Lookup("updates").Array().Values()
				commands = append(commands, len(updates))
				if len(commands) == tt.fails {
					return bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 7}, {Key: "nModified", Value: 7}, {Key: "writeErrors", Value: bson.A{
						bson.D{{Key: "index", Value: 7}, {Key: "code", Value: 121}, {Key: "errmsg", Value: "no"}}}}}
				}
				return bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: len(updates)}, {Key: "nModified", Value: len(updates)}}
			})
			var keys []keyvault.Rewrapped
			for n := range tt.keys {
				keys = append(keys, keyvault.Rewrapped{ID: numbered(n + 1), KeyMaterial: []byte{1}, MasterKey: awsMasterKey})
			}
			res, err := store.Rewrap(t.Context(), keys)
			if (err != nil) != (tt.fails > 0) || res == nil || res.MatchedCount != tt.matched || res.ModifiedCount != tt.matched {
				t.Errorf("got %+v, %v", res, err)
			}
			if !slices.Equal(commands, tt.commands) {
				t.Errorf("%d updates", commands)
			}
		})
	}
}

// Documents that are not data keys do not take the others away.
func TestUnreadableAlongside(t *testing.T) {
	oid, _ := bson.ObjectIDFromHex("65f000000000000000000001")
	_, store := startStore(t, func(bson.Raw) bson.D {
		return cursor(goodFields(), bson.D{{Key: "_id", Value: oid}, {Key: "name", Value: canary}}, bson.D{{Key: "x", Value: canary}},
			with("extra", canary), bson.D{{Key: "_id", Value: canary}})
	})
	for name, find := range map[string]func() ([]*keyvault.DataKey, error){
		"find":  func() ([]*keyvault.DataKey, error) { return store.Find(t.Context(), bson.D{}) },
		"fetch": func() ([]*keyvault.DataKey, error) { return store.Fetch(t.Context(), []payload.KeyID{someID}, nil) },
	} {
		keys, err := find()
		var unreadable *keyvault.UnreadableError
		if len(keys) != 1 || !errors.As(err, &unreadable) || len(unreadable.Documents) != 4 {
			t.Fatalf("%s: got %d keys, %v", name, len(keys), err)
		}
		const want = "key vault db.keys: 4 documents are not data keys: document with _id 65f000000000000000000001: data key document: "
		if !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), canary) || !strings.Contains(err.Error(), someID.String()) {
			t.Errorf("%s: got %v", name, err)
		}
		if got, ok := unreadable.Documents[0].ID.ObjectIDOK(); !ok || got != oid {
			t.Errorf("%s: the id is %s", name, unreadable.Documents[0].ID)
		}
	}
}

func TestMongoStoreLifeCommands(t *testing.T) {
	server, store := startStore(t, func(cmd bson.Raw) bson.D {
		switch first, _ := cmd.IndexErr(0); first.Key() {
		case "find":
			return cursor(goodFields(), goodFields())
		case "findAndModify":
			return bson.D{{Key: "ok", Value: 1}, {Key: "value", Value: goodFields()}}
		default:
			return bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: int32(0)}, {Key: "nModified", Value: int32(0)}}
		}
	})
	ctx := t.Context()
	local := marshal(t, bson.D{{Key: "provider", Value: "local"}})
	was := &keyvault.DataKey{ID: someID, KeyMaterial: []byte{1}, MasterKey: awsMasterKey}
	if _, err := store.Rewrap(ctx, []keyvault.Rewrapped{{ID: someID, KeyMaterial: []byte{2}, MasterKey: local, Was: was}}); err != nil {
		t.Error(err)
	}
	if doc, err := store.Take(ctx, someID); err != nil || string(doc) != string(marshal(t, goodFields())) {
		t.Errorf("got %v, %v", doc, err)
	}
	enough := errors.New("enough")
	if err := store.Scan(ctx, bson.D{}, func(bson.Raw) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
	server.checkCommands(t,
		`{"update":"keys","ordered":true,"updates":[{"q":{"_id":`+uuid1+`,"keyMaterial":{"$binary":{"base64":"AQ==","subType":"00"}},"masterKey":{"provider":"aws"}},"u":{"$set":{"masterKey":{"provider":"local"},"keyMaterial":{"$binary":{"base64":"Ag==","subType":"00"}}},"$currentDate":{"updateDate":true}}}],`+majority+`}`,
		`{"findAndModify":"keys","query":{"_id":`+uuid1+`},"remove":true,`+majority+`}`,
		`{"find":"keys","batchSize":1000,"filter":{},"readConcern":{"level":"majority"}}`,
	)
}

func TestMongoStoreTakeNothing(t *testing.T) {
	_, store := startStore(t, func(bson.Raw) bson.D { return bson.D{{Key: "ok", Value: 1}, {Key: "value", Value: nil}} })
	if _, err := store.Take(t.Context(), someID); !errors.Is(err, keyvault.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestIndex(t *testing.T) {
	id := bson.D{{Key: "v", Value: 2}, {Key: "key", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "name", Value: "_id_"}, {Key: "unique", Value: true}}
	on := func(field string, extra ...bson.E) bson.D {
		return append(bson.D{{Key: "v", Value: 2}, {Key: "key", Value: bson.D{{Key: field, Value: 1}}}, {Key: "name", Value: "n"}}, extra...)
	}
	unique := bson.E{Key: "unique", Value: true}
	partial := func(field string) bson.E {
		return bson.E{Key: "partialFilterExpression", Value: bson.D{{Key: field, Value: bson.D{{Key: "$exists", Value: true}}}}}
	}
	for name, tt := range map[string]struct {
		answer bson.D
		want   keyvault.Index
	}{
		"no collection":     {refusal(26, "ns does not exist"), keyvault.IndexMissing},
		"none":              {cursor(id), keyvault.IndexMissing},
		"of another field":  {cursor(id, on("status", unique)), keyvault.IndexMissing},
		"not unique":        {cursor(id, on("keyAltNames")), keyvault.IndexMissing},
		"partial":           {cursor(id, on("keyAltNames", unique, partial("keyAltNames"))), keyvault.IndexPartial},
		"partial otherwise": {cursor(id, on("keyAltNames", unique, partial("status"))), keyvault.IndexMissing},
		"partly partial": {cursor(id, on("keyAltNames", unique, bson.E{Key: "partialFilterExpression", Value: bson.D{
			{Key: "keyAltNames", Value: bson.D{{Key: "$exists", Value: true}}}, {Key: "status", Value: 0},
		}})), keyvault.IndexMissing},
		"partial by two rules": {cursor(id, on("keyAltNames", unique, bson.E{Key: "partialFilterExpression", Value: bson.D{
			{Key: "keyAltNames", Value: bson.D{{Key: "$exists", Value: true}, {Key: "$gt", Value: "m"}}},
		}})), keyvault.IndexMissing},
		"sparse":             {cursor(id, on("keyAltNames", unique, bson.E{Key: "sparse", Value: true})), keyvault.IndexSparse},
		"more than one does": {cursor(id, on("keyAltNames", unique, partial("keyAltNames")), on("keyAltNames", unique)), keyvault.IndexPartial},
	} {
		_, store := startStore(t, func(bson.Raw) bson.D { return tt.answer })
		if got, err := store.Index(t.Context()); got != tt.want || err != nil {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

// Both stores compare what a document was.
func TestRewrapComparesAndSets(t *testing.T) {
	store := storeWith(t, nil)
	ctx := context.Background()
	original, err := store.Fetch(ctx, []payload.KeyID{numbered(1)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	rewrap := func(material byte, was *keyvault.DataKey) int64 {
		result, err := store.Rewrap(ctx, []keyvault.Rewrapped{{ID: numbered(1), KeyMaterial: []byte{material}, MasterKey: awsMasterKey, Was: was}})
		if err != nil {
			t.Fatal(err)
		}
		return result.MatchedCount
	}
	first, late, forced := rewrap(1, original[0]), rewrap(2, original[0]), rewrap(3, nil)
	if first != 1 || late != 0 || forced != 1 {
		t.Errorf("matched %d, then %d, then %d", first, late, forced)
	}
	if _, err := store.Rewrap(ctx, []keyvault.Rewrapped{{ID: numbered(2), KeyMaterial: []byte{1}, MasterKey: awsMasterKey, Was: original[0]}}); err == nil {
		t.Error("took the wrapping of another key")
	}
}

func TestMemoryStoreTakeAndScan(t *testing.T) {
	store := storeWith(t, []string{"a"}, nil, nil)
	ctx := context.Background()
	doc, err := store.Take(ctx, numbered(1))
	if key, parseErr := keyvault.ParseDataKey(doc); err != nil || parseErr != nil || key.ID != numbered(1) {
		t.Errorf("got %v, %v", err, parseErr)
	}
	if _, err := store.Take(ctx, numbered(1)); !errors.Is(err, keyvault.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := store.AddKeyAltName(ctx, numbered(2), "a"); err != nil {
		t.Errorf("the name is not free: %v", err)
	}
	var seen []*keyvault.DataKey
	err = store.Scan(ctx, bson.D{}, func(doc bson.Raw) error {
		key, err := keyvault.ParseDataKey(doc)
		seen = append(seen, key)
		_, deleteErr := store.Delete(ctx, numbered(3)) // a scan does not hold the lock
		return errors.Join(err, deleteErr)
	})
	if err != nil || len(seen) != 1 || seen[0].ID != numbered(2) {
		t.Errorf("got %d, %v", len(seen), err)
	}
}
