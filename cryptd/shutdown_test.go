package cryptd

import (
	"context"
	"net"
	"runtime"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/wire"
)

// A command that waits for its turn when the server is told to end is answered all the same.
func TestShutdownAnswersWhatWaits(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	s := newService(&Server{})
	for range cap(s.memory.analyses) { // all places are taken
		s.memory.analyses <- struct{}{}
	}
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx, []net.Listener{l}) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	find, err := (&wire.Msg{Body: document(bson.D{{Key: "find", Value: "c"}, {Key: "$db", Value: "d"}, {Key: "jsonSchema", Value: bson.D{}}, {Key: "isRemoteSchema", Value: false}})}).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(find); err != nil {
		t.Fatal(err)
	}
	for s.memory.small.TryAcquire(s.MaxMemory / 4) { // until it has its memory
		s.memory.small.Release(s.MaxMemory / 4)
		runtime.Gosched()
	}
	stop()
	for closing := false; !closing; runtime.Gosched() { // until connections are told to end
		s.mu.Lock()
		closing = s.closing
		s.mu.Unlock()
	}
	for range cap(s.memory.analyses) {
		<-s.memory.analyses
	}
	if _, _, err := wire.Read(conn, nil, wire.MaxMessageSize); err != nil {
		t.Errorf("no answer: %v", err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
