package cryptd_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/goleak"

	"github.com/fieldcrypt/fieldcrypt/cryptd"
	"github.com/fieldcrypt/fieldcrypt/wire"
)

const patience = 60 * time.Second // the machine may be busy

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serve runs a server until the test ends, and sees to it that it leaves nothing behind.
func serve(t testing.TB, s *cryptd.Server) (addr string) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	l := listen(t)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Error("the server does not end")
		}
		goleak.VerifyNone(t, before)
	})
	return l.Addr().String()
}

// client is one raw connection.
type client struct {
	net.Conn
	t   testing.TB
	buf []byte
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return &client{Conn: conn, t: t}
}

// send sends bytes that need not be a message.
func (c *client) send(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// reply reads the next reply.
func (c *client) reply() bson.Raw {
	c.t.Helper()
	message, _, err := wire.Read(c, c.buf, wire.MaxMessageSize)
	if err != nil {
		c.t.Fatal(err)
	}
	c.buf = message
	var m wire.Msg
	if err := m.Decode(message); err != nil {
		c.t.Fatal(err)
	}
	return m.Body
}

// run sends a command and returns the reply.
func (c *client) run(cmd bson.Raw) bson.Raw {
	c.t.Helper()
	c.send(msg(c.t, wire.Msg{Body: cmd}))
	return c.reply()
}

// ended waits until the server has closed the connection.
func (c *client) ended() {
	c.t.Helper()
	if rest, err := io.ReadAll(c); err != nil && !strings.Contains(err.Error(), "reset") || len(rest) > 0 {
		c.t.Errorf("got %d bytes, %v; want the connection closed", len(rest), err)
	}
}

func msg(t testing.TB, m wire.Msg) []byte {
	t.Helper()
	b, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func doc(t testing.TB, d bson.D) bson.Raw {
	t.Helper()
	raw, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// command is a document with the fields of a command on the database admin.
func command(t testing.TB, fields ...bson.E) bson.Raw {
	return doc(t, append(fields, bson.E{Key: "$db", Value: "admin"}))
}

func one(name string) bson.E { return bson.E{Key: name, Value: int32(1)} }

func ok(t testing.TB, reply bson.Raw) {
	t.Helper()
	if v := reply.Lookup("ok"); v.Type != bson.TypeDouble || v.Double() != 1 {
		t.Errorf("got %s, want ok: 1", reply)
	}
}

func TestServerCommands(t *testing.T) {
	c := dial(t, serve(t, &cryptd.Server{Version: "v1.2.3"}))
	for _, name := range []string{"hello", "isMaster", "ismaster"} {
		reply := c.run(command(t, one(name)))
		ok(t, reply)
		if is, _ := reply.Lookup("iscryptd").BooleanOK(); !is {
			t.Errorf("%s: iscryptd is not true", name)
		}
		if v := reply.Lookup("maxWireVersion"); v.Type != bson.TypeInt32 || v.Int32() != 26 {
			t.Errorf("%s: maxWireVersion %s, want 26 as an int32", name, v)
		}
		primary := map[bool]string{true: "isWritablePrimary", false: "ismaster"}[name == "hello"]
		for _, field := range []string{primary, "maxBsonObjectSize", "maxMessageSizeBytes", "localTime", "minWireVersion"} {
			if _, err := reply.LookupErr(field); err != nil {
				t.Errorf("%s: no %s", name, field)
			}
		}
		for _, field := range []string{"logicalSessionTimeoutMinutes", "topologyVersion", "compression", "helloOk", "setName"} {
			if _, err := reply.LookupErr(field); err == nil {
				t.Errorf("%s: has %s", name, field)
			}
		}
	}
	asked := c.run(command(t, one("hello"), bson.E{Key: "helloOk", Value: true}, bson.E{Key: "compression", Value: bson.A{"lz4", "zstd", 3, "snappy", "zstd", "noop"}}))
	if !asked.Lookup("helloOk").Boolean() || asked.Lookup("compression").String() != `["zstd","snappy"]` {
		t.Errorf("got %s", asked)
	}
	built := c.run(command(t, one("buildInfo")))
	ok(t, built)
	if built.Lookup("version").StringValue() != "8.1.0" || built.Lookup("fieldcrypt").StringValue() != "v1.2.3" {
		t.Errorf("buildInfo: got %s", built)
	}
	for _, name := range []string{"ping", "endSessions", "killCursors", "buildinfo"} {
		ok(t, c.run(command(t, one(name))))
	}
}

// errors are told in a server's words, and the connection goes on.
func TestServerErrors(t *testing.T) {
	c := dial(t, serve(t, &cryptd.Server{}))
	for _, tt := range []struct {
		cmd  bson.Raw
		code int32
		name string
	}{
		{command(t, one("getParameter")), 59, "CommandNotFound"},
		{command(t, one("saslStart")), 59, "CommandNotFound"},
		{command(t, one("a\xffb")), 59, "CommandNotFound"},
		{doc(t, bson.D{}), 59, "CommandNotFound"},
		{command(t, bson.E{Key: "find", Value: "c"}), cryptd.CodeRefused, "FieldcryptRefused"},
		{doc(t, bson.D{{Key: "find", Value: "c"}}), cryptd.CodeRefused, "FieldcryptRefused"},
		{[]byte("\x08\x00\x00\x00\x01a\x00\x00"), 22, "InvalidBSON"},
	} {
		reply := c.run(tt.cmd)
		code, _ := reply.Lookup("code").Int32OK()
		name, _ := reply.Lookup("codeName").StringValueOK()
		if reply.Lookup("ok").Double() != 0 || code != tt.code || name != tt.name || reply.Lookup("errmsg").StringValue() == "" {
			t.Errorf("got %s, want %d %s", reply, tt.code, tt.name)
		}
	}
	ok(t, c.run(command(t, one("ping"))))
}

// What the server says is what the Analyzer says, with ok: 1.
func TestServerAnalyses(t *testing.T) {
	c := dial(t, serve(t, &cryptd.Server{}))
	a := cryptd.Analyzer{OK: true}
	for _, request := range []bson.Raw{findRequest(t), insertRequest(t), findRequest(t)} {
		want, err := a.Analyze(nil, "", request)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.run(request); !bytes.Equal(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// A command whose documents come beside it is answered as the one that has them inside.
func TestServerJoinsSequences(t *testing.T) {
	c := dial(t, serve(t, &cryptd.Server{}))
	whole := insertRequest(t)
	var beside bson.D
	if err := bson.Unmarshal(whole, &beside); err != nil {
		t.Fatal(err)
	}
	documents := wire.Sequence{ID: []byte("documents"), Documents: whole.Lookup("documents", "0").Document()}
	body := append(beside[:1:1], beside[2:]...)
	c.send(msg(t, wire.Msg{Body: doc(t, body), Sequences: []wire.Sequence{documents}}))
	got := c.reply()
	ok(t, got)
	if want := c.run(whole); !bytes.Equal(got.Lookup("result", "documents").Value, want.Lookup("result", "documents").Value) {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestServerQuery(t *testing.T) {
	c := dial(t, serve(t, &cryptd.Server{}))
	for _, tt := range []struct {
		collection string
		cmd        bson.D
		code       int32
	}{
		{"admin.$cmd", bson.D{one("isMaster")}, 0},
		{"db.$cmd", bson.D{{Key: "$query", Value: bson.D{one("ismaster")}}, {Key: "$readPreference", Value: bson.D{}}}, 0},
		{"admin.$cmd", bson.D{one("hello")}, 0},
		{"admin.$cmd", bson.D{one("ping")}, 352},
		{"db.people", bson.D{one("hello")}, 352},
		{"admin.$cmd", bson.D{}, 352},
	} {
		q := wire.Query{RequestID: 9, Collection: []byte(tt.collection), Return: -1, Document: doc(t, tt.cmd)}
		b, err := q.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		c.send(b)
		message, _, err := wire.Read(c, nil, wire.MaxMessageSize)
		if err != nil {
			t.Fatal(err)
		}
		var r wire.Reply
		if err := r.Decode(message); err != nil || r.ResponseTo != 9 {
			t.Fatalf("reply to %d: %v", r.ResponseTo, err)
		}
		code, _ := r.Document.Lookup("code").Int32OK()
		if is, _ := r.Document.Lookup("iscryptd").BooleanOK(); code != tt.code || is == (tt.code != 0) {
			t.Errorf("%v on %s: got %s", tt.cmd, tt.collection, r.Document)
		}
	}
}

func TestServerCompression(t *testing.T) {
	c := dial(t, serve(t, &cryptd.Server{}))
	want := c.run(findRequest(t))
	want = bytes.Clone(want)
	var k wire.Codec
	for _, with := range []wire.Compressor{wire.Snappy, wire.Zlib, wire.Zstd} {
		packed, err := k.Compress(nil, msg(t, wire.Msg{RequestID: 5, Body: findRequest(t)}), with)
		if err != nil {
			t.Fatal(err)
		}
		c.send(packed)
		message, _, err := wire.Read(c, nil, wire.MaxMessageSize)
		if err != nil {
			t.Fatal(err)
		}
		var in wire.Compressed
		if err := in.Decode(message, wire.MaxMessageSize); err != nil || in.Compressor != with || in.ResponseTo != 5 {
			t.Fatalf("got %v with %s, want a reply with %s", err, in.Compressor, with)
		}
		if message, err = k.Decompress(nil, &in); err != nil {
			t.Fatal(err)
		}
		var m wire.Msg
		if err := m.Decode(message); err != nil || !bytes.Equal(m.Body, want) {
			t.Errorf("%s: got %v, %v", with, m.Body, err)
		}
	}
}

// Who wants no answer gets none.
func TestServerMoreToCome(t *testing.T) {
	c := dial(t, serve(t, &cryptd.Server{}))
	c.send(msg(t, wire.Msg{RequestID: 1, Flags: wire.MoreToCome, Body: command(t, one("hello"))}))
	c.send(msg(t, wire.Msg{RequestID: 2, Flags: wire.ExhaustAllowed | wire.ChecksumPresent, Body: command(t, one("ping"))}))
	if reply := c.reply(); binary.LittleEndian.Uint32(c.buf[8:]) != 2 {
		t.Errorf("got %s in answer to %d, want 2", reply, c.buf[8:12])
	}
}

// Requests sent before the answers are read are answered in turn.
func TestServerPipelined(t *testing.T) {
	c := dial(t, serve(t, &cryptd.Server{}))
	var all []byte
	for id := range int32(50) {
		all = append(all, msg(t, wire.Msg{RequestID: id, Body: findRequest(t)})...)
	}
	c.send(all)
	for id := range uint32(50) {
		ok(t, c.reply())
		if got := binary.LittleEndian.Uint32(c.buf[8:]); got != id {
			t.Fatalf("answer to %d, want %d", got, id)
		}
	}
}

func TestServerEnds(t *testing.T) {
	before := goleak.IgnoreCurrent()
	defer goleak.VerifyNone(t, before)
	var s cryptd.Server
	if err := s.Serve(context.Background()); err == nil {
		t.Error("serves without a listener")
	}
	l := listen(t)
	time.AfterFunc(10*time.Millisecond, func() { l.Close() })
	if err := s.Serve(context.Background(), l); err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("a listener that is closed by others: got %v", err)
	}
}

// The server ends after a while in which nobody says anything, open connections or not.
func TestServerIdleShutdown(t *testing.T) {
	before := goleak.IgnoreCurrent()
	defer goleak.VerifyNone(t, before)
	l := listen(t)
	ended := make(chan error, 1)
	const idle = 300 * time.Millisecond
	go func() { ended <- (&cryptd.Server{IdleShutdown: idle}).Serve(context.Background(), l) }()
	c := dial(t, l.Addr().String())
	ok(t, c.run(command(t, one("hello"))))
	said := time.Now()
	select {
	case err := <-ended:
		if took := time.Since(said); err != nil || took < idle/2 { // said is later than the server's own time by the way of the answer
			t.Errorf("ended after %v: %v", took, err)
		}
	case <-time.After(patience):
		t.Fatal("does not end")
	}
	c.ended()
}

// The log at its most talkative says nothing of what was sent.
func TestServerLogsNoValues(t *testing.T) {
	var log syncBuffer
	c := dial(t, serve(t, &cryptd.Server{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}))
	c.run(findRequest(t))
	c.run(command(t, one("SENTINEL")))
	c.send([]byte("SENTINEL SENTINEL SENTINEL"))
	c.ended()
	if text := log.String(); strings.Contains(text, "SENTINEL") || strings.Contains(text, "457-55-5462") || !strings.Contains(text, "message length") {
		t.Errorf("logged: %s", text)
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
