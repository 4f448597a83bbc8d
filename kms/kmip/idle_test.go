package kmip

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// pipe returns a connection, and a func that says whether it was closed.
func pipe(address string) (*conn, func() bool) {
	near, far := net.Pipe()
	return &conn{Conn: near, address: address}, func() bool {
		_ = far.SetReadDeadline(time.Now().Add(time.Nanosecond))
		_, err := far.Read(make([]byte, 1))
		return errors.Is(err, io.EOF)
	}
}

func TestIdleTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &idle{}
		c, closed := pipe("a:1")
		i.put(c)
		time.Sleep(idleTime - time.Second)
		if i.take("a:1") != c || !c.kept {
			t.Error("gone before its time")
		}
		time.Sleep(2 * idleTime)
		if closed() {
			t.Error("closed while in use")
		}
		i.put(c)
		time.Sleep(idleTime + time.Second)
		if got := i.take("a:1"); got != nil || !closed() {
			t.Errorf("after its time: got %v, closed %v", got, closed())
		}
	})
}

func TestIdleCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &idle{}
		var all []*conn
		var closed []func() bool
		for n := range maxIdle + 2 {
			c, isClosed := pipe([]string{"a:1", "b:1"}[n%2])
			i.put(c)
			all, closed = append(all, c), append(closed, isClosed)
		}
		for n := range all {
			if got := closed[n](); got != (n < 2) {
				t.Errorf("connection %d: closed %v", n, got)
			}
		}
		if got := i.take("c:1"); got != nil {
			t.Errorf("another address: got %v", got)
		}
		for n := len(all) - 2; n >= 2; n -= 2 { // the one used last comes first
			if i.take("a:1") != all[n] {
				t.Errorf("connection %d is not the next", n)
			}
		}
		if got := i.take("a:1"); got != nil {
			t.Errorf("none left: got %v", got)
		}
	})
}

func TestTimeout(t *testing.T) {
	var got time.Time
	var given bool
	p := &provider{endpoint: "a", idle: &idle{}, dial: func(ctx context.Context, _ string) (net.Conn, error) {
		got, given = ctx.Deadline()
		return nil, errors.New("no network here")
	}}
	begun := time.Now()
	if _, err := p.WrapKey(t.Context(), nil, make([]byte, 96)); err == nil || !given || got.Sub(begun) < 10*time.Second {
		t.Errorf("got the deadline %v, %v; error %v", got, given, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	stored, err := bson.Marshal(bson.D{{Key: "keyId", Value: "1"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UnwrapKey(ctx, stored, make([]byte, 160)); err == nil || got.Sub(begun) < time.Hour {
		t.Errorf("got the deadline %v; error %v", got, err)
	}
}
