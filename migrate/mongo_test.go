package migrate

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt/internal/mockmongo"
)

// serverOf is the collection db.c of a server that answers commands so.
func serverOf(t *testing.T, answer func(cmd bson.Raw) bson.D) *mongo.Collection {
	t.Helper()
	s, err := mockmongo.Run(mockmongo.Options{Intercept: answer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	client, err := mongo.Connect(options.Client().ApplyURI(s.URI()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client.Database("db").Collection("c")
}

// What a server says about the updates that it refused holds values; an error that comes with them does not hand it on.
func TestErrorHoldsNoValue(t *testing.T) {
	const secret = "457-55-5462"
	docs := newMongoDocuments(serverOf(t, func(cmd bson.Raw) bson.D {
		if _, err := cmd.LookupErr("update"); err != nil {
			return nil
		}
		return bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 0},
			{Key: "writeErrors", Value: bson.A{bson.D{
				{Key: "index", Value: 0}, {Key: "code", Value: 11000}, {Key: "errmsg", Value: "duplicate key: " + secret}, {Key: "errInfo", Value: field("considered", secret)},
			}}},
			{Key: "writeConcernError", Value: bson.D{{Key: "code", Value: 64}, {Key: "errmsg", Value: "waiting for replication timed out"}}},
		}
	}), slog.New(slog.DiscardHandler))
	_, _, err := docs.update(t.Context(), []edit{{id: value(1), set: []change{{path: "ssn", old: value(secret), new: value("b")}}}})
	if err == nil || !strings.Contains(err.Error(), "replication") {
		t.Fatalf("not the error about replication: %v", err)
	}
	if strings.Contains(err.Error(), secret) {
		t.Errorf("it holds a value: %v", err)
	}
}

// Checkpoints are not kept among the data.
func TestCheckpointsAmongData(t *testing.T) {
	w := newWorld(t)
	c := serverOf(t, nil)
	if _, err := New(Options{Collection: c, Checkpoints: c.Clone(), Encryption: w.ce, Schema: w.schema}); err == nil {
		t.Error("accepted")
	}
	if _, err := New(Options{Collection: c, Checkpoints: c.Database().Collection("d"), Encryption: w.ce, Schema: w.schema}); err != nil {
		t.Error(err)
	}
}

// A server need not tell which collection it is.
func TestNoIdentity(t *testing.T) {
	docs := newMongoDocuments(serverOf(t, func(cmd bson.Raw) bson.D {
		if _, err := cmd.LookupErr("listCollections"); err != nil {
			return nil
		}
		found := bson.D{{Key: "name", Value: "c"}, {Key: "type", Value: "collection"}, {Key: "options", Value: bson.D{}}}
		return bson.D{{Key: "ok", Value: 1}, {Key: "cursor", Value: bson.D{{Key: "id", Value: int64(0)}, {Key: "ns", Value: "db.$cmd.listCollections"}, {Key: "firstBatch", Value: bson.A{found}}}}}
	}), slog.New(slog.DiscardHandler))
	if identity, err := docs.check(t.Context(), nil); identity != "" || err != nil {
		t.Error(identity, err)
	}
}

// A server that has changed a document, but cannot say that others have the change, has told what was there before. The error does not tell it on.
func TestSwapWithoutReplication(t *testing.T) {
	const secret = "457-55-5462"
	docs := newMongoDocuments(serverOf(t, func(cmd bson.Raw) bson.D {
		if _, err := cmd.LookupErr("findAndModify"); err != nil {
			return nil
		}
		return bson.D{{Key: "ok", Value: 1}, {Key: "value", Value: field("ssn", secret)},
			{Key: "writeConcernError", Value: bson.D{{Key: "code", Value: 64}, {Key: "errmsg", Value: "waiting for replication timed out"}}},
		}
	}), slog.New(slog.DiscardHandler))
	before, err := docs.swap(t.Context(), edit{id: value(1), set: []change{{path: "ssn", old: value(1.0), new: value("b")}}})
	if err == nil || !strings.Contains(err.Error(), "replication") {
		t.Fatalf("not the error about replication: %v", err)
	}
	if got, _ := before.Lookup("ssn").StringValueOK(); got != secret {
		t.Errorf("the document before is %v", before)
	}
	if strings.Contains(fmt.Sprintf("%+v", err), secret) {
		t.Errorf("it holds a value: %v", err)
	}
}
