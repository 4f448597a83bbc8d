package cryptd

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/wire"
)

// brokenConn panics when it is written to, with a value of the request.
type brokenConn struct{ net.Conn }

func (brokenConn) Write([]byte) (int, error) { panic("SENTINEL") }

// A fault of the program ends the connection, gives back what it held, and is told of without what it says.
func TestPanic(t *testing.T) {
	var log bytes.Buffer
	s := newService(&Server{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	server, clientEnd := net.Pipe()
	c := newConnection(s, brokenConn{server})
	if !s.add(c) {
		t.Fatal("not taken in")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.serve(t.Context())
	}()
	hello, err := (&wire.Msg{Body: document(bson.D{{Key: "hello", Value: 1}})}).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := clientEnd.Write(hello); err != nil {
		t.Fatal(err)
	}
	<-done
	if _, err := clientEnd.Write(hello); err == nil {
		t.Error("the connection is open")
	}
	if text := log.String(); !strings.Contains(text, "TestPanic") && !strings.Contains(text, "brokenConn") || strings.Contains(text, "SENTINEL") {
		t.Errorf("logged: %s", text)
	}
	if len(s.connections) > 0 || s.busy.Load() != 0 || !s.memory.small.TryAcquire(s.MaxMemory/4) {
		t.Error("the connection is still counted")
	}
}

// The commands that go to the Analyzer are those that package analyze takes.
func TestAnalysisCommands(t *testing.T) {
	for _, name := range []string{
		"find", "insert", "update", "delete", "aggregate", "findAndModify", "count", "distinct", "explain", "bulkWrite", "create", "createIndexes", "collMod",
		"getMore", "hello", "isMaster", "ping", "drop", "listCollections", "saslStart", "buildInfo", "killCursors", "serverStatus", "getParameter", "findandmodify", "mapReduce", "",
	} {
		inner := bson.D{{Key: "find", Value: "c"}}
		cmd := bson.D{{Key: name, Value: "c"}}
		switch name {
		case "explain":
			cmd[0].Value = inner
		case "bulkWrite":
			cmd = append(cmd, bson.E{Key: "nsInfo", Value: bson.A{bson.D{{Key: "ns", Value: "d.c"}}}})
		}
		target, err := analyze.Classify("d", document(cmd))
		if refused := (*analyze.RefusedError)(nil); err != nil && !errors.As(err, &refused) {
			t.Fatal(err)
		}
		if analysed := err == nil && target.Disposition == analyze.Analysed; isAnalysis([]byte(name)) != analysed {
			t.Errorf("%s: goes to the Analyzer: %v, is analysed: %v", name, !analysed, analysed)
		}
	}
}

// countFaults counts what is logged as an error.
type countFaults struct {
	slog.Handler
	n atomic.Int32
}

func (c *countFaults) logger() *slog.Logger {
	c.Handler = slog.DiscardHandler
	return slog.New(c)
}

func (c *countFaults) Enabled(context.Context, slog.Level) bool { return true }

func (c *countFaults) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		c.n.Add(1)
	}
	return nil
}
