package mongodriver

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"
)

// server is a scripted server: enough of the wire protocol to see what a client sends and to answer it.
type server struct {
	t           *testing.T
	wireVersion int32
	answer      func(cmd bson.Raw) bson.D // nil: {ok: 1}

	listener net.Listener
	running  sync.WaitGroup
	mu       sync.Mutex
	conns    map[net.Conn]bool
	commands []bson.Raw // without handshakes
}

// serve starts a server that ends with the test, after clients that were connected later.
func serve(t *testing.T, answer func(cmd bson.Raw) bson.D) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, wireVersion: 21, answer: answer, listener: l, conns: map[net.Conn]bool{}}
	s.running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns[conn] = true
			s.mu.Unlock()
			s.running.Go(func() { s.talk(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		s.mu.Lock()
		for conn := range s.conns {
			_ = conn.Close()
		}
		s.mu.Unlock()
		s.running.Wait()
	})
	return s
}

func (s *server) uri() string { return "mongodb://" + s.listener.Addr().String() + "/" }

// sent returns the commands of that name, without the driver's own.
func (s *server) sent(name string) []bson.Raw {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []bson.Raw
	for _, cmd := range s.commands {
		if commandName(cmd) == name {
			found = append(found, cmd)
		}
	}
	return found
}

func commandName(cmd bson.Raw) string {
	first, err := cmd.IndexErr(0)
	if err != nil {
		return ""
	}
	return first.Key()
}

func (s *server) talk(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	for {
		size := make([]byte, 4)
		if _, err := io.ReadFull(conn, size); err != nil {
			return
		}
		message := append(size, make([]byte, binary.LittleEndian.Uint32(size)-4)...)
		if _, err := io.ReadFull(conn, message[4:]); err != nil {
			return
		}
		if _, err := conn.Write(s.reply(message)); err != nil {
			return
		}
	}
}

// reply answers an OP_QUERY (the first handshake) or an OP_MSG whose command stands in its first section.
func (s *server) reply(message []byte) []byte {
	_, id, _, opcode, body, _ := wiremessage.ReadHeader(message)
	//lint:ignore SA1019 drivers still begin with it
	if opcode == wiremessage.OpQuery {
		start, out := wiremessage.AppendHeaderStart(nil, 1, id, wiremessage.OpReply)
		out = append(out, make([]byte, 16)...)
		out = append(out, 1, 0, 0, 0)
		return bsoncore.UpdateLength(append(out, s.hello()...), start, int32(len(out)+len(s.hello())))
	}
	cmd := bson.Raw(body[5:])
	cmd = cmd[:binary.LittleEndian.Uint32(cmd)]
	var answer bson.Raw
	if name := commandName(cmd); name == "hello" || name == "isMaster" {
		answer = s.hello()
	} else {
		s.mu.Lock()
		s.commands = append(s.commands, cmd)
		s.mu.Unlock()
		answer = marshal(s.t, append(s.answer(cmd), bson.E{Key: "ok", Value: 1.0}))
	}
	start, out := wiremessage.AppendHeaderStart(nil, 1, id, wiremessage.OpMsg)
	out = wiremessage.AppendMsgFlags(out, 0)
	out = wiremessage.AppendMsgSectionType(out, wiremessage.SingleDocument)
	out = append(out, answer...)
	return bsoncore.UpdateLength(out, start, int32(len(out)))
}

func (s *server) hello() bson.Raw {
	return marshal(s.t, bson.D{
		{Key: "ismaster", Value: true}, {Key: "minWireVersion", Value: int32(0)}, {Key: "maxWireVersion", Value: s.wireVersion},
		{Key: "maxBsonObjectSize", Value: int32(16 << 20)}, {Key: "maxMessageSizeBytes", Value: int32(48_000_000)},
		{Key: "maxWriteBatchSize", Value: int32(100_000)}, {Key: "logicalSessionTimeoutMinutes", Value: int32(30)}, {Key: "ok", Value: 1.0},
	})
}

func marshal(t *testing.T, doc any) bson.Raw {
	t.Helper()
	b, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// batch is the reply to a command that opens a cursor.
func batch(docs ...any) bson.D {
	return bson.D{{Key: "cursor", Value: bson.D{{Key: "id", Value: int64(0)}, {Key: "ns", Value: "a.b"}, {Key: "firstBatch", Value: bson.A(docs)}}}}
}
