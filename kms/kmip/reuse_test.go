package kmip_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	protocol "github.com/ovh/kmip-go"
	"github.com/ovh/kmip-go/payloads"
	"go.mongodb.org/mongo-driver/v2/bson"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/kmip"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

// both runs the test with a wrapped key of each form.
func both(t *testing.T, o mock.Options, test func(t *testing.T, s *mock.Server, p kms.Provider, w kms.Wrapped)) {
	for form, masterKey := range map[string]bson.Raw{"plain": nil, "delegated": doc(t, "delegated", true)} {
		t.Run(form, func(t *testing.T) {
			s := run(t, o)
			p := openDefault(t, s)
			w, err := p.WrapKey(t.Context(), masterKey, dataKey())
			if err != nil {
				t.Fatal(err)
			}
			test(t, s, p, w)
		})
	}
}

func checkUnwraps(t *testing.T, p kms.Provider, w kms.Wrapped) {
	t.Helper()
	if got, err := p.UnwrapKey(t.Context(), w.MasterKey, w.KeyMaterial); err != nil || !bytes.Equal(got, dataKey()) {
		t.Errorf("not the data key; error %v", err)
	}
}

func checkConnections(t *testing.T, s *mock.Server, want int) {
	t.Helper()
	if _, all := s.Connections(); all != want {
		t.Errorf("%d connections, want %d", all, want)
	}
}

func TestConnectionIsKept(t *testing.T) {
	both(t, mock.Options{}, func(t *testing.T, s *mock.Server, p kms.Provider, w kms.Wrapped) {
		for range 3 {
			checkUnwraps(t, p, w)
			if _, err := p.WrapKey(t.Context(), w.MasterKey, dataKey()); err != nil {
				t.Error(err)
			}
			missing := doc(t, "keyId", "none")
			if _, err := p.UnwrapKey(t.Context(), missing, make([]byte, 160)); !errors.Is(err, kms.ErrDenied) {
				t.Errorf("got %v", err)
			}
		}
		checkConnections(t, s, 1)
	})
}

// The server is started anew between two calls.
func TestKeptConnectionIsClosed(t *testing.T) {
	both(t, mock.Options{}, func(t *testing.T, s *mock.Server, p kms.Provider, w kms.Wrapped) {
		for n := range 3 {
			s.Disconnect()
			checkUnwraps(t, p, w)
			checkConnections(t, s, 2+n)
		}
		s.Disconnect()
		if _, err := p.WrapKey(t.Context(), nil, dataKey()); err != nil {
			t.Errorf("making a key: %v", err)
		}
	})
}

// A request that may have reached the server is sent again once, unless it makes a key.
func TestKeptConnectionIsDropped(t *testing.T) {
	var dropping atomic.Bool
	o := mock.Options{Intercept: func(_ context.Context, c mock.Call) *mock.Answer {
		if dropping.Load() {
			return &mock.Answer{Drop: true}
		}
		return nil
	}}
	both(t, o, func(t *testing.T, s *mock.Server, p kms.Provider, w kms.Wrapped) {
		for name, tt := range map[string]struct {
			call func() error
			sent int
		}{
			"unwrap":        {func() error { _, err := p.UnwrapKey(t.Context(), w.MasterKey, w.KeyMaterial); return err }, 2},
			"wrap":          {func() error { _, err := p.WrapKey(t.Context(), w.MasterKey, dataKey()); return err }, 2},
			"new secret":    {func() error { _, err := p.WrapKey(t.Context(), nil, dataKey()); return err }, 1},
			"new delegated": {func() error { _, err := p.WrapKey(t.Context(), doc(t, "delegated", true), dataKey()); return err }, 1},
		} {
			dropping.Store(false)
			checkUnwraps(t, p, w)
			dropping.Store(true)
			before := len(s.Calls())
			var e *kms.Error
			if err := tt.call(); !errors.As(err, &e) || !e.Temporary() || !strings.Contains(e.Message, "closed the connection") {
				t.Errorf("%s: got %v", name, err)
			}
			if n := len(s.Calls()) - before; n != tt.sent {
				t.Errorf("%s: sent %d times, want %d", name, n, tt.sent)
			}
		}
		dropping.Store(false)
	})
}

// What is out of step is not kept, and its request not sent again.
func TestConnectionOutOfStep(t *testing.T) {
	var answer atomic.Pointer[mock.Answer]
	o := mock.Options{Intercept: func(context.Context, mock.Call) *mock.Answer { return answer.Load() }}
	both(t, o, func(t *testing.T, s *mock.Server, p kms.Provider, w kms.Wrapped) {
		for n, a := range []*mock.Answer{
			{Raw: []byte("\x42\x00\x7b")},
			{Raw: []byte("\x42\x00\x7b\x01\x00\x00\x00\x00")},
			reply(&payloads.ActivateResponsePayload{UniqueIdentifier: "1"}),
			reply(&payloads.GetResponsePayload{UniqueIdentifier: "other", ObjectType: protocol.ObjectTypeSecretData, Object: &protocol.SecretData{}}),
			reply(&payloads.DecryptResponsePayload{UniqueIdentifier: "other", Data: make([]byte, 96)}),
		} {
			answer.Store(a)
			before := len(s.Calls())
			if got, err := p.UnwrapKey(t.Context(), w.MasterKey, w.KeyMaterial); err == nil || len(s.Calls()) != before+1 {
				t.Errorf("answer %d: got %d bytes, %v after %d requests", n, len(got), err, len(s.Calls())-before)
			}
			answer.Store(nil)
			checkUnwraps(t, p, w)
			checkConnections(t, s, 2+n)
		}
	})
}

func TestCancelledConnectionIsNotKept(t *testing.T) {
	hanging, asked := atomic.Bool{}, make(chan struct{}, 1)
	o := mock.Options{Intercept: func(ctx context.Context, _ mock.Call) *mock.Answer {
		if hanging.Load() {
			asked <- struct{}{}
			<-ctx.Done()
		}
		return nil
	}}
	both(t, o, func(t *testing.T, s *mock.Server, p kms.Provider, w kms.Wrapped) {
		hanging.Store(true)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-asked; cancel() }()
		if _, err := p.UnwrapKey(ctx, w.MasterKey, w.KeyMaterial); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		hanging.Store(false)
		checkUnwraps(t, p, w)
		checkConnections(t, s, 2)
	})
}
