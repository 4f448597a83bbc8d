package faults

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/integration/shim"
	"github.com/fieldcrypt/fieldcrypt/internal/breakingproxy"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

// overdue is a context whose deadline passes when the test says so: when it is known who is being waited for.
type overdue struct {
	context.Context
	once sync.Once
	done chan struct{}
}

func newOverdue(ctx context.Context) *overdue {
	return &overdue{Context: ctx, done: make(chan struct{})}
}

func (o *overdue) pass()                 { o.once.Do(func() { close(o.done) }) }
func (o *overdue) Done() <-chan struct{} { return o.done }

func (o *overdue) Err() error {
	select {
	case <-o.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// waitsFor wants the error of a call whose deadline passes while it waits for the KMS to name that.
func (s *service) waitsFor(t *testing.T, name string, call func(context.Context) error) {
	t.Helper()
	ctx, before := newOverdue(t.Context()), s.wraps.Load()+s.unwraps.Load()
	s.breaks(t, breakingproxy.Fault{BlackHole: true, Hit: func() {
		if s.wraps.Load()+s.unwraps.Load() > before { // else it is the last of a call before
			ctx.pass()
		}
	}})
	err := call(ctx)
	s.breaks(t, breakingproxy.Fault{})
	if e := s.checkError(t, err); !errors.Is(err, context.DeadlineExceeded) || !e.Temporary() {
		t.Errorf("%s: got %v", name, err)
	}
}

// While a KMS hangs, the error at the deadline says which, with which key, and where.
func TestDeadlineNamesKMS(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		store := keyvault.NewMemoryStore()
		ce := explicit(t, s, store)
		id := newKeys(t, ce, s, 1)[0]
		keyID, value := id.Binary(), seal(t, ce, newKeys(t, ce, s, 1))
		for name, call := range map[string]func(context.Context, *fieldcrypt.ClientEncryption) error{
			"encrypt": func(ctx context.Context, ce *fieldcrypt.ClientEncryption) error {
				_, err := ce.Encrypt(ctx, text(t, canary), fieldcrypt.EncryptOptions{KeyID: &keyID, Algorithm: random})
				return err
			},
			"decrypt": func(ctx context.Context, ce *fieldcrypt.ClientEncryption) error {
				_, err := ce.Decrypt(ctx, slices.Collect(maps.Values(value))[0])
				return err
			},
			"createDataKey": func(ctx context.Context, ce *fieldcrypt.ClientEncryption) error {
				_, err := ce.CreateDataKey(ctx, s.id, fieldcrypt.DataKeyOptions{MasterKey: s.masterKey})
				return err
			},
			"rewrapManyDataKey": func(ctx context.Context, ce *fieldcrypt.ClientEncryption) error {
				_, err := ce.RewrapManyDataKey(ctx, bson.D{{Key: "_id", Value: keyID}}, fieldcrypt.RewrapManyDataKeyOptions{})
				return err
			},
		} {
			unused := explicit(t, s, store)
			s.waitsFor(t, name, func(ctx context.Context) error { return call(ctx, unused) })
		}
	})
}

func TestDeadlineNamesKMSAutomatic(t *testing.T) {
	v := startServer(t)
	each(t, func(t *testing.T, s *service) {
		coll := automatic(t, v, s)
		if _, err := coll.InsertOne(t.Context(), person{1, canary}); err != nil {
			t.Fatal(err)
		}
		for name, operation := range work {
			s.waitsFor(t, name, func(ctx context.Context) error { return operation(ctx, coll) })
		}
	})
}

// While the server of the key vault hangs, the error at the deadline says that it is this one, and what was asked of it.
func TestDeadlineNamesKeyVault(t *testing.T) {
	t.Parallel()
	v := startServer(t)
	coll := automaticLocal(t, v)
	if _, err := coll.InsertOne(t.Context(), person{1, canary}); err != nil {
		t.Fatal(err)
	}
	for name, operation := range work {
		ctx, release := newOverdue(t.Context()), make(chan struct{})
		v.onCommand(func(c shim.Command) (bson.D, error) {
			if c.Name == "find" {
				ctx.pass()
				<-release
			}
			return nil, nil
		})
		err := operation(ctx, coll)
		close(release)
		v.onCommand(nil)
		checkVaultError(t, err)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "key vault "+v.db+".datakeys: fetching data keys") || errors.As(err, new(*kms.Error)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// What the cache says of a KMS in its stead is what the KMS's own errors say.
func TestLocate(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		p := provider(t, s)
		w, err := p.WrapKey(t.Context(), document(t, s.masterKey), []byte(material))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = p.UnwrapKey(ctx, s.stored(t, w.MasterKey), w.KeyMaterial)
		e, got := s.checkError(t, err), kms.Locate(p, s.stored(t, w.MasterKey))
		if got.Operation == "" || got.Key != e.Key || got.Endpoint != e.Endpoint {
			t.Errorf("got %+v, want those of %+v", got, e)
		}
	})
}
