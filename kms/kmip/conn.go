package kmip

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/ovh/kmip-go"
	"github.com/ovh/kmip-go/ttlv"
)

// conn is a connection, used by one call at a time.
//
// It is in place of kmipclient, whose connection decodes replies in a goroutine of its own, where a malformed one ends the whole program, sends
// requests again on a new connection, and takes replies of any size.
type conn struct {
	net.Conn  // nil until open
	address   string
	version   kmip.ProtocolVersion
	operation string // the last one begun, for errors
	kept      bool   // since another call; the server may have closed it
	answered  bool   // in part at least
	expiry    *time.Timer
}

// open connects unless it is connected; all that the connection does ends with ctx, until stop is called, which says whether it did not end by then.
func (c *conn) open(ctx context.Context, dial func(context.Context, string) (net.Conn, error)) (stop func() bool, err error) {
	if c.Conn == nil {
		c.operation = "Connect"
		connected, err := dial(ctx, c.address)
		if err != nil {
			return nil, err
		}
		c.Conn = connected
	}
	return context.AfterFunc(ctx, c.cut), nil
}

// cut ends the connection and what is under way on it, without a farewell, which could have to wait. It is not done by a deadline, since connections
// through a tunnel may not have any.
func (c *conn) cut() {
	under := c.Conn
	if secured, ok := under.(*tls.Conn); ok {
		under = secured.NetConn()
	}
	_ = under.Close()
}

// refusal is a reply that says no.
type refusal struct {
	reason  kmip.ResultReason
	message string
}

func (r *refusal) Error() string { return ttlv.EnumStr(r.reason) + ": " + r.message }

// ask sends one request and returns the reply's payload.
func ask[Reply kmip.OperationPayload](c *conn, request kmip.OperationPayload) (reply Reply, err error) {
	c.operation = ttlv.EnumStr(request.Operation())
	message := kmip.NewRequestMessage(c.version, request)
	message.Header.TimeStamp = nil // servers refuse stale ones, and clocks differ
	encoded := ttlv.MarshalTTLV(&message)
	defer clear(encoded)
	if _, err := c.Write(encoded); err != nil {
		return reply, err
	}
	received, err := c.receive()
	if err != nil {
		return reply, err
	}
	if len(received.BatchItem) != 1 {
		return reply, fmt.Errorf("malformed reply: %d results instead of one", len(received.BatchItem))
	}
	item := received.BatchItem[0]
	if item.ResultStatus != kmip.ResultStatusSuccess {
		return reply, &refusal{item.ResultReason, item.ResultMessage}
	}
	reply, ok := item.ResponsePayload.(Reply)
	if !ok || item.Operation != request.Operation() {
		return reply, errors.New("malformed reply: the result is of another operation")
	}
	return reply, nil
}

// maxReply is far beyond any reply to these requests.
const maxReply = 1 << 16

// receive reads one message: a head of 8 bytes, the last four of which are the length of the rest, always a multiple of 8.
func (c *conn) receive() (*kmip.ResponseMessage, error) {
	var head [8]byte
	got, err := io.ReadFull(c, head[:])
	c.answered = got > 0
	if err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[4:])
	if n > maxReply {
		return nil, fmt.Errorf("malformed reply: it has %d bytes, more than %d", n, maxReply)
	}
	message := make([]byte, len(head)+int(n))
	defer clear(message)
	copy(message, head[:])
	if _, err := io.ReadFull(c, message[len(head):]); err != nil {
		return nil, err
	}
	return decode(message)
}

// decode turns panics into errors: the decoder panics on values shorter than their type. Its errors are not repeated, since they may quote
// values.
func decode(message []byte) (m *kmip.ResponseMessage, err error) {
	malformed := errors.New("malformed reply: not a KMIP response")
	defer func() {
		if recover() != nil {
			m, err = nil, malformed
		}
	}()
	m = new(kmip.ResponseMessage)
	if ttlv.UnmarshalTTLV(message, m) != nil {
		return nil, malformed
	}
	return m, nil
}
