package cryptd_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/cryptd"
	"github.com/fieldcrypt/fieldcrypt/wire"
)

// header is the header of a message, with a length that may be a lie.
func header(length int32, code wire.OpCode) []byte {
	return wire.Header{Length: length, RequestID: 1, OpCode: code}.Append(nil)
}

// Bytes that are no message end their connection, and no other.
func TestServerGarbage(t *testing.T) {
	addr := serve(t, &cryptd.Server{})
	witness := dial(t, addr)
	random := make([]byte, 100_000)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(random)
	for name, garbage := range map[string][]byte{
		"text":                   []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		"TLS":                    []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaaaaaaaaaaaa"),
		"random":                 random,
		"length of nothing":      header(0, wire.OpMsg),
		"oversized":              header(wire.MaxMessageSize+1, wire.OpMsg),
		"negative":               header(-1, wire.OpMsg),
		"unknown opcode":         header(wire.HeaderSize, 2010),
		"a reply":                append(header(41, wire.OpReply), make([]byte, 25)...),
		"nothing in it":          header(wire.HeaderSize, wire.OpMsg),
		"compressed, no more":    header(wire.HeaderSize, wire.OpCompressed),
		"compressed, oversized":  append(header(26, wire.OpCompressed), "\xdd\x07\x00\x00\xff\xff\xff\x7f\x02x"...),
		"compressed, of nothing": append(header(26, wire.OpCompressed), "\xdd\x07\x00\x00\x00\x10\x00\x00\x02x"...),
		"unknown flag":           append(header(26, wire.OpMsg), "\x00\x01\x00\x00\x00\x05\x00\x00\x00\x00"...),
	} {
		c := dial(t, addr)
		_, _ = c.Write(garbage) // the server may have closed it already
		_, err := io.Copy(io.Discard, c)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection stays open", name)
		}
		ok(t, witness.run(command(t, one("ping"))))
	}
}

// A command that nests without end, or whose lengths lie, is an error, and the connection goes on.
func TestServerHostileCommands(t *testing.T) {
	c := dial(t, serve(t, &cryptd.Server{}))
	deep := []byte{5, 0, 0, 0, 0}
	for range 10_000 {
		inner := append([]byte{0, 0, 0, 0, 3, 'a', 0}, deep...)
		deep = append(inner, 0)
		binary.LittleEndian.PutUint32(deep, uint32(len(deep)))
	}
	nested := doc(t, bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.Raw(deep)}, {Key: "$db", Value: "d"},
		{Key: "jsonSchema", Value: bson.D{}}, {Key: "isRemoteSchema", Value: false}})
	hello := command(t, one("hello"), bson.E{Key: "x", Value: "abc"})
	lying := append(hello[:0:0], hello...)
	lying[20] = 0xff // the length of the string
	for name, cmd := range map[string]bson.Raw{"deep": nested, "deep hello": command(t, one("hello"), bson.E{Key: "a", Value: bson.Raw(deep)}), "lying": lying} {
		if reply := c.run(cmd); name != "deep" && reply.Lookup("ok").Double() != 0 {
			t.Errorf("%s: got %s", name, reply)
		}
	}
	ok(t, c.run(command(t, one("ping"))))
}

// Clients that stop in the middle are disconnected, others are not: idle ones may be silent as long as they like.
func TestServerHalfOpen(t *testing.T) {
	const soon = 200 * time.Millisecond
	addr := serve(t, &cryptd.Server{MessageTimeout: soon})
	idle := dial(t, addr)
	ok(t, idle.run(command(t, one("hello"))))
	whole := msg(t, wire.Msg{Body: command(t, one("ping"))})
	var all sync.WaitGroup
	for name, start := range map[string][]byte{
		"nothing": nil, "one byte": whole[:1], "a header": whole[:16], "all but one": whole[:len(whole)-1],
		"compressed": header(1000, wire.OpCompressed), "a long one": append(header(40_000_000, wire.OpMsg), make([]byte, 100_000)...),
	} {
		for _, after := range [][]byte{nil, whole} {
			c := dial(t, addr)
			all.Go(func() {
				if after != nil {
					_, _ = c.Write(after)
					if _, _, err := wire.Read(c, nil, 1000); err != nil {
						t.Errorf("%s: %v", name, err)
					}
					if start == nil {
						return // idle
					}
				}
				_, _ = c.Write(start)
				if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s: the connection stays open", name)
				}
			})
		}
	}
	all.Wait()
	time.Sleep(2 * soon)
	ok(t, idle.run(command(t, one("ping"))))
}

// A client that does not read its answers holds up nobody, and is disconnected.
func TestServerSlowReader(t *testing.T) {
	addr := serve(t, &cryptd.Server{MessageTimeout: 500 * time.Millisecond})
	slow := dial(t, addr)
	request := msg(t, wire.Msg{Body: doc(t, bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{{Key: "a", Value: strings.Repeat("x", 1<<20)}}}},
		{Key: "$db", Value: "d"}, {Key: "jsonSchema", Value: bson.D{}}, {Key: "isRemoteSchema", Value: false}})})
	var err error
	for range 1000 { // more than any socket holds
		if _, err = slow.Write(request); err != nil {
			break
		}
	}
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a gigabyte was taken from a client that reads nothing: %v", err)
	}
	ok(t, dial(t, addr).run(findRequest(t)))
}

// Clients who do not read answers that are far longer than their questions hold up nobody either.
func TestServerSlowReadersOfLongAnswers(t *testing.T) {
	addr := serve(t, &cryptd.Server{MessageTimeout: 10 * patience})
	filter := bson.D{{Key: "ssn", Value: bson.D{{Key: "$in", Value: slices.Repeat(bson.A{""}, 500_000)}}}}
	long := msg(t, wire.Msg{Body: request(t, bson.D{{Key: "find", Value: "people"}, {Key: "filter", Value: filter}, {Key: "$db", Value: "db"}}, wideSchema)})
	for range runtime.GOMAXPROCS(0) {
		slow := dial(t, addr)
		slow.send(long)
		if _, err := io.ReadFull(slow, make([]byte, wire.HeaderSize)); err != nil { // it is being sent
			t.Fatal(err)
		}
	}
	ok(t, dial(t, addr).run(findRequest(t)))
}

// Headers that promise 48 MB do not cost 48 MB, and those that keep their promise get it one after the other.
func TestServerBoundsMemory(t *testing.T) {
	addr := serve(t, &cryptd.Server{MaxMemory: 1}) // as little as possible
	before := heap()
	for range 200 {
		dial(t, addr).send(append(header(wire.MaxMessageSize, wire.OpMsg), make([]byte, 1000)...))
	}
	c := dial(t, addr)
	ok(t, c.run(findRequest(t))) // short ones do not wait
	if grown := int64(heap()) - int64(before); grown > 64<<20 {
		t.Errorf("200 promises of 48 MB take %d MiB", grown>>20)
	}
}

// More long messages at a time than there is memory for wait for each other, and all are answered.
func TestServerQueuesLongMessages(t *testing.T) {
	addr := serve(t, &cryptd.Server{MaxMemory: 1})
	long := msg(t, wire.Msg{Body: doc(t, bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{{Key: "a", Value: strings.Repeat("x", 8<<20)}}}},
		{Key: "$db", Value: "d"}, {Key: "jsonSchema", Value: bson.D{}}, {Key: "isRemoteSchema", Value: false}})})
	var k wire.Codec
	packed, err := k.Compress(nil, long, wire.Zstd)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 32 {
		c := dial(t, addr)
		all.Go(func() {
			sent := [][]byte{long, packed}[i%2]
			if _, err := c.Write(sent); err != nil {
				t.Error(err)
				return
			}
			reply, h, err := wire.Read(c, nil, wire.MaxMessageSize)
			if err != nil || i%2 == 0 && len(reply) < 8<<20 || i%2 == 1 && h.OpCode != wire.OpCompressed {
				t.Errorf("got %d bytes of %s, %v", len(reply), h.OpCode, err)
			}
		})
	}
	all.Wait()
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

func TestServerMaxConnections(t *testing.T) {
	addr := serve(t, &cryptd.Server{MaxConnections: 2})
	first, second := dial(t, addr), dial(t, addr)
	ok(t, first.run(command(t, one("ping"))))
	ok(t, second.run(command(t, one("ping"))))
	dial(t, addr).ended()
	ok(t, first.run(command(t, one("ping"))))
	_ = second.Close()
	for { // its place is free as soon as the server has noticed
		c := dial(t, addr)
		c.send(msg(t, wire.Msg{Body: command(t, one("ping"))}))
		if _, _, err := wire.Read(c, nil, 1000); err == nil {
			return
		}
	}
}

// Whoever comes from wherever at the same time gets the answer to his own question.
func TestServerConcurrent(t *testing.T) {
	addr := serve(t, &cryptd.Server{})
	var all sync.WaitGroup
	for i := range 16 {
		c := dial(t, addr)
		all.Go(func() {
			for j := range 100 {
				secret := fmt.Sprintf("secret-%d-%d", i, j)
				reply := c.run(request(t, bson.D{{Key: "find", Value: "people"}, {Key: "filter", Value: bson.D{{Key: "ssn", Value: secret}}}, {Key: "$db", Value: "db"}}, wideSchema))
				if _, marking, _ := reply.Lookup("result", "filter", "ssn").BinaryOK(); !strings.Contains(string(marking), secret+"\x00") {
					t.Errorf("%s is not in its answer", secret)
				}
			}
		})
	}
	all.Wait()
}
