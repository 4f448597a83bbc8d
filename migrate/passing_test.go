package migrate

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// A server that is too busy to answer in the client's time is asked again, and what it did meanwhile is found out.
func TestTimeouts(t *testing.T) {
	w := newWorld(t)
	for _, op := range []string{"update", "updated", "fetch", "swap", "swapped"} {
		for _, late := range []error{context.DeadlineExceeded, mongo.CommandError{Code: 50, Name: "MaxTimeMSExpired"}} {
			docs := bson.D{{Key: "ssn", Value: "a"}, {Key: "sub", Value: field("n", int32(1))}}
			if op == "swap" || op == "swapped" {
				docs = field("any", 0.0)
			}
			c := &collection{docs: []bson.Raw{marshal(t, docs)}}
			failures := 0
			c.fail = func(at string) error {
				if failures < 3 && (at == op || op == "fetch" && at == "updated") {
					failures++
					return late
				}
				return nil
			}
			m, err := newMigration(Options{Schema: w.schema, Encryption: w.ce, Workers: 1}, c)
			if err != nil {
				t.Fatal(err)
			}
			if report, err := m.Run(t.Context()); err != nil || !report.OK() || failures == 0 || report.Passes < 2 { // the first may have changed something
				t.Errorf("%s, %v: %+v %v", op, late, report, err)
			}
		}
	}
}

// Whoever gives a job some time only gets it back when that is over.
func TestCallersTime(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	c := &collection{docs: []bson.Raw{marshal(t, field("ssn", "a"))}}
	c.fail = func(at string) error {
		if at == "update" {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	m, err := newMigration(Options{Schema: w.schema, Encryption: w.ce, Workers: 1}, c)
	if err != nil {
		t.Fatal(err)
	}
	if report, err := m.Run(ctx); !errors.Is(err, context.DeadlineExceeded) || report.Complete {
		t.Errorf("%+v %v", report, err)
	}
}

// What the driver says when nobody is there, or nobody who takes writes.
func TestNoServerPasses(t *testing.T) {
	client, err := mongo.Connect(options.Client().ApplyURI("mongodb://127.0.0.1:1").SetServerSelectionTimeout(50 * time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Disconnect(context.Background()) }()
	if err := client.Ping(t.Context(), nil); !passing(err) {
		t.Errorf("does not pass: %v", err)
	}
}
