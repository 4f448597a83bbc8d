package cryptd

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/fieldcrypt/fieldcrypt/wire"
)

// readAhead is the buffer that each connection keeps: enough for most requests, so that they take one read.
const readAhead = 4 << 10

// connection is one client, served by one goroutine.
type connection struct {
	net.Conn
	*service
	in   *bufio.Reader
	sent int32 // messages so far; numbers the next one

	mu      sync.Mutex
	noMore  bool // read nothing any more
	limited bool // a read deadline is set
}

func newConnection(s *service, conn net.Conn) *connection {
	return &connection{Conn: conn, service: s, in: bufio.NewReaderSize(conn, readAhead)}
}

// serve answers messages, one after the other, until the client leaves, breaks the protocol, or the server ends.
func (c *connection) serve(ctx context.Context) {
	defer c.remove(c)
	defer c.Close()
	defer func() {
		if recover() != nil { // what it says might be a value
			c.Logger.Error("a fault of this program ended a connection; please report it", "at", faultAt())
		}
	}()
	c.Logger.Debug("connection accepted", "from", c.RemoteAddr().String())
	c.readWithin(c.MessageTimeout) // a client that connects has something to say
	for {
		if err := c.next(ctx); err != nil {
			c.Logger.Debug("connection ended", "from", c.RemoteAddr().String(), "reason", reason(err))
			return
		}
	}
}

// reason says why a connection ended; none of these errors quotes what was sent.
func reason(err error) string {
	switch {
	case errors.Is(err, io.EOF):
		return "the client closed it"
	case errors.Is(err, context.Canceled):
		return "shutting down"
	}
	return err.Error()
}

// next waits for a message and answers it.
func (c *connection) next(ctx context.Context) error {
	if _, err := c.in.Peek(1); err != nil {
		return err
	}
	c.begin()
	defer c.end()
	size, err := c.measure()
	if err != nil {
		return err
	}
	b := c.buffers.Get().(*buffers)
	defer func() {
		b.slim()
		c.buffers.Put(b)
	}()
	if size <= smallSize { // clients who are slow to send short messages must not hold a share
		if err := c.read(b); err != nil {
			return err
		}
	}
	held, err := c.memory.take(ctx, size)
	if err != nil {
		return err
	}
	defer held.giveBack()
	if size > smallSize {
		c.readWithin(c.MessageTimeout) // from now: that it had to wait was not the client's fault
		if err := c.read(b); err != nil {
			return err
		}
	}
	return c.answer(ctx, b, held)
}

// measure reads as much of a message as tells how long it is and will be.
func (c *connection) measure() (size int, err error) {
	head, err := c.peek(wire.HeaderSize)
	if err != nil {
		return 0, err
	}
	var h wire.Header
	if err := h.Decode(head, wire.MaxMessageSize); err != nil {
		return 0, err
	}
	size = int(h.Length)
	switch h.OpCode {
	case wire.OpMsg, wire.OpQuery, wire.OpCompressed:
	default:
		return 0, &wire.Error{OpCode: h.OpCode, Reason: "not a request"}
	}
	if h.OpCode == wire.OpCompressed && size >= wire.CompressedHeadSize {
		if head, err = c.peek(wire.CompressedHeadSize); err != nil {
			return 0, err
		}
		inside, err := wire.SizeInside(head)
		if err != nil {
			return 0, err
		}
		size += inside
	}
	if int(h.Length) > c.in.Buffered() {
		c.readWithin(c.MessageTimeout)
	}
	return size, nil
}

// peek waits for the first n bytes of a message that has begun, but not for ever.
func (c *connection) peek(n int) ([]byte, error) {
	if c.in.Buffered() < n {
		c.readWithin(c.MessageTimeout)
	}
	head, err := c.in.Peek(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return head, err
}

func (c *connection) read(b *buffers) (err error) {
	b.message, _, err = wire.Read(c.in, b.message, wire.MaxMessageSize)
	c.readWithin(0)
	return err
}

// readWithin bounds the time that reading may take from now on; 0: as long as it takes.
func (c *connection) readWithin(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.noMore || d == 0 && !c.limited {
		return
	}
	c.limited = d > 0
	var until time.Time
	if c.limited {
		until = time.Now().Add(d)
	}
	_ = c.SetReadDeadline(until) // fails on closed connections, as reading does
}

// readNoMore ends waiting for what the client may send.
func (c *connection) readNoMore() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.noMore = true
	_ = c.SetReadDeadline(time.Unix(1, 0))
}

// write sends a whole message.
func (c *connection) write(message []byte) error {
	if err := c.SetWriteDeadline(time.Now().Add(c.MessageTimeout)); err != nil {
		return err
	}
	_, err := c.Conn.Write(message)
	return err
}

// faultAt names the functions that panicked, without their arguments, which a stack trace would show.
func faultAt() (at []string) {
	var callers [30]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(3, callers[:])])
	for {
		f, more := frames.Next()
		at = append(at, f.Function+":"+strconv.Itoa(f.Line))
		if !more {
			return at
		}
	}
}
