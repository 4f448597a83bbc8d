package aggregation

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
)

// clinic is a server with collections of different schemas in two databases, and a client that encrypts.
type clinic struct {
	*server
	client  *mongo.Client
	billing string // the other database
}

func startClinic(t *testing.T) *clinic {
	t.Helper()
	s := start(t)
	c := &clinic{server: s, billing: testserver.Database(t)}
	s.create(t, s.db, "patients", object(
		bson.E{Key: "ssn", Value: s.field("string", deterministic, 0)}, bson.E{Key: "note", Value: s.field("string", random, 1)}))
	s.create(t, c.billing, "cards", object(
		bson.E{Key: "_id", Value: s.field("string", deterministic, 1)}, bson.E{Key: "pin", Value: s.field("int", deterministic, 0)}))
	s.create(t, c.billing, "log", nil)
	c.client = s.encrypting(t, s.opts)
	s.Reset()
	return c
}

// bulk makes a list of writes: namespaces by the names of their collections, which are unique here.
func (c *clinic) bulk(writes ...any) (list []mongo.ClientBulkWrite) {
	for i := 0; i < len(writes); i += 2 {
		db, coll := c.db, writes[i].(string)
		if coll != "patients" {
			db = c.billing
		}
		list = append(list, mongo.ClientBulkWrite{Database: db, Collection: coll, Model: writes[i+1].(mongo.ClientWriteModel)})
	}
	return list
}

func insert(doc ...bson.E) *mongo.ClientInsertOneModel {
	return mongo.NewClientInsertOneModel().SetDocument(bson.D(doc))
}

func set(path string, v any) bson.D { return bson.D{{Key: "$set", Value: eq(path, v)}} }
func eq(path string, v any) bson.D  { return bson.D{{Key: path, Value: v}} }

// assertRead compares all documents of a collection, read by the client that encrypts.
func (c *clinic) assertRead(t *testing.T, db, coll, want string) {
	t.Helper()
	cursor, err := c.client.Database(db).Collection(coll).Find(t.Context(), bson.D{})
	var got []bson.D
	if err == nil {
		err = cursor.All(t.Context(), &got)
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fromJSON[[]bson.D](t, want), got); diff != "" {
		t.Errorf("%s, -want +got:\n%s", coll, diff)
	}
}

// TestBulkWrite goes through mongo.Client.BulkWrite. With its own automatic encryption the driver refuses that ("bulkWrite does not
// currently support automatic encryption"); it works here because mongodriver does not set the option that the driver asks for, but the hook
// below it, which is given this command like any other.
func TestBulkWrite(t *testing.T) {
	c := startClinic(t)
	got, err := c.client.BulkWrite(t.Context(), c.bulk(
		"patients", insert(bson.E{Key: "_id", Value: 1}, bson.E{Key: "ssn", Value: "canary-1"}, bson.E{Key: "note", Value: "canary-note"}),
		"patients", insert(bson.E{Key: "_id", Value: 2}, bson.E{Key: "ssn", Value: "canary-2"}),
		"cards", insert(bson.E{Key: "_id", Value: "canary-card-1"}, bson.E{Key: "pin", Value: int32(0x5ec2e701)}),
		"log", insert(bson.E{Key: "_id", Value: 1}, bson.E{Key: "ssn", Value: "in clear"}),
		"patients", mongo.NewClientUpdateOneModel().SetFilter(eq("ssn", "canary-1")).SetUpdate(set("note", "canary-changed")),
		"cards", mongo.NewClientUpdateManyModel().SetFilter(eq("pin", int32(0x5ec2e701))).
			SetUpdate(bson.D{{Key: "$set", Value: bson.D{{Key: "pin", Value: int32(0x5ec2e702)}, {Key: "n", Value: 1}}}}),
		"cards", mongo.NewClientReplaceOneModel().
			SetFilter(eq("_id", "canary-card-2")).SetReplacement(eq("pin", int32(0x5ec2e703))).SetUpsert(true),
		"patients", mongo.NewClientReplaceOneModel().
			SetFilter(eq("ssn", bson.D{{Key: "$in", Value: bson.A{"canary-2", "canary-9"}}})).SetReplacement(eq("ssn", "canary-3")),
		"cards", mongo.NewClientDeleteOneModel().SetFilter(eq("pin", int32(0x5ec2e702))),
		"patients", mongo.NewClientDeleteManyModel().SetFilter(eq("ssn", "canary-2")),
	), options.ClientBulkWrite().SetVerboseResults(true))
	if err != nil {
		t.Fatal(err)
	}
	want := &mongo.ClientBulkWriteResult{
		InsertedCount: 4, MatchedCount: 3, ModifiedCount: 3, UpsertedCount: 1, DeletedCount: 1, Acknowledged: true, HasVerboseResults: true,
		InsertResults: map[int]mongo.ClientBulkWriteInsertResult{0: {InsertedID: int32(1)}, 1: {InsertedID: int32(2)}, 2: {InsertedID: "canary-card-1"}, 3: {InsertedID: int32(1)}},
		UpdateResults: map[int]mongo.ClientBulkWriteUpdateResult{
			4: {MatchedCount: 1, ModifiedCount: 1}, 5: {MatchedCount: 1, ModifiedCount: 1}, 6: {MatchedCount: 1, UpsertedID: "canary-card-2"}, 7: {MatchedCount: 1, ModifiedCount: 1},
		},
		DeleteResults: map[int]mongo.ClientBulkWriteDeleteResult{8: {DeletedCount: 1}, 9: {}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result, -want +got:\n%s", diff)
	}
	if n := len(c.Commands("bulkWrite")); n != 1 {
		t.Errorf("%d bulkWrite commands, want 1", n)
	}
	c.assertSealed(t, c.db, "patients", "ssn", "note")
	c.assertSealed(t, c.billing, "cards", "_id", "pin")
	c.assertRead(t, c.db, "patients", `[{"_id": 1, "ssn": "canary-1", "note": "canary-changed"}, {"_id": 2, "ssn": "canary-3"}]`)
	c.assertRead(t, c.billing, "cards", `[{"_id": "canary-card-2", "pin": 1589831427}]`)
	c.assertRead(t, c.billing, "log", `[{"_id": 1, "ssn": "in clear"}]`)
	c.assertNoPlaintext(t, "canary")
	for _, pin := range []string{"\x01", "\x02", "\x03"} {
		c.assertNoPlaintext(t, pin+"\xe7\xc2\x5e")
	}
}

// TestBulkWriteBatches: what is too big for one command comes in several, each encrypted, and results keep their places.
func TestBulkWriteBatches(t *testing.T) {
	c := startClinic(t)
	var writes []any
	want := map[int]mongo.ClientBulkWriteInsertResult{}
	for i := range 4 {
		id := "canary-" + string(rune('a'+i))
		writes = append(writes, "cards", insert(bson.E{Key: "_id", Value: id}, bson.E{Key: "padding", Value: strings.Repeat("x", 900_000)}))
		want[i] = mongo.ClientBulkWriteInsertResult{InsertedID: id}
	}
	got, err := c.client.BulkWrite(t.Context(), c.bulk(writes...), options.ClientBulkWrite().SetVerboseResults(true))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.InsertResults); diff != "" || got.InsertedCount != 4 {
		t.Errorf("%d inserted, -want +got:\n%s", got.InsertedCount, diff)
	}
	if n := len(c.Commands("bulkWrite")); n != 2 {
		t.Errorf("%d bulkWrite commands, want 2: at most 2 MiB each", n)
	}
	c.assertSealed(t, c.billing, "cards", "_id")
	c.assertNoPlaintext(t, "canary")
}

// TestBulkWriteError: what one operation fails with comes back as in any bulk.
func TestBulkWriteError(t *testing.T) {
	for name, tc := range map[string]struct {
		ordered  bool
		inserted int64
	}{"ordered": {true, 1}, "unordered": {false, 2}} {
		t.Run(name, func(t *testing.T) {
			c := startClinic(t)
			card := func(id string) *mongo.ClientInsertOneModel { return insert(bson.E{Key: "_id", Value: id}) }
			_, err := c.client.BulkWrite(t.Context(), c.bulk("cards", card("canary-1"), "cards", card("canary-1"), "cards", card("canary-2")),
				options.ClientBulkWrite().SetOrdered(tc.ordered))
			var failed mongo.ClientBulkWriteException
			if !errors.As(err, &failed) || len(failed.WriteErrors) != 1 || failed.WriteErrors[1].Code != 11000 {
				t.Fatalf("got %v, want error 11000 of operation 1", err)
			}
			if failed.PartialResult == nil || failed.PartialResult.InsertedCount != tc.inserted {
				t.Errorf("partial result %+v, want %d inserted", failed.PartialResult, tc.inserted)
			}
			c.assertNoPlaintext(t, "canary")
		})
	}
}

// TestRefusedBulkWrite: one operation that cannot be right on ciphertext, and none is sent.
func TestRefusedBulkWrite(t *testing.T) {
	c := startClinic(t)
	for name, tc := range map[string]struct {
		rule, coll string
		model      mongo.ClientWriteModel
	}{
		"a range":               {"match-operator-on-encrypted", "cards", mongo.NewClientDeleteManyModel().SetFilter(eq("pin", bson.D{{Key: "$gt", Value: int32(1)}}))},
		"an equality on random": {"match-equality-on-random", "patients", mongo.NewClientUpdateOneModel().SetFilter(eq("note", "n")).SetUpdate(set("x", 1))},
		"arithmetic": {"update-arithmetic-on-encrypted", "cards", mongo.NewClientUpdateManyModel().
			SetFilter(bson.D{}).SetUpdate(bson.D{{Key: "$inc", Value: eq("pin", int32(1))}})},
		"an update with a pipeline": {"update-pipeline", "cards", mongo.NewClientUpdateOneModel().SetFilter(bson.D{}).SetUpdate(mongo.Pipeline{set("n", 1)})},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.client.BulkWrite(t.Context(), c.bulk("patients", insert(bson.E{Key: "ssn", Value: "canary"}), "log", insert(bson.E{Key: "n", Value: 1}), tc.coll, tc.model))
			var refused *analyze.RefusedError
			if !errors.As(err, &refused) || refused.Rule != tc.rule {
				t.Errorf("got %v, want rule %s", err, tc.rule)
			}
		})
	}
	if n := len(c.Commands("bulkWrite")); n != 0 {
		t.Errorf("%d commands were sent", n)
	}
	for db, coll := range map[string]string{c.db: "patients", c.billing: "log"} {
		c.assertRead(t, db, coll, `null`)
	}
}
