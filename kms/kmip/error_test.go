package kmip_test

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	protocol "github.com/ovh/kmip-go"
	"github.com/ovh/kmip-go/payloads"
	"github.com/ovh/kmip-go/ttlv"
	"go.mongodb.org/mongo-driver/v2/bson"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/kmip"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

// reply is a message in which the server says that a request succeeded.
func reply(p protocol.OperationPayload) *mock.Answer {
	return &mock.Answer{Raw: ttlv.MarshalTTLV(&protocol.ResponseMessage{
		Header:    protocol.ResponseHeader{ProtocolVersion: protocol.V1_0, BatchCount: 1},
		BatchItem: []protocol.ResponseBatchItem{{Operation: p.Operation(), ResponsePayload: p}},
	})}
}

func secretReply(id string, n int, change func(*protocol.KeyBlock)) *mock.Answer {
	secret := make([]byte, n)
	object := &protocol.SecretData{SecretDataType: protocol.SecretDataTypeSeed, KeyBlock: protocol.KeyBlock{
		KeyFormatType: protocol.KeyFormatTypeOpaque,
		KeyValue:      &protocol.KeyValue{Plain: &protocol.PlainKeyValue{KeyMaterial: protocol.KeyMaterial{Bytes: &secret}}},
	}}
	if change != nil {
		change(&object.KeyBlock)
	}
	return reply(&payloads.GetResponsePayload{ObjectType: protocol.ObjectTypeSecretData, UniqueIdentifier: id, Object: object})
}

// shortInteger is a message whose version is an integer of no bytes, on which the library's decoder panics.
var shortInteger = []byte("\x42\x00\x7b\x01\x00\x00\x00\x18" + "\x42\x00\x7a\x01\x00\x00\x00\x10" + "\x42\x00\x69\x01\x00\x00\x00\x08" + "\x42\x00\x6a\x02\x00\x00\x00\x00")

func TestUnwrapErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		keyID     string // empty is 1
		answer    *mock.Answer
		code      string
		message   string // a part
		denied    bool
		temporary bool
	}{
		"not found":       {keyID: "2", code: "ItemNotFound", message: "Could not locate object: 2", denied: true},
		"denied":          {answer: &mock.Answer{Reason: protocol.ResultReasonPermissionDenied, Message: "no"}, code: "PermissionDenied", message: "no", denied: true},
		"a stranger":      {answer: &mock.Answer{Reason: protocol.ResultReasonAuthenticationNotSuccessful}, code: "AuthenticationNotSuccessful", denied: true},
		"failure":         {answer: &mock.Answer{Reason: protocol.ResultReasonGeneralFailure, Message: "disk full"}, code: "GeneralFailure", message: "disk full"},
		"log injection":   {answer: &mock.Answer{Reason: protocol.ResultReasonGeneralFailure, Message: "a\x1b[2Jb\nsecond line" + strings.Repeat("x", 1<<10)}, code: "GeneralFailure", message: "a?[2Jb"},
		"delegated key":   {keyID: "11", message: "is it a delegated one?"},
		"dropped":         {answer: &mock.Answer{Drop: true}, message: "closed the connection", temporary: true},
		"half a head":     {answer: &mock.Answer{Raw: []byte("\x42\x00\x7b")}, message: "closed the connection", temporary: true},
		"half a message":  {answer: &mock.Answer{Raw: []byte("\x42\x00\x7b\x01\x00\x00\x01\x00abc")}, message: "closed the connection", temporary: true},
		"too long":        {answer: &mock.Answer{Raw: []byte("\x42\x00\x7b\x01\xff\xff\xff\xf8")}, message: "malformed reply: it has 4294967288 bytes"},
		"not KMIP":        {answer: &mock.Answer{Raw: []byte("\x00\x00\x00\x00\x00\x00\x00\x08CANARY!!")}, message: "malformed reply"},
		"empty":           {answer: &mock.Answer{Raw: []byte("\x42\x00\x7b\x01\x00\x00\x00\x00")}, message: "malformed reply"},
		"short integer":   {answer: &mock.Answer{Raw: shortInteger}, message: "malformed reply"},
		"other operation": {answer: reply(&payloads.ActivateResponsePayload{UniqueIdentifier: "1"}), message: "malformed reply"},
		"other key":       {answer: secretReply("2", 96, nil), message: "about another key"},
		"95 bytes":        {answer: secretReply("1", 95, nil), message: "must be 96 bytes: got 95"},
		"no value":        {answer: secretReply("1", 96, func(b *protocol.KeyBlock) { b.KeyValue = nil }), message: "no plain bytes"},
		"wrapped value":   {answer: secretReply("1", 96, func(b *protocol.KeyBlock) { b.KeyValue.Wrapped, b.KeyValue.Plain = &[]byte{1}, nil }), message: "no plain bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			s := run(t, mock.Options{
				Secrets: map[string][]byte{"1": mock.SpecSecret()}, Keys: map[string][]byte{"11": make([]byte, 32)},
				Intercept: func(context.Context, mock.Call) *mock.Answer { return tt.answer },
			})
			keyID := tt.keyID
			if keyID == "" {
				keyID = "1"
			}
			got, err := open(t, "kmip:prod", s.Addr(), s.ClientTLS()).UnwrapKey(t.Context(), doc(t, "keyId", keyID), unbase64(t, specMaterial))
			var e *kms.Error
			if got != nil || !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			if e.Code != tt.code || !strings.Contains(e.Message, tt.message) || e.Temporary() != tt.temporary || errors.Is(err, kms.ErrDenied) != tt.denied {
				t.Errorf("got code %q, message %q, temporary %v, denied %v", e.Code, e.Message, e.Temporary(), errors.Is(err, kms.ErrDenied))
			}
			text := err.Error()
			if !strings.HasPrefix(text, "KMS provider `kmip:prod`: Get with key \""+keyID+"\" at \""+s.Addr()+"\"") || strings.Contains(text, "CANARY") ||
				len(text) > 700 || strings.ContainsAny(text, "\n\x1b") {
				t.Errorf("got %q", text)
			}
			if n := len(s.Calls()); n != 1 {
				t.Errorf("the server was asked %d times", n)
			}
		})
	}
}

// Each request of WrapKey fails in turn; none is sent twice, and the error names the key that was made.
func TestWrapErrors(t *testing.T) {
	for operation, tt := range map[string]struct {
		masterKey bson.Raw
		key       string
		calls     int
	}{
		"Register": {doc(t), "", 1},
		"Create":   {doc(t, "delegated", true), "", 1},
		"Activate": {doc(t), "new-2", 2},
		"Get":      {doc(t), "new-2", 3},
		"Encrypt":  {doc(t, "delegated", true), "new-2", 3},
	} {
		for _, answer := range []*mock.Answer{
			{Drop: true},
			{Reason: protocol.ResultReasonGeneralFailure, Message: "you sent " + string(dataKey())},
			{Reason: protocol.ResultReasonGeneralFailure, Message: "you sent " + base64.StdEncoding.EncodeToString(dataKey())},
			reply(&payloads.DecryptResponsePayload{UniqueIdentifier: "1"}),
			reply(&payloads.RegisterResponsePayload{}),
			reply(&payloads.EncryptResponsePayload{Data: make([]byte, 96), IVCounterNonce: make([]byte, 16)}),
		} {
			s := run(t, mock.Options{Intercept: func(_ context.Context, c mock.Call) *mock.Answer {
				if c.Operation == operation {
					return answer
				}
				return nil
			}})
			_, err := openDefault(t, s).WrapKey(t.Context(), tt.masterKey, dataKey())
			var e *kms.Error
			if !errors.As(err, &e) || e.Operation != operation || e.Key != tt.key || len(s.Calls()) != tt.calls {
				t.Errorf("%s: got %v after %d requests", operation, err, len(s.Calls()))
			} else if strings.Contains(err.Error(), "CANARY") || strings.Contains(err.Error(), "Q0FOQVJZ") {
				t.Errorf("%s: the data key is in the error", operation)
			}
		}
	}
}

func TestUnreachable(t *testing.T) {
	s := run(t, mock.Options{})
	s.Close()
	_, err := openDefault(t, s).WrapKey(t.Context(), nil, dataKey())
	var e *kms.Error
	if !errors.As(err, &e) || !e.Temporary() || e.Operation != "Connect" || !strings.Contains(e.Message, "connection refused") {
		t.Errorf("got %v", err)
	}
}

func TestCancelled(t *testing.T) {
	asked := make(chan struct{}, 1)
	s := run(t, mock.Options{Intercept: func(ctx context.Context, _ mock.Call) *mock.Answer {
		asked <- struct{}{}
		<-ctx.Done()
		return &mock.Answer{Drop: true}
	}})
	p := openDefault(t, s)
	for name, call := range map[string]func(context.Context) error{
		"wrap": func(ctx context.Context) error { _, err := p.WrapKey(ctx, nil, dataKey()); return err },
		"unwrap": func(ctx context.Context) error {
			_, err := p.UnwrapKey(ctx, doc(t, "keyId", "1"), unbase64(t, specMaterial))
			return err
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-asked; cancel() }()
		if err := call(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: in flight: %v", name, err)
		}
		if err := call(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, kms.ErrDenied) {
			t.Errorf("%s: before: %v", name, err)
		}
	}
}
