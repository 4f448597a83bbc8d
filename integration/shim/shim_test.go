package shim_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.uber.org/goleak"

	"github.com/fieldcrypt/fieldcrypt/integration/shim"
	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start returns a proxy in front of a server, and a database seen through it.
func start(t *testing.T, rules shim.Rules) (*shim.Proxy, *mongo.Database) {
	t.Helper()
	uri := testserver.Start(t)
	p, err := shim.Run(context.Background(), uri, rules)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p, connect(t, p.URI()).Database(testserver.Database(t))
}

func connect(t *testing.T, uri string) *mongo.Client {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Disconnect(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return client
}

func TestCommandsAreRecorded(t *testing.T) {
	p, db := start(t, shim.Rules{})
	if _, err := db.Collection("c").InsertOne(t.Context(), bson.M{"name": "canary"}); err != nil {
		t.Fatal(err)
	}
	if n, err := db.Collection("c").CountDocuments(t.Context(), bson.M{"name": "canary"}); err != nil || n != 1 {
		t.Fatalf("%d documents, %v; want 1", n, err)
	}
	inserts := p.Commands("insert")
	if len(inserts) != 1 {
		t.Fatalf("%d inserts recorded, want 1", len(inserts))
	}
	c := inserts[0]
	if c.Name != "insert" || c.DB != db.Name() || c.Body.Lookup("insert").StringValue() != "c" {
		t.Errorf("recorded %s on %s: %s", c.Name, c.DB, c.Body)
	}
	if !bytes.Contains(c.Message, []byte("canary")) {
		t.Error("the message lacks the inserted document")
	}
	if n := len(p.Commands()); n < 3 { // hello, insert, aggregate
		t.Errorf("%d commands recorded in all, want at least 3", n)
	}
	p.Reset()
	if n := len(p.Commands()); n > 1 { // a heartbeat may come any time
		t.Errorf("%d commands recorded after Reset", n)
	}
}

func TestValidatorsAreShown(t *testing.T) {
	p, db := start(t, shim.Rules{})
	first := bson.D{{Key: "$jsonSchema", Value: bson.D{{Key: "bsonType", Value: "object"}}}}
	if err := db.CreateCollection(t.Context(), "c", options.CreateCollection().SetValidator(first)); err != nil {
		t.Fatal(err)
	}
	assertOptions(t, db, bson.D{{Key: "validator", Value: first}})

	second := bson.D{{Key: "a", Value: int32(1)}}
	run(t, db, bson.D{{Key: "collMod", Value: "c"}, {Key: "validator", Value: second}, {Key: "validationLevel", Value: "off"}})
	assertOptions(t, db, bson.D{{Key: "validator", Value: second}, {Key: "validationLevel", Value: "off"}})

	if sent := p.Commands("create"); len(sent) != 1 {
		t.Errorf("%d create commands, want 1", len(sent))
	}
	if err := db.Collection("c").Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	run(t, db, bson.D{{Key: "create", Value: "c"}})
	assertOptions(t, db, bson.D{})
}

func assertOptions(t *testing.T, db *mongo.Database, want bson.D) {
	t.Helper()
	specs, err := db.ListCollectionSpecifications(t.Context(), bson.M{"name": "c"})
	if err != nil || len(specs) != 1 {
		t.Fatalf("%d collections, %v; want 1", len(specs), err)
	}
	var got bson.D
	if err := bson.Unmarshal(specs[0].Options, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("options in listCollections (-want +got):\n%s", diff)
	}
}

func run(t *testing.T, db *mongo.Database, cmd bson.D) {
	t.Helper()
	if err := db.RunCommand(t.Context(), cmd).Err(); err != nil {
		t.Fatal(err)
	}
}

func TestCollectionsByRule(t *testing.T) {
	validator := bson.D{{Key: "$jsonSchema", Value: bson.D{}}}
	rules := shim.Rules{Collections: map[string]shim.Collection{
		"shop.people": {Options: bson.D{{Key: "validator", Value: validator}}},
		"shop.adults": {Type: "view"},
	}}
	_, db := start(t, rules)
	db = db.Client().Database("shop")
	t.Cleanup(func() { _ = db.Drop(context.Background()) })
	for _, name := range []string{"people", "adults", "plain"} {
		run(t, db, bson.D{{Key: "create", Value: name}})
	}
	specs, err := db.ListCollectionSpecifications(t.Context(), bson.M{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, s := range specs {
		got[s.Name] = s.Type + " " + s.Options.String()
	}
	want := map[string]string{
		"people": `collection {"validator": {"$jsonSchema": {}}}`, "adults": "view {}", "plain": "collection {}",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("collections (-want +got):\n%s", diff)
	}
	names, err := db.ListCollectionNames(t.Context(), bson.M{"name": "people"})
	if err != nil || len(names) != 1 {
		t.Errorf("names with a filter: %v, %v", names, err)
	}
}

func TestHelloByRule(t *testing.T) {
	_, db := start(t, shim.Rules{Hello: bson.D{{Key: "maxWireVersion", Value: int32(17)}, {Key: "fresh", Value: "yes"}}})
	for _, name := range []string{"hello", "isMaster"} {
		var reply bson.M
		if err := db.RunCommand(t.Context(), bson.M{name: 1}).Decode(&reply); err != nil {
			t.Fatal(err)
		}
		if reply["maxWireVersion"] != int32(17) || reply["fresh"] != "yes" || reply["ok"] != 1.0 {
			t.Errorf("%s: %v", name, reply)
		}
	}

	_, db = start(t, shim.Rules{Hello: bson.D{{Key: "maxWireVersion", Value: int32(3)}}})
	if err := db.RunCommand(t.Context(), bson.M{"ping": 1}).Err(); err == nil || !strings.Contains(err.Error(), "wire version") {
		t.Errorf("with a server that looks ancient: %v, want an error about its wire version", err)
	}
}

func TestInterceptReplies(t *testing.T) {
	_, db := start(t, shim.Rules{Intercept: func(_ context.Context, cmd shim.Command) (bson.D, error) {
		switch cmd.Name {
		case "distinct":
			return bson.D{{Key: "values", Value: bson.A{"x"}}}, nil
		case "find":
			return bson.D{{Key: "ok", Value: 0.0}, {Key: "code", Value: int32(13)}, {Key: "errmsg", Value: "no"}}, nil
		}
		return nil, nil
	}})
	var values []string
	if err := db.Collection("c").Distinct(t.Context(), "a", bson.M{}).Decode(&values); err != nil || len(values) != 1 || values[0] != "x" {
		t.Errorf("distinct: %v, %v", values, err)
	}
	err := db.Collection("c").FindOne(t.Context(), bson.M{}).Err()
	if e := (mongo.CommandError{}); !errors.As(err, &e) || e.Code != 13 {
		t.Errorf("find: %v, want error code 13", err)
	}
}

func TestInterceptDropsConnection(t *testing.T) {
	var drop atomic.Bool
	p, db := start(t, shim.Rules{Intercept: func(_ context.Context, cmd shim.Command) (bson.D, error) {
		if cmd.Name == "insert" && drop.CompareAndSwap(true, false) {
			return nil, errors.New("dropped by the test")
		}
		return nil, nil
	}})
	for _, dropped := range []bool{true, false} {
		drop.Store(dropped)
		_, err := db.Collection("c").InsertOne(t.Context(), bson.M{})
		if mongo.IsNetworkError(err) != dropped {
			t.Errorf("connection dropped %v: %v", dropped, err)
		}
	}
	if n := len(p.Commands("insert")); n != 2 {
		t.Errorf("%d inserts recorded, want 2", n)
	}
}

func TestInterceptHolds(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	_, db := start(t, shim.Rules{Intercept: func(ctx context.Context, cmd shim.Command) (bson.D, error) {
		if cmd.Name != "insert" {
			return nil, nil
		}
		close(arrived)
		select {
		case <-release:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}})
	done := make(chan error)
	go func() {
		_, err := db.Collection("c").InsertOne(t.Context(), bson.M{})
		done <- err
	}()
	<-arrived
	if n, err := db.Collection("c").CountDocuments(t.Context(), bson.M{}); err != nil || n != 0 {
		t.Errorf("while the insert is held: %d documents, %v", n, err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Errorf("after its release: %v", err)
	}
}

func TestStopEndsHeldCommands(t *testing.T) {
	arrived := make(chan struct{})
	p, db := start(t, shim.Rules{Intercept: func(ctx context.Context, cmd shim.Command) (bson.D, error) {
		if cmd.Name == "insert" {
			close(arrived)
			<-ctx.Done()
		}
		return nil, ctx.Err()
	}})
	done := make(chan error)
	go func() {
		_, err := db.Collection("c").InsertOne(t.Context(), bson.M{})
		done <- err
	}()
	<-arrived
	p.Stop()
	if err := <-done; err == nil {
		t.Error("the insert succeeded")
	}
}

func TestMalformedBytes(t *testing.T) {
	p, db := start(t, shim.Rules{})
	for name, b := range malformed() {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(p.URI(), "mongodb://"), "/?directConnection=true"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Write(b); err != nil {
				t.Fatal(err)
			}
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if reply, err := io.ReadAll(conn); err == nil && len(reply) > 0 {
				t.Errorf("%d bytes in reply, want the connection closed", len(reply))
			}
		})
	}
	run(t, db, bson.D{{Key: "ping", Value: 1}})
}

func malformed() map[string][]byte {
	ping, _ := bson.Marshal(bson.D{{Key: "ping", Value: 1}})
	msg := func(length int, opcode uint32, rest ...byte) []byte {
		b := make([]byte, 16, 16+len(rest))
		binary.LittleEndian.PutUint32(b, uint32(length))
		binary.LittleEndian.PutUint32(b[12:], opcode)
		return append(b, rest...)
	}
	return map[string][]byte{
		"nothing":            {},
		"half a header":      msg(16, 2013)[:8],
		"negative length":    msg(-1, 2013),
		"length too large":   msg(48_000_001, 2013),
		"length past end":    msg(1000, 2013, 0, 0),
		"unknown opcode":     msg(21, 7, 0, 0, 0, 0, 0),
		"OP_MSG empty":       msg(16, 2013),
		"OP_MSG no document": msg(21, 2013, 0, 0, 0, 0, 0),
		"OP_MSG sequence":    msg(21+len(ping), 2013, append([]byte{0, 0, 0, 0, 1}, ping...)...),
		"document too long":  msg(26, 2013, 0, 0, 0, 0, 0, 200, 0, 0, 0, 0),
		"document too short": msg(26, 2013, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0),
		"OP_QUERY no name":   msg(24, 2004, 0, 0, 0, 0, 'a', 'b', 'c', 'd'),
		"OP_QUERY short":     msg(18, 2004, 0, 0),
	}
}

func TestRunRefuses(t *testing.T) {
	for _, uri := range []string{"", "mongodb://", "mongodb://a", "http://a:1", "mongodb+srv://a", "mongodb://a:1,b:2"} {
		if p, err := shim.Run(t.Context(), uri, shim.Rules{}); err == nil {
			p.Stop()
			t.Errorf("%q: started", uri)
		}
	}
}
