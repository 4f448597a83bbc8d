package keyvault_test

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// scriptedServer speaks enough of the wire protocol for the driver to send commands to a function. It shows the exact commands, and
// answers what no server at hand answers.
type scriptedServer struct {
	listener net.Listener
	answer   func(cmd bson.Raw) bson.D

	mu       sync.Mutex
	commands []bson.Raw // without hello
	conns    sync.WaitGroup
}

var hello = bson.D{
	{Key: "ok", Value: 1}, {Key: "ismaster", Value: true}, {Key: "isWritablePrimary", Value: true}, {Key: "helloOk", Value: true},
	{Key: "maxBsonObjectSize", Value: int32(16 << 20)}, {Key: "maxMessageSizeBytes", Value: int32(48_000_000)},
	{Key: "maxWriteBatchSize", Value: int32(100_000)}, {Key: "minWireVersion", Value: int32(0)}, {Key: "maxWireVersion", Value: int32(21)},
	{Key: "logicalSessionTimeoutMinutes", Value: int32(30)},
}

// startServer returns a client of a server that answers commands with answer; nil is an answer that never comes.
func startServer(t *testing.T, answer func(cmd bson.Raw) bson.D) (*scriptedServer, *mongo.Client) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scriptedServer{listener: listener, answer: answer}
	client, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + listener.Addr().String() + "/?directConnection=true"))
	if err != nil {
		t.Fatal(err)
	}
	s.conns.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.conns.Go(func() { defer conn.Close(); s.serve(t, conn) })
		}
	})
	t.Cleanup(func() {
		_ = client.Disconnect(t.Context())
		_ = listener.Close()
		s.conns.Wait()
	})
	return s, client
}

func (s *scriptedServer) serve(t *testing.T, conn net.Conn) {
	const opReply, opQuery, opMsg = 1, 2004, 2013
	for {
		var head [16]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return
		}
		body := make([]byte, binary.LittleEndian.Uint32(head[:])-16)
		if _, err := io.ReadFull(conn, body); err != nil {
			return
		}
		code, reply, prefix := uint32(opMsg), hello, make([]byte, 5) // flags and the kind of the one section
		switch binary.LittleEndian.Uint32(head[12:]) {
		case opQuery: // the first hello
			code, prefix = opReply, make([]byte, 20)
			prefix[16] = 1 // number returned
		case opMsg:
			cmd := parseMessage(t, body[4:])
			if first, _ := cmd.IndexErr(0); first.Key() != "hello" && first.Key() != "endSessions" {
				s.mu.Lock()
				s.commands = append(s.commands, cmd)
				s.mu.Unlock()
				reply = s.answer(cmd)
			}
			if reply == nil {
				continue
			}
		}
		out, _ := bson.Marshal(reply)
		message := make([]byte, 16, 16+len(prefix)+len(out))
		binary.LittleEndian.PutUint32(message, uint32(cap(message)))
		copy(message[8:], head[4:8]) // responseTo
		binary.LittleEndian.PutUint32(message[12:], code)
		if _, err := conn.Write(append(append(message, prefix...), out...)); err != nil {
			return
		}
	}
}

// parseMessage joins the body of an OP_MSG and its document sequences to one document.
func parseMessage(t *testing.T, sections []byte) bson.Raw {
	var cmd bson.D
	for len(sections) > 0 {
		kind, n := sections[0], binary.LittleEndian.Uint32(sections[1:])
		section := sections[1 : 1+n]
		sections = sections[1+n:]
		if kind == 0 {
			if err := bson.Unmarshal(section, &cmd); err != nil {
				t.Error(err)
			}
			continue
		}
		rest := section[4:]
		name := string(rest[:indexNUL(rest)])
		rest = rest[len(name)+1:]
		var docs bson.A
		for len(rest) > 0 {
			n := binary.LittleEndian.Uint32(rest)
			docs = append(docs, bson.Raw(rest[:n]))
			rest = rest[n:]
		}
		cmd = append(cmd, bson.E{Key: name, Value: docs})
	}
	return marshal(t, cmd)
}

func indexNUL(b []byte) int {
	for i, c := range b {
		if c == 0 {
			return i
		}
	}
	return len(b)
}
