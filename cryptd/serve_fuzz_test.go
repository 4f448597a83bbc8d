package cryptd

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/wire"
)

// Whatever a client sends, the server answers or closes the connection; it logs no fault, and everything is given back.
func FuzzServe(f *testing.F) {
	request := document(bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "a", Value: 1}}}, {Key: "$db", Value: "d"},
		{Key: "jsonSchema", Value: bson.D{}}, {Key: "isRemoteSchema", Value: false}})
	find, err := (&wire.Msg{Body: request, Flags: wire.ChecksumPresent}).Append(nil)
	if err != nil {
		f.Fatal(err)
	}
	hello, err := (&wire.Query{Collection: []byte("admin.$cmd"), Document: document(bson.D{{Key: "hello", Value: 1}})}).Append(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(find)
	f.Add(append(hello, find...))
	for _, with := range []wire.Compressor{wire.Noop, wire.Snappy, wire.Zlib, wire.Zstd} {
		packed, err := new(wire.Codec).Compress(nil, find, with)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append(packed, find[:20]...))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		s := newService(&Server{MessageTimeout: time.Minute})
		faults := &countFaults{}
		s.Logger = faults.logger()
		server, client := net.Pipe()
		c := newConnection(s, server)
		if !s.add(c) {
			t.Fatal("not taken in")
		}
		go c.serve(context.Background())
		go func() {
			_, _ = client.Write(sent) // fails when the server closes the connection
			c.readNoMore()
		}()
		for {
			message, h, err := wire.Read(client, nil, wire.MaxMessageSize)
			if err == io.EOF {
				break
			}
			if err != nil || h.OpCode == wire.OpQuery || len(message) > 1<<24 {
				t.Fatalf("got %d bytes of %s, %v", len(message), h.OpCode, err)
			}
		}
		s.running.Wait()
		_ = client.Close()
		if faults.n.Load() > 0 || s.busy.Load() != 0 || !s.memory.small.TryAcquire(s.MaxMemory/4) || !s.memory.large.TryAcquire(s.MaxMemory) {
			t.Error("a fault was logged, or something is still held")
		}
	})
}
