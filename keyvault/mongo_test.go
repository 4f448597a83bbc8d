package keyvault_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// startStore returns a store on a scripted server.
func startStore(t *testing.T, answer func(cmd bson.Raw) bson.D) (*scriptedServer, *keyvault.MongoStore) {
	t.Helper()
	server, client := startServer(t, answer)
	store, err := keyvault.NewMongoStore(client, "db.keys")
	if err != nil {
		t.Fatal(err)
	}
	return server, store
}

func cursor(docs ...any) bson.D {
	return bson.D{{Key: "ok", Value: 1}, {Key: "cursor", Value: bson.D{
		{Key: "id", Value: int64(0)}, {Key: "ns", Value: "db.keys"}, {Key: "firstBatch", Value: append(bson.A{}, docs...)},
	}}}
}

func refusal(code int, message string) bson.D {
	return bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: int32(code)}, {Key: "errmsg", Value: message}}
}

// checkCommands compares the commands that the server has seen, without the fields that differ from run to run and with the other fields
// in the order of their names.
func (s *scriptedServer) checkCommands(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var got []string
	for _, cmd := range s.commands {
		var d, kept bson.D
		if err := bson.Unmarshal(cmd, &d); err != nil {
			t.Fatal(err)
		}
		for _, e := range d {
			if e.Key != "lsid" && e.Key != "$db" && e.Key != "$readPreference" && e.Key != "txnNumber" && e.Key != "maxTimeMS" {
				kept = append(kept, e)
			}
			if e.Key == "txnNumber" || e.Key == "autocommit" {
				t.Errorf("sent with %s: a session of the caller's context was used", e.Key)
			}
		}
		slices.SortFunc(kept[1:], func(a, b bson.E) int { return strings.Compare(a.Key, b.Key) })
		text, err := bson.MarshalExtJSON(kept, false, false)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(text))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
}

const (
	uuid1    = `{"$binary":{"base64":"ESIzRFVmR4iZqrvM3e7/AA==","subType":"04"}}`
	majority = `"writeConcern":{"w":"majority"}`
)

func TestMongoStoreCommands(t *testing.T) {
	ctx := t.Context()
	server, store := startStore(t, func(cmd bson.Raw) bson.D {
		switch first, _ := cmd.IndexErr(0); first.Key() {
		case "find":
			return cursor(goodFields())
		case "findAndModify":
			return bson.D{{Key: "ok", Value: 1}, {Key: "value", Value: goodFields()}}
		default:
			return bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: int32(1)}, {Key: "nModified", Value: int32(1)}}
		}
	})
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	checkKey := func(key *keyvault.DataKey, err error) {
		t.Helper()
		check(err)
		if key.ID != someID || string(key.KeyMaterial) != canary {
			t.Errorf("another key: %s", key.ID)
		}
	}
	keys, err := store.Fetch(ctx, []payload.KeyID{someID}, nil)
	check(err)
	checkKey(keys[0], nil)
	_, err = store.Fetch(ctx, nil, []string{"a", "b"})
	check(err)
	none, err := store.Fetch(ctx, nil, nil)
	check(err)
	if len(none) != 0 {
		t.Error("fetched something for nothing")
	}
	_, err = store.Find(ctx, bson.M{"masterKey.provider": "aws"})
	check(err)
	key := &keyvault.DataKey{ID: someID, KeyMaterial: []byte{1}, MasterKey: marshal(t, bson.D{{Key: "provider", Value: "local"}}), CreationDate: someTime, UpdateDate: someTime}
	check(store.Insert(ctx, key))
	n, err := store.Delete(ctx, someID)
	check(err)
	if n != 1 {
		t.Errorf("deleted %d", n)
	}
	checkKey(store.AddKeyAltName(ctx, someID, "a"))
	checkKey(store.RemoveKeyAltName(ctx, someID, "a"))
	result, err := store.Rewrap(ctx, []keyvault.Rewrapped{{ID: someID, KeyMaterial: []byte{2}, MasterKey: key.MasterKey}})
	check(err)
	if result.MatchedCount != 1 || result.ModifiedCount != 1 {
		t.Errorf("rewrapped: %+v", result)
	}
	partial, err := store.EnsureIndex(ctx)
	check(err)
	if !partial {
		t.Error("the index is partial here")
	}

	const date = `{"$date":"2026-03-04T05:06:07.089Z"}`
	server.checkCommands(t,
		`{"find":"keys","filter":{"$or":[{"_id":{"$in":[`+uuid1+`]}},{"keyAltNames":{"$in":[]}}]},"readConcern":{"level":"majority"}}`,
		`{"find":"keys","filter":{"$or":[{"_id":{"$in":[]}},{"keyAltNames":{"$in":["a","b"]}}]},"readConcern":{"level":"majority"}}`,
		`{"find":"keys","filter":{"masterKey.provider":"aws"},"readConcern":{"level":"majority"}}`,
		`{"insert":"keys","documents":[{"_id":`+uuid1+`,"keyMaterial":{"$binary":{"base64":"AQ==","subType":"00"}},"creationDate":`+date+`,"updateDate":`+date+`,"status":0,"masterKey":{"provider":"local"}}],"ordered":true,`+majority+`}`,
		`{"delete":"keys","deletes":[{"q":{"_id":`+uuid1+`},"limit":1}],"ordered":true,`+majority+`}`,
		`{"findAndModify":"keys","query":{"_id":`+uuid1+`},"update":{"$addToSet":{"keyAltNames":"a"}},`+majority+`}`,
		`{"findAndModify":"keys","query":{"_id":`+uuid1+`},"update":[{"$set":{"keyAltNames":{"$cond":[{"$eq":["$keyAltNames",["a"]]},"$$REMOVE",{"$filter":{"input":"$keyAltNames","cond":{"$ne":["$$this","a"]}}}]}}}],`+majority+`}`,
		`{"update":"keys","ordered":true,"updates":[{"q":{"_id":`+uuid1+`},"u":{"$set":{"masterKey":{"provider":"local"},"keyMaterial":{"$binary":{"base64":"Ag==","subType":"00"}}},"$currentDate":{"updateDate":true}}}],`+majority+`}`,
		`{"createIndexes":"keys","indexes":[{"key":{"keyAltNames":1},"name":"keyAltNames_1","unique":true,"partialFilterExpression":{"keyAltNames":{"$exists":true}}}],`+majority+`}`,
	)
}

// Whatever the client and the caller's session say.
func TestMongoStoreConcerns(t *testing.T) {
	server, client := startServer(t, func(bson.Raw) bson.D { return cursor() })
	session, err := client.StartSession()
	if err != nil {
		t.Fatal(err)
	}
	defer session.EndSession(t.Context())
	if err := session.StartTransaction(); err != nil {
		t.Fatal(err)
	}
	weak, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + server.listener.Addr().String() + "/?directConnection=true").
		SetReadConcern(readconcern.Local()).SetWriteConcern(writeconcern.W1()).SetReadPreference(readpref.Nearest()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = weak.Disconnect(t.Context()) }()
	for _, c := range []*mongo.Client{client, weak} {
		store, err := keyvault.NewMongoStore(c, "db.keys")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Find(mongo.NewSessionContext(t.Context(), session), bson.D{}); err != nil {
			t.Fatal(err)
		}
	}
	const find = `{"find":"keys","filter":{},"readConcern":{"level":"majority"}}`
	server.checkCommands(t, find, find)
	for _, cmd := range server.commands {
		if _, err := cmd.LookupErr("startTransaction"); err == nil {
			t.Error("took part in the caller's transaction")
		}
	}
}

func TestEnsureIndexWithoutPartialIndexes(t *testing.T) {
	server, store := startStore(t, func(cmd bson.Raw) bson.D {
		if _, err := cmd.LookupErr("indexes", "0", "partialFilterExpression"); err == nil {
			return refusal(238, `Index option "partialFilterExpression" is not implemented yet`)
		}
		return bson.D{{Key: "ok", Value: 1}}
	})
	if partial, err := store.EnsureIndex(t.Context()); partial || err != nil {
		t.Errorf("got %t, %v", partial, err)
	}
	server.mu.Lock()
	server.commands = server.commands[1:]
	server.mu.Unlock()
	server.checkCommands(t, `{"createIndexes":"keys","indexes":[{"key":{"keyAltNames":1},"name":"keyAltNames_1","sparse":true,"unique":true}],`+majority+`}`)
}
