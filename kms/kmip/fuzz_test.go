package kmip

import (
	"bytes"
	"net"
	"testing"

	protocol "github.com/ovh/kmip-go"
	"github.com/ovh/kmip-go/payloads"
	"github.com/ovh/kmip-go/ttlv"
)

// replay is a connection on which the server says what it will, whatever it is asked.
type replay struct {
	net.Conn
	bytes.Reader
}

func (r *replay) Read(b []byte) (int, error)  { return r.Reader.Read(b) }
func (r *replay) Write(b []byte) (int, error) { return len(b), nil }

func FuzzReplies(f *testing.F) {
	secret := make([]byte, 96)
	for _, p := range []protocol.OperationPayload{
		&payloads.RegisterResponsePayload{UniqueIdentifier: "1"},
		&payloads.CreateResponsePayload{UniqueIdentifier: "1", ObjectType: protocol.ObjectTypeSymmetricKey},
		&payloads.EncryptResponsePayload{UniqueIdentifier: "1", Data: make([]byte, 112), IVCounterNonce: make([]byte, 16)},
		&payloads.DecryptResponsePayload{UniqueIdentifier: "1", Data: secret},
		&payloads.GetResponsePayload{UniqueIdentifier: "1", ObjectType: protocol.ObjectTypeSecretData, Object: &protocol.SecretData{
			SecretDataType: protocol.SecretDataTypeSeed,
			KeyBlock: protocol.KeyBlock{
				KeyFormatType: protocol.KeyFormatTypeOpaque,
				KeyValue:      &protocol.KeyValue{Plain: &protocol.PlainKeyValue{KeyMaterial: protocol.KeyMaterial{Bytes: &secret}}},
			},
		}},
	} {
		f.Add(ttlv.MarshalTTLV(&protocol.ResponseMessage{
			Header:    protocol.ResponseHeader{ProtocolVersion: protocol.V1_2, BatchCount: 1},
			BatchItem: []protocol.ResponseBatchItem{{Operation: p.Operation(), ResponsePayload: p}},
		}))
	}
	f.Fuzz(func(_ *testing.T, reply []byte) {
		for _, ask := range []func(*conn) error{
			func(c *conn) error { _, err := c.registerSecret(); return err },
			func(c *conn) error { _, err := c.createKey(); return err },
			func(c *conn) error { _, err := c.masterKey("1"); return err },
			func(c *conn) error { _, err := c.encrypt("1", make([]byte, 96)); return err },
			func(c *conn) error { _, err := c.decrypt("1", make([]byte, delegatedSize)); return err },
		} {
			r := &replay{}
			r.Reset(reply)
			_ = ask(&conn{Conn: r, version: protocol.V1_2}) // no panic
		}
	})
}
