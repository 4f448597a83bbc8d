package cryptd_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt/cryptd"
)

// connect connects the official driver.
func connect(t testing.TB, addr string, set ...func(*options.ClientOptions)) *mongo.Client {
	t.Helper()
	opts := options.Client().ApplyURI("mongodb://" + addr).SetServerSelectionTimeout(patience)
	for _, s := range set {
		s(opts)
	}
	c, err := mongo.Connect(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Disconnect(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c
}

// The official driver connects, with each compressor, and gets its answers from many goroutines at a time.
func TestDriver(t *testing.T) {
	addr := serve(t, &cryptd.Server{})
	for _, compressor := range []string{"", "snappy", "zlib", "zstd"} {
		t.Run("compressor "+compressor, func(t *testing.T) {
			c := connect(t, addr, func(o *options.ClientOptions) {
				if compressor != "" {
					o.SetCompressors([]string{compressor})
				}
			})
			var all sync.WaitGroup
			for i := range 16 {
				all.Go(func() {
					for j := range 20 {
						secret := fmt.Sprintf("secret-%d-%d", i, j)
						reply, err := c.Database("db").RunCommand(t.Context(), markingCommand(t, bson.D{{Key: "find", Value: "people"}, {Key: "filter", Value: bson.D{{Key: "ssn", Value: secret}}}})).Raw()
						if err != nil {
							t.Error(err)
							return
						}
						if _, marking, _ := reply.Lookup("result", "filter", "ssn").BinaryOK(); !strings.Contains(string(marking), secret+"\x00") {
							t.Errorf("%s is not in its answer", secret)
						}
					}
				})
			}
			all.Wait()
			if err := c.Ping(t.Context(), nil); err != nil {
				t.Error(err)
			}
			var info bson.M
			if err := c.Database("admin").RunCommand(t.Context(), bson.D{one("buildInfo")}).Decode(&info); err != nil || info["version"] != "8.1.0" {
				t.Errorf("buildInfo: %v, %v", info, err)
			}
		})
	}
}

// markingCommand is a command with the schema, as libmongocrypt has the driver send it: without $db.
func markingCommand(t testing.TB, cmd bson.D) bson.D {
	return append(cmd, bson.E{Key: "jsonSchema", Value: extJSON(t, wideSchema)}, bson.E{Key: "isRemoteSchema", Value: false})
}

// The driver's own error has number, name and text of a refusal.
func TestDriverRefusal(t *testing.T) {
	c := connect(t, serve(t, &cryptd.Server{}))
	filter := bson.D{{Key: "ssn", Value: bson.D{{Key: "$gt", Value: "SENTINEL"}}}}
	err := c.Database("db").RunCommand(t.Context(), markingCommand(t, bson.D{{Key: "find", Value: "people"}, {Key: "filter", Value: filter}})).Err()
	var failed mongo.CommandError
	if !errors.As(err, &failed) || failed.Code != cryptd.CodeRefused || failed.Name != "FieldcryptRefused" || !strings.Contains(failed.Message, "$gt") || strings.Contains(failed.Message, "SENTINEL") {
		t.Errorf("got %v", err)
	}
}

// A driver that watches the server keeps it alive; once it has gone, the server ends.
func TestDriverKeepsServerAlive(t *testing.T) {
	l := listen(t)
	ended := make(chan error, 1)
	const idle = 2 * time.Second
	go func() { ended <- (&cryptd.Server{IdleShutdown: idle}).Serve(context.Background(), l) }()
	opts := options.Client().ApplyURI("mongodb://" + l.Addr().String()).SetHeartbeatInterval(500 * time.Millisecond)
	c, err := mongo.Connect(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Ping(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		t.Fatalf("ended while a driver watches: %v", err)
	case <-time.After(3 * idle):
	}
	if err := c.Disconnect(context.Background()); err != nil {
		t.Error(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("does not end")
	}
}
